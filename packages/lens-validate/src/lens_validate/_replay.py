"""What does the function return when it is run again on the saved parents?

A call is rebuilt from its record and run under its recorded modes and random state.  A function that may write gets
copies of all its tensor arguments; arguments that shared memory share it again in the copies, so that
`x[1:].copy_(x[:-1])` does what it did.  What a call returned is then looked up the way it was recorded: by output path,
or, for functions that return nothing, as the argument they wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils import _device

from lens_trace import Operation, OperationId, Path, Recording, RngState, TensorRef, replayed
from lens_validate._arguments import part_at, rebuild, tensor_leaves, value_at
from lens_validate._call import STATISTICS, Call
from lens_validate._compare import is_same
from lens_validate._context import applied
from lens_validate._domains import refusal
from lens_validate._given import given_tensors
from lens_validate._names import canonical_name
from lens_validate._overlays import WRITE_NO_VALUES
from lens_validate._ragged import shape_of
from lens_validate._recurrent import misfit
from lens_validate._values import MissingValue, Values


class Outcome:
    """What one run of a call gave.

    Attributes:
        outputs: The tensors returned, one for each operation of the call.
        written: The arguments after the call, one for each of its `writes`.
        undeclared: Paths of arguments that it changed although the record does not say so.
        untrue: What the record says of its writing that is not so, in words.
    """

    def __init__(
        self, outputs: list[Tensor], written: list[Tensor], undeclared: list[Path], untrue: str | None
    ) -> None:
        self.outputs = outputs
        self.written = written
        self.undeclared = undeclared
        self.untrue = untrue


class WrongResult(Exception):
    """The function did not return what the record says it returned."""


def prepare(
    operations: tuple[Operation, ...],
    values: Values,
    recording: Recording,
    known: Mapping[OperationId, Operation],
) -> Call:
    """Returns a call with its arguments at hand.

    Raises:
        MissingValue: A value or the function itself was not kept.
        WrongValue: A value on record cannot be right.
    """
    first = operations[0]
    leaves = tensor_leaves(first)
    tensors = {path: values.argument(path, reference) for path, reference in leaves}
    assert first.call_id is not None
    function = recording.functions.get(first.call_id)
    if function is None:
        raise MissingValue("the live function is not in the recording")
    return Call(operations, leaves, tensors, function, recording, known)


def run(call: Call, changes: Mapping[Path, Tensor] | None = None) -> Outcome:
    """Runs a call, with some arguments replaced.

    Raises:
        CannotRebuildError: An argument cannot be made again.
        WrongResult: It returned something of another structure.
        Exception: Whatever the function raises.
    """
    tensors = {**call.tensors, **changes} if changes else dict(call.tensors)
    given = given_tensors(call, tensors)
    args, kwargs = rebuild(call.first, given, call.recording.objects)
    wrong = misfit(call.name, args)
    if wrong is not None:
        raise WrongResult(f"its arguments do not fit each other: {wrong}")
    if any(tensor.is_cuda for tensor in given.values()):
        for name in dict.fromkeys((call.name, canonical_name(getattr(call.function, "__name__", "")))):
            wrong = refusal(name, given, args, kwargs)  # what runs decides, whatever it is called on record
            if wrong is not None:
                raise WrongResult(wrong)
    _name_default_device(call, kwargs)
    with _random_state(call, kwargs), applied(call.first.context), _attention_kernels(call), _module_state(call):
        result = call.function(*args, **kwargs)
    outputs = _outputs(call, result, args, kwargs, given)
    written = [value_at(args, kwargs, write.path) for write in call.first.writes]
    _settle([*outputs, *written])
    is_watched = call.may_write and not changes
    undeclared = _undeclared(call, tensors, given, outputs, written) if is_watched else []
    untrue = _untrue_writes(call, tensors, given, outputs, written) if is_watched else None
    if not changes and untrue is None:
        untrue = _untrue_view(call, given, outputs)
    return Outcome([t.detach() for t in outputs], [t.detach() for t in written], undeclared, untrue)


def _name_default_device(call: Call, kwargs: dict[str, Any]) -> None:
    # Inside a sink no mode of torch's acts, not the one either that tells factories their device.
    context = call.first.context
    device = None if context is None else context.default_device
    if device is None or kwargs.get("device") is not None:
        return
    factories: Any = _device._device_constructors()  # pyright: ignore[reportUnknownVariableType] - half typed in torch
    if any(call.function is factory for factory in factories):
        kwargs["device"] = torch.device(device)


def _random_state(call: Call, kwargs: dict[str, Any]) -> Any:
    assert call.first.call_id is not None
    state = call.recording.rng_states.get(call.first.call_id)
    if state is not None:
        generator = kwargs.get("generator")
        return replayed(state, generator if isinstance(generator, torch.Generator) else None)
    if call.first.uses_rng:
        raise MissingValue("the state of the random generators before it is not in the recording")
    if call.first.function is not None and call.first.function.kind in ("module", "extension", "scripted"):
        return replayed(RngState.now())
    return nullcontext()


def _attention_kernels(call: Call) -> Any:
    """Allows the kernels of attention that were allowed when the call ran, if others are now."""
    assert call.first.call_id is not None
    state = call.recording.rng_states.get(call.first.call_id)
    if state is None or state.attention is None or state.attention == RngState.now(attention=True).attention:
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    kernels: Any = sdpa_kernel  # torch leaves it half typed
    return kernels([SDPBackend(number) for number in state.attention], set_priority=True)


def _settle(tensors: list[Tensor]) -> None:
    # What a device is still to copy into pinned memory would be compared before it is there.
    if torch.cuda.is_initialized() and any(tensor.device.type == "cpu" for tensor in tensors):
        torch.cuda.synchronize()


class _module_state:
    """Puts the parameters and buffers that an opaque module or a scripted function can reach back after it ran."""

    def __init__(self, call: Call) -> None:
        reached: list[Tensor] = []
        if isinstance(call.function, torch.nn.Module):
            reached = [*call.function.parameters(), *call.function.buffers()]
        elif call.first.function is not None and call.first.function.kind == "scripted":
            reached = [*call.recording.parameters, *call.recording.buffers.values()]
        self._saved = [(tensor, tensor.detach().clone()) for tensor in reached]

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            for tensor, before in self._saved:
                if not is_same(tensor, before):
                    tensor.copy_(before)


def _outputs(
    call: Call, result: Any, args: list[Any], kwargs: dict[str, Any], given: dict[Path, Tensor]
) -> list[Tensor]:
    found = plain_tensors(result)
    first = call.first
    if not found:
        if first.writes or first.is_inplace or call.may_write:
            written = _written_argument(call, args, kwargs, given)
            if written is not None and len(call.operations) == 1:
                return [written]
        raise WrongResult(f"it returned {type(result).__name__}, no tensor")
    if first.function is not None and first.function.kind == "module":
        return _outputs_of_module(call, found)
    if len(found) != len(call.operations):
        raise WrongResult(f"it returned {len(found)} tensors, on record are {len(call.operations)}")
    outputs: list[Tensor] = []
    for operation in call.operations:
        try:
            value = part_at(result, operation.output_path)
        except (LookupError, TypeError, AttributeError, StopIteration):
            value = None
        if not isinstance(value, Tensor):
            raise WrongResult(f"what it returned has no tensor at {list(operation.output_path)}")
        outputs.append(value)
    return outputs


def _outputs_of_module(call: Call, found: list[Tensor]) -> list[Tensor]:
    distinct = list({id(tensor): tensor for tensor in found}.values())
    for candidates in (distinct, found):
        if len(candidates) == len(call.operations):
            return candidates
    raise MissingValue("which of the module's tensors are meant is not on record")


def written_path(call: Call) -> Path | None:
    """Returns the argument that a custom operation wrote as its result: the one whose memory the result has."""
    own = call.first.output.storage
    if call.is_of_torch or not call.first.is_inplace or own is None:
        return None
    for path, reference in call.leaves:
        if isinstance(reference, TensorRef) and call.known[reference.operation].output.storage == own:
            return path
    return None


def _written_argument(call: Call, args: list[Any], kwargs: dict[str, Any], given: dict[Path, Tensor]) -> Tensor | None:
    path = written_path(call)
    if path is not None:
        return given[path]
    value = args[0] if args else next(iter(kwargs.values()), None)
    found = plain_tensors(value)
    return found[0] if found else None


def plain_tensors(value: Any) -> list[Tensor]:
    """Returns the tensors in nested lists, tuples and dicts, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for item in cast("Any", value) for tensor in plain_tensors(item)]
    if isinstance(value, dict):
        return [tensor for item in cast("Any", value).values() for tensor in plain_tensors(item)]
    return []


