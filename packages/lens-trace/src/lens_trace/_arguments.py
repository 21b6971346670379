"""What was a function called with?

The arguments of a call are a tree: its leaves are tensors (which operation's value, and what was written into that
memory since), parameters, plain values, and whatever else was passed.  No leaf holds a tensor.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from lens_trace._ids import BufferId, OperationId, ParameterId

Path: TypeAlias = tuple[int | str, ...]
"""Where a leaf sits: `(0,)` is the first positional argument, `(0, 2)` the third item of a list given there,
`("mask",)` a keyword argument, `(1, "logits")` a key in a container."""


class Geometry(Struct, frozen=True, gc=False):
    """How a strided tensor lies in its storage."""

    shape: tuple[int, ...]
    """Elements along each dimension."""
    stride: tuple[int, ...]
    """Step in elements along each dimension."""
    offset: int
    """First element, counted in elements of `dtype` from the start of the storage."""
    dtype: str
    """Element type, such as `float32`."""
    is_conj: bool = False
    """Whether the memory holds the complex conjugate of what the tensor shows."""
    is_neg: bool = False
    """Whether the memory holds the negative of what the tensor shows."""


class WrittenValue(Struct, frozen=True, gc=False):
    """A value that an operation wrote into memory seen through an argument."""

    operation: OperationId
    """The operation that wrote."""
    write: int | None = None
    """None when the value written is the operation's own output; else index into `Operation.writes`."""
    geometry: Geometry | None = None
    """Where in the shared storage the value lies; None when the kind of tensor has no strided storage."""


class TensorRef(Struct, frozen=True, gc=False, tag="tensor"):
    """A tensor argument: the value of an earlier operation, as seen at this moment."""

    operation: OperationId
    """The operation whose value the argument held."""
    write: int | None = None
    """Index into that operation's `writes` when the argument is something it wrote beside its output."""
    overlays: tuple[WrittenValue, ...] = ()
    """Writes through other views that reached this memory since, oldest first.  Each is a parent as well."""
    geometry: Geometry | None = None
    """Set when overlays or another view of the memory make it necessary to say how the argument lay in its storage."""
    parameter: ParameterId | None = None
    """Set when the argument is a parameter that the operation referred to has written."""
    buffer: BufferId | None = None
    """Set when the argument is a registered buffer."""


class ParameterRef(Struct, frozen=True, gc=False, tag="parameter"):
    """A parameter of the model, as it was before the pass."""

    parameter: ParameterId
    """Which one."""
    overlays: tuple[WrittenValue, ...] = ()
    """Writes that reached it during the pass, oldest first.  Each is a parent."""
    geometry: Geometry | None = None
    """Set when there are overlays."""


class Constant(Struct, frozen=True, gc=False, tag="constant"):
    """A plain Python value."""

    value: int | float | bool | str | None
    """The value itself."""


class Special(Struct, frozen=True, gc=False, tag="special"):
    """A value that needs its type to be told."""

    kind: str
    """`complex`, `dtype`, `device`, `layout`, `memory_format`, `ellipsis`, `bytes`, `bigint`, `nan`, `inf`, `-inf`."""
    text: str
    """Its text form, such as `float32`, `cuda:0`, `(1+2j)`."""


class SliceArgument(Struct, frozen=True, gc=False, tag="slice"):
    """A slice in an index: start, stop and step, each a tree of its own."""

    start: Argument
    stop: Argument
    step: Argument


class SequenceArgument(Struct, frozen=True, gc=False, tag="sequence"):
    """A list, tuple, named tuple or set."""

    kind: str
    """`list`, `tuple`, `size` (torch.Size), or the type's qualified name."""
    items: tuple[Argument, ...]


class MappingArgument(Struct, frozen=True, gc=False, tag="mapping"):
    """A dict or a mapping-like object, in its own order; also an object with attributes that hold tensors."""

    kind: str
    """`dict` or the type's qualified name."""
    items: tuple[tuple[str, Argument], ...]


class Opaque(Struct, frozen=True, gc=False, tag="opaque"):
    """Any other object.  The live one is kept in `Recording.objects[index]`."""

    type_name: str
    """Qualified name of its type."""
    index: int
    """Key in `Recording.objects`."""


Argument: TypeAlias = (
    TensorRef | ParameterRef | Constant | Special | SliceArgument | SequenceArgument | MappingArgument | Opaque
)
"""A node of an argument tree."""
