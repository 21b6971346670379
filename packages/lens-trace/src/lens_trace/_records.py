"""What is a trace made of?

A `Trace` is the frozen account of one forward pass: every operation in execution order, every module call, every
read that left the tensor world, and the parameters and buffers that took part.  It holds no tensor and needs no torch
to be read; payloads are reached through `lens_trace.Tensors` by operation id.

Terms.  An *operation* is one tensor value in the pass: a model input, a buffer or constant when first met, one
returned tensor of a function call, or a leaf of the model's output.  All kinds share one id space, `Operation.id` is
its index in `Trace.operations`, and every parent has a smaller id than its child.  A *call* is one invocation of a
function; a call that returns several tensors is several operations with the same `call_id`.  An *overlay* is a write
through a view that reached an argument after the argument's own operation.

Source: "Logging the forward pass" in the TorchLens paper.  It names operations while tracing; here they are only
numbered, names are conclusions that lens-graph draws from the whole graph.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from lens_trace._arguments import Argument as Argument
from lens_trace._arguments import Constant as Constant
from lens_trace._arguments import Geometry as Geometry
from lens_trace._arguments import MappingArgument as MappingArgument
from lens_trace._arguments import Opaque as Opaque
from lens_trace._arguments import ParameterRef as ParameterRef
from lens_trace._arguments import Path as Path
from lens_trace._arguments import SequenceArgument as SequenceArgument
from lens_trace._arguments import SliceArgument as SliceArgument
from lens_trace._arguments import Special as Special
from lens_trace._arguments import TensorRef as TensorRef
from lens_trace._arguments import WrittenValue as WrittenValue
from lens_trace._ids import BufferId as BufferId
from lens_trace._ids import CallId as CallId
from lens_trace._ids import ModuleCallId as ModuleCallId
from lens_trace._ids import ModuleId as ModuleId
from lens_trace._ids import OperationId as OperationId
from lens_trace._ids import ParameterId as ParameterId

OperationKind = Literal["input", "buffer", "constant", "call", "output"]
"""`input`: a tensor leaf of the arguments.  `buffer`: a registered buffer, when first used.  `constant`: a tensor that
nothing recorded has made (attribute, closure, other thread).  `call`: a tensor that a function returned or wrote.
`output`: a tensor leaf of what the model returned."""


class Parent(Struct, frozen=True, gc=False):
    """One edge into an operation."""

    operation: OperationId
    """Where the value came from."""
    path: Path
    """The argument that it reached."""
    is_overlay: bool = False
    """True when it came as a write through another view of the argument's memory."""


class TensorSpec(Struct, frozen=True, gc=False):
    """What a tensor looks like, without its values."""

    shape: tuple[int, ...]
    """Elements along each dimension; -1 where a nested tensor is ragged."""
    dtype: str
    """Such as `float32`."""
    device: str
    """Such as `cpu` or `cuda:0`."""
    nbytes: int
    """Elements times bytes an element (what the tensor itself counts, not its storage)."""
    layout: str = "strided"
    """`strided`, `sparse_coo`, `sparse_csr`, `jagged`, ..."""
    storage: int | None = None
    """Number of the storage it lives in: equal for views of each other, None where torch has none."""
    is_quantized: bool = False
    """True for tensors of the quantized dtypes."""
    requires_grad: bool = False
    """Whether autograd followed it."""


class Write(Struct, frozen=True, gc=False):
    """An argument that a call changed without returning it, such as batch norm's running mean."""

    path: Path
    """The argument."""
    spec: TensorSpec
    """The tensor written."""


class Function(Struct, frozen=True, gc=False):
    """Which function ran."""

    name: str
    """Its own name without overload: `conv2d`, `add_`, `__getitem__`, `rsub`, `T`; an opaque module's class name."""
    qualified_name: str
    """Where it lives: `torch.conv2d`, `torch.Tensor.add_`, `torch.ops.aten.add.Tensor`."""
    kind: Literal["function", "method", "property", "operator", "extension", "scripted", "module", "identity"]
    """`operator`: a `torch.ops` entry; `extension`: decorated with `@operation`; `scripted`: TorchScript; `module`:
    an opaque module; `identity`: a module handed a tensor on without any function."""


class CallSite(Struct, frozen=True, gc=False):
    """A place in Python code."""

    file: str
    """Path of the source file."""
    line: int
    """1-based line; 0 where unknown."""
    function: str
    """Qualified name of the function."""
    instruction: int
    """Offset of the instruction in its code object: tells two calls on one line apart."""


class Context(Struct, frozen=True, gc=False):
    """The modes of torch that an operation ran under."""

    grad: bool
    """Whether gradients were being recorded."""
    inference: bool
    """Whether inference mode was on."""
    autocast: tuple[tuple[str, str], ...] = ()
    """Device types with autocast on, each with its dtype: `(("cpu", "bfloat16"),)`."""
    default_dtype: str = "float32"
    """`torch.get_default_dtype()`."""
    default_device: str | None = None
    """Device set around the pass by `torch.set_default_device` or `with torch.device(...)`; None for the CPU."""
    autocast_cache: bool = True
    """Whether autocast caches the casts of weights."""