def _undeclared(
    call: Call, before: dict[Path, Tensor], given: dict[Path, Tensor], outputs: list[Tensor], written: list[Tensor]
) -> list[Path]:
    declared = {_storage(tensor) for tensor in (*outputs, *written)}
    found: list[Path] = []
    for path, tensor in given.items():
        is_other_kind = shape_of(tensor) != shape_of(before[path]) or tensor.dtype != before[path].dtype
        if _storage(tensor) in declared or is_other_kind:
            continue
        if not is_same(tensor, before[path]):
            found.append(path)
    return found


def _untrue_writes(
    call: Call, before: dict[Path, Tensor], given: dict[Path, Tensor], outputs: list[Tensor], written: list[Tensor]
) -> str | None:
    handed_in = {_storage(tensor) for tensor in given.values()}
    returned_one = any(_storage(output) in handed_in for output in outputs)
    if call.first.is_inplace and handed_in and not returned_one:
        return "it is on record as in place, and returned none of its arguments"
    for write, tensor in zip(call.first.writes, written, strict=True):
        known = before.get(write.path)
        if known is None or any(part in call.name for part in STATISTICS) or tensor.is_inference():
            continue
        if tensor._version == 0 and is_same(tensor, known):
            return f"it is on record as writing argument {write.path[0]}, and did not"
    return None


_VIEWS = frozenset(
    """
    alias as_strided chunk detach diagonal expand expand_as getitem movedim moveaxis narrow permute select split
    split_with_sizes squeeze swapaxes swapdims t T mT tensor_split transpose unbind unfold unsqueeze view view_as
    view_as_real view_as_complex
    """.split()  # noqa: SIM905 - one list of words
)
"""Functions that return a view of their first argument wherever they return one in a replay."""


def _untrue_view(call: Call, given: dict[Path, Tensor], outputs: list[Tensor]) -> str | None:
    """Returns that the first argument is another than on record, as the memory that the call returned tells."""
    is_writer = call.first.is_inplace and call.first.function is not None
    if not (is_writer or call.name in _VIEWS) or call.first.function.name in WRITE_NO_VALUES:  # pyright: ignore[reportOptionalMemberAccess]
        return None
    leaf = next((reference for path, reference in call.leaves if path == (0,)), None)
    if not isinstance(leaf, TensorRef) or leaf.write is not None:
        return None
    source = call.known[leaf.operation].output.storage
    for operation, output in zip(call.operations, outputs, strict=True):
        own = operation.output.storage
        if source is not None and own is not None and own != source and _storage(output) == _storage(given[(0,)]):
            return f"it returned memory of argument 0, which is another's than that of operation {leaf.operation}"
    return None


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage] - a storage has no public identity
    except (RuntimeError, NotImplementedError):
        return id(tensor)
