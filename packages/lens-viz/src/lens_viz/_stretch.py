"""How is a model without modules drawn when it has a hundred thousand operations?

Where no depth helps, neighbours in execution order are folded into *stretches*, a node each that says how many
operations of which types it holds.  The first and last groups stay as they are, since there a reader finds inputs,
outputs and the pattern of what comes between.
"""

from __future__ import annotations

from lens_viz._grouping import Group, Grouping
from lens_viz._scene import Scene

ENDS = 12
"""Groups at either end that are left alone."""
STRETCHES = 40
"""Stretches between them."""


def folded(scene: Scene, grouping: Grouping) -> Grouping:
    """Return the grouping with at most some hundred groups."""
    groups = grouping.groups
    free = [number for number, group in enumerate(groups) if not _is_terminal(scene, group)]
    middle = free[ENDS:-ENDS]
    if len(middle) <= STRETCHES:
        return grouping
    stretch_of = {number: place * STRETCHES // len(middle) for place, number in enumerate(middle)}
    gathered: dict[tuple[bool, int], list[int]] = {}
    for number in range(len(groups)):
        key = (True, stretch_of[number]) if number in stretch_of else (False, number)
        gathered.setdefault(key, []).append(number)
    ends = _trimmed(scene, grouping, len(gathered))
    made: list[Group] = []
    group_of: dict[int, int] = {}
    for (is_stretch, _), numbers in gathered.items():
        if not is_stretch and numbers[0] in ends:
            continue
        members = tuple(sorted(member for number in numbers for member in groups[number].members))
        for member in members:
            group_of[member] = len(made)
        made.append(Group("stretch", members) if is_stretch else groups[numbers[0]])
    return Grouping(tuple(made), group_of, grouping.pass_of, grouping.is_rolled)


def _is_terminal(scene: Scene, group: Group) -> bool:
    return group.kind == "operation" and scene.operations[group.members[0]].role in ("input", "output")


def _trimmed(scene: Scene, grouping: Grouping, total: int) -> frozenset[int]:
    """Of thousands of inputs or outputs, those beyond a hundred on either side are not drawn."""
    if total <= 400:
        return frozenset()
    ends = [number for number, group in enumerate(grouping.groups) if _is_terminal(scene, group)]
    return frozenset(ends[100:-100])
