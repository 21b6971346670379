"""Which modules are drawn as boxes around their operations?

Every module call that is neither collapsed nor the module of a single operation is a box; boxes lie in each other as
the calls did.  Unrolled, each call has a box; rolled, all calls at one place share it, and a layer lies where its first
pass ran.

Source: Figure 2C of the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lens_viz._captions import box_lines
from lens_viz._collapse import call_places
from lens_viz._drawing import Box, BoxId
from lens_viz._grouping import Group, Grouping
from lens_viz._scene import Scene
from lens_viz._text import LONGEST_TOOLTIP, shown


def enclose(
    scene: Scene,
    grouping: Grouping,
    *,
    below: int = 0,
    repeats: Mapping[int, tuple[int, int]] | None = None,
) -> tuple[tuple[Box, ...], list[BoxId | None]]:
    """Return the boxes, and the innermost box of each group.

    Args:
        scene: What is drawn.
        grouping: The nodes.
        below: How many outer module calls are not drawn because only their inside is.
        repeats: For the first call of a run of identical blocks, how many there are and the last call.
    """
    keys = call_places(scene) if grouping.is_rolled else list(range(len(scene.calls)))
    known: dict[int, BoxId] = {}
    boxes: list[Box] = []
    homes: list[BoxId | None] = []
    for group in grouping.groups:
        home: BoxId | None = None
        for call in _calls_around(scene, group)[below:]:
            key = keys[call]
            if key not in known:
                known[key] = BoxId(len(boxes))
                boxes.append(_box(scene, call, known[key], home, grouping.is_rolled, (repeats or {}).get(call)))
            home = known[key]
        homes.append(home)
    return tuple(boxes), homes


def _box(
    scene: Scene, call_index: int, number: BoxId, parent: BoxId | None, is_rolled: bool, repeats: tuple[int, int] | None
) -> Box:
    call = scene.calls[call_index]
    count, last = repeats or (1, call_index)
    lines = box_lines(call, is_rolled=is_rolled, last=scene.calls[last], repeats=count)
    tooltip = shown(f"{call.address} ({call.class_name})", longest=LONGEST_TOOLTIP)
    return Box(id=number, parent=parent, lines=lines, repeats=count, tooltip=tooltip)


def _calls_around(scene: Scene, group: Group) -> Sequence[int]:
    calls = scene.operations[group.members[0]].calls
    if group.kind == "module":
        return calls[: calls.index(group.call)] if group.call in calls else calls[:-1]
    if group.kind == "stretch":
        return _shared(scene, group.members)
    return calls[:-1] if scene.operations[group.members[0]].is_bottom_level else calls


def _shared(scene: Scene, members: Sequence[int]) -> Sequence[int]:
    """Return the calls that all members ran in."""
    shared = scene.operations[members[0]].calls
    for member in members:
        calls = scene.operations[member].calls
        while shared and shared != calls[: len(shared)]:
            shared = shared[:-1]
        if not shared:
            break
    last = scene.operations[members[0]]
    return shared[:-1] if last.is_bottom_level and shared == last.calls else shared