class Operation(Struct, frozen=True, gc=False):
    """One tensor value of the pass."""

    id: OperationId
    kind: OperationKind
    function: Function | None
    """None for inputs, buffers, constants and outputs."""
    call_id: CallId | None
    """None for inputs, buffers, constants and outputs."""
    args: tuple[Argument, ...]
    """Positional arguments of the call; the single tensor for an output."""
    kwargs: tuple[tuple[str, Argument], ...]
    """Keyword arguments in the order given."""
    parents: tuple[Parent, ...]
    """Every operation that an argument's value came from, in argument order; the same one once for each argument."""
    parameters: tuple[ParameterId, ...]
    """Parameters among the arguments, in argument order, each once."""
    output: TensorSpec
    """The value itself."""
    writes: tuple[Write, ...]
    """Arguments changed beside the output."""
    output_index: int | None
    """Position among the tensors that the call returned; None when it returned one bare tensor."""
    output_path: Path
    """Where the tensor sat in what was returned, or in the model's arguments (kind input) or result (kind output)."""
    module_calls: tuple[ModuleCallId, ...]
    """Module calls open when it ran, outermost first, without the model itself."""
    called_through: tuple[str, ...]
    """Composite functions that led here, outermost first: `("torch.nn.functional.relu",)`."""
    is_inplace: bool
    """Whether the function wrote into an argument's memory and returned that argument."""
    uses_rng: bool
    """Whether the function draws random numbers; the state before it is `Recording.rng_states[call_id]`."""
    elapsed_s: float
    """Seconds the call took (whole call, also where it returned several tensors)."""
    grad_fn: str | None
    """Name of the autograd node, None without one."""
    context: Context | None
    """None for inputs, buffers, constants and outputs."""
    call_site: CallSite | None
    """Innermost Python frame that made the call."""
    user_call_site: CallSite | None
    """First frame outside torch and Lens."""
    address: str | None
    """Input: the argument's name (`x`, `x.0`).  Buffer: its address.  Constant: where the model holds it, if it does.
    Output: its path (`0`, `logits`); None for a bare tensor."""
    buffer: BufferId | None = None
    """The buffer, for kind buffer."""
    thread: int = 0
    """0 for the thread that traced, 1, 2, ... for threads that the model started."""


class ModuleCall(Struct, frozen=True, gc=False):
    """One call of a module."""

    id: ModuleCallId
    module: ModuleId
    address: str
    """The address it was called by (a shared module has several; the one under the calling parent is taken)."""
    pass_num: int
    """1 for the module's first call, counted over all its addresses."""
    parent: ModuleCallId | None
    """The call it ran in; None for the model's own call, which is 0."""
    depth: int
    """0 for the model, 1 for its direct parts, ..."""
    inputs: tuple[OperationId, ...]
    """Values of the tensor leaves of its arguments, in order (leaves that are parameters left out)."""
    outputs: tuple[OperationId, ...]
    """Values of the tensor leaves of its result, in order."""
    training: bool
    """Its train/eval flag at the call."""
    elapsed_s: float
    """Seconds from entering to leaving, recording included."""
    first_operation: int
    """Operations recorded before it was entered."""
    last_operation: int
    """Operations recorded when it was left."""


class Module(Struct, frozen=True, gc=False):
    """A module of the model."""

    id: ModuleId
    addresses: tuple[str, ...]
    """Every address; `""` is the model.  One made during the pass is called `<Linear>` or `<Linear:2>`."""
    class_name: str
    qualified_class_name: str
    training: bool
    parameters: tuple[ParameterId, ...]
    """Its own parameters, not those of its parts."""
    buffers: tuple[BufferId, ...]
    children: tuple[ModuleId, ...]


class Parameter(Struct, frozen=True, gc=False):
    """A parameter of the model."""

    id: ParameterId
    addresses: tuple[str, ...]
    """Every address: tied parameters have several.  Empty when the model does not hold it."""
    shape: tuple[int, ...]
    dtype: str
    device: str
    numel: int
    nbytes: int
    requires_grad: bool


class Buffer(Struct, frozen=True, gc=False):
    """A registered buffer of the model."""

    id: BufferId
    addresses: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    device: str
    nbytes: int
    is_persistent: bool
    """Whether it is part of the state_dict."""


class Read(Struct, frozen=True, gc=False):
    """A value that left the tensor world."""

    kind: str
    """`bool`, `item`, `float`, `int`, `index`, `tolist`, `numpy`, `equal`, `is_nonzero`, ..."""
    parents: tuple[Parent, ...]
    """The operations read."""
    value: int | float | bool | str | None
    """What was read; None when it is no scalar.  Complex values and integers beyond 64 bits as text."""
    after: int
    """Operations recorded before the read."""
    module_calls: tuple[ModuleCallId, ...]
    call_site: CallSite | None
    user_call_site: CallSite | None


class Trace(Struct, frozen=True):
    """The account of one forward pass."""

    model_name: str
    """Class of the model."""
    operations: tuple[Operation, ...]
    """In execution order; inputs first, outputs last."""
    module_calls: tuple[ModuleCall, ...]
    """In the order of entering; 0 is the model's own."""
    reads: tuple[Read, ...]
    inputs: tuple[OperationId, ...]
    """Inputs in flatten order of the arguments, each tensor once."""
    outputs: tuple[OperationId, ...]
    """Outputs in flatten order of the result, each leaf one."""
    output_structure: Argument
    """The result as a tree whose tensors point to operations of kind output."""
    modules: tuple[Module, ...]
    parameters: tuple[Parameter, ...]
    """All parameters of the model, used or not."""
    buffers: tuple[Buffer, ...]
    """All registered buffers, used or not."""
    seed: int | None
    started_at: float
    """Seconds since the epoch."""
    ended_at: float
    elapsed_s: float
    """Seconds of the whole forward, recording included."""
    elapsed_functions_s: float
    """Seconds spent in the functions themselves."""
    is_complete: bool = True
    """False when the pass ended early: an exception, or a sink that stopped it."""
    versions: tuple[tuple[str, str], ...] = ()
    """Versions of torch, Python and lens-trace that made it."""
