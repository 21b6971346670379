"""What does a drawing need to know about a model's history?

A `Scene` is the little that drawings are made of, read off a history once by `_read`: operations with their captions'
facts and edges, and the module calls that they ran in.  Everything between it and the `Drawing` is plain data, so that
the visual code can be tested without a model.  Indices are positions in the scene's own tuples.
"""

from __future__ import annotations

from msgspec import Struct

from lens_viz._drawing import Role


class Parent(Struct, frozen=True, gc=False):
    """One edge into an operation."""

    operation: int
    """Index of the operation that made the value."""
    arguments: tuple[str, ...] = ()
    """The arguments that it became: `arg 0`, `arg 1.2`, `mask`; empty where the order makes no difference."""
    is_if: bool = False
    """Whether an if begins on it."""


class Operation(Struct, frozen=True, gc=False):
    """One value of the forward pass."""

    label: str
    """The layer's label: `conv2d_3_8`."""
    layer: int
    """Number of the layer; passes of one layer share it."""
    layer_type: str
    """`conv2d`, `add`, `input`, ..."""
    role: Role
    shape: tuple[int, ...] = ()
    nbytes: int = 0
    parents: tuple[Parent, ...] = ()
    pass_num: int = 1
    passes_total: int = 1
    parameter_shapes: tuple[tuple[int, ...], ...] = ()
    calls: tuple[int, ...] = ()
    """Indices of the module calls around it, outermost first, without the model's own."""
    is_bottom_level: bool = False
    """Whether it is the one operation of its innermost module call."""
    is_internal: bool = False
    """Whether it descends from no model input (buffers are not meant)."""
    address: str | None = None
    """Buffer: its address; input, output or constant: its name, if it has one."""
    dtype: str = ""
    note: str = ""
    """More to be read in a tooltip."""


class ModuleCall(Struct, frozen=True, gc=False):
    """One call of a module."""

    address: str
    class_name: str
    parent: int | None
    """Index of the call it ran in, always smaller; None at the top level of the model."""
    pass_num: int = 1
    passes_total: int = 1
    parameters: int = 0
    """Numbers in all parameters of the module and its parts."""
    outputs: tuple[int, ...] = ()
    """Indices of the operations that it returned."""


class Scene(Struct, frozen=True):
    """A model's forward pass, ready to be drawn."""

    title: tuple[str, ...]
    """Model class; tensors and bytes; parameters and bytes."""
    operations: tuple[Operation, ...]
    """In execution order: every parent before its children."""
    calls: tuple[ModuleCall, ...] = ()
    """In the order of entering: every call after the one around it."""


def depths(scene: Scene) -> list[int]:
    """Return the depth of each module call: 1 at the top level of the model."""
    found: list[int] = []
    for call in scene.calls:
        found.append(1 if call.parent is None else found[call.parent] + 1)
    return found
