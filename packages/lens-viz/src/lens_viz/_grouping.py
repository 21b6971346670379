"""Which operations share a node?

A *group* is what becomes one node.  Unrolled, each operation is a group of its own; rolled, all passes of a layer are.
In both, the operations inside a collapsed module are one group: of one call of it unrolled, of all its calls at that
place rolled.

Each operation also has its *pass* within its group, so that the rolled edges can tell which passes they belong to; it
is the pass of its layer, or of its collapsed module.  Unrolled groups have one pass.

Source: "Visualization" in the paper, and Figure 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from lens_viz._collapse import call_places
from lens_viz._scene import Scene

Kind = Literal["operation", "module", "stretch"]


class Group(Struct, frozen=True, gc=False):
    """What becomes one node."""

    kind: Kind
    members: tuple[int, ...]
    """Indices of its operations, in execution order."""
    call: int | None = None
    """The collapsed module call; of several, the first."""
    passes: int = 1
    """How many different passes its operations have."""


class Grouping(Struct, frozen=True):
    """All groups, in the order of their first operations."""

    groups: tuple[Group, ...]
    group_of: dict[int, int]
    """The group of each visible operation."""
    pass_of: dict[int, int]
    """The pass that each visible operation is, within its group."""
    is_rolled: bool


def unrolled(scene: Scene, operations: Sequence[int], collapsed: Sequence[int | None]) -> Grouping:
    """Group the visible operations, each pass for itself."""
    keys: dict[int, int] = {}
    for index in operations:
        call = _collapsed_around(scene, index, collapsed)
        keys[index] = index if call is None else -1 - call
    return _grouped(keys, dict.fromkeys(operations, 1), is_rolled=False)


def rolled(scene: Scene, operations: Sequence[int], collapsed: Sequence[int | None]) -> Grouping:
    """Group the visible operations, all passes of a layer together."""
    places = call_places(scene)
    first_call: dict[int, int] = {}
    keys: dict[int, int] = {}
    passes: dict[int, int] = {}
    # One layer has one place: that of its first pass, also where a later pass ran in a collapsed module.
    home: dict[int, int | None] = {}
    for index in operations:
        operation = scene.operations[index]
        call = _collapsed_around(scene, index, collapsed)
        place = None if call is None else first_call.setdefault(places[call], call)
        if call is None or place is None:
            keys[index], passes[index] = operation.layer, operation.pass_num
        else:
            keys[index], passes[index] = -1 - place, scene.calls[call].pass_num
        layer_home = home.setdefault(operation.layer, keys[index])
        if layer_home != keys[index] and keys[index] >= 0 and layer_home is not None:
            keys[index], passes[index] = layer_home, operation.pass_num
    return _grouped(keys, passes, is_rolled=True)


def _collapsed_around(scene: Scene, index: int, collapsed: Sequence[int | None]) -> int | None:
    operation = scene.operations[index]
    if not operation.calls:
        return None
    call = collapsed[operation.calls[-1]]
    return None if operation.is_bottom_level and call == operation.calls[-1] else call


def _grouped(keys: dict[int, int], passes: dict[int, int], *, is_rolled: bool) -> Grouping:
    members: dict[int, list[int]] = {}
    for index, key in keys.items():
        members.setdefault(key, []).append(index)
    numbers = {key: number for number, key in enumerate(members)}
    groups = tuple(
        Group(
            kind="operation" if key >= 0 else "module",
            members=tuple(found),
            call=None if key >= 0 else -1 - key,
            passes=len({passes[index] for index in found}),
        )
        for key, found in members.items()
    )
    return Grouping(groups, {index: numbers[key] for index, key in keys.items()}, passes, is_rolled)
