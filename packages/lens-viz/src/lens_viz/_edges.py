"""Which edges connect the groups, and what do they say?

Edges inside one pass of a group disappear; the others are merged, one edge for each pair of groups.  Rolled, an edge
remembers the passes at its two ends and says so where it does not hold for all of them: `Out 2-3` at its tail, `In 1`
at its head.  Self loops and back edges always say both, since their two ends are never the same pass.

Source: Figure 3 of the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from lens_viz._drawing import Edge, NodeId
from lens_viz._grouping import Grouping
from lens_viz._scene import Scene
from lens_viz._text import ranges

Pairs: TypeAlias = Iterable[tuple[int, int, tuple[str, ...], bool]]
"""Parent, child, arguments, whether an if begins there."""


class _Merged:
    """An edge while it is gathered."""

    __slots__ = ("arguments", "in_passes", "is_if", "out_passes", "pairs")

    def __init__(self) -> None:
        self.arguments: dict[str, None] = {}
        self.out_passes: set[int] = set()
        self.in_passes: set[int] = set()
        self.pairs: set[tuple[int, int]] = set()
        self.is_if = False


def connect(scene: Scene, grouping: Grouping, pairs: Pairs) -> tuple[Edge, ...]:
    """Return the edges between groups, in the order of their heads."""
    merged: dict[tuple[int, int], _Merged] = {}
    passes: list[set[int]] = [set() for _ in grouping.groups]
    unit: Callable[[int], int] = (lambda index: scene.operations[index].layer) if grouping.is_rolled else int
    for index, group in grouping.group_of.items():
        passes[group].add(grouping.pass_of[index])
    for parent, child, arguments, is_if in pairs:
        tail, head = grouping.group_of.get(parent), grouping.group_of.get(child)
        if tail is None or head is None:
            continue
        out_pass, in_pass = grouping.pass_of[parent], grouping.pass_of[child]
        is_single = grouping.groups[head].kind == "operation"
        if tail == head and (out_pass == in_pass or grouping.groups[tail].kind == "stretch"):
            continue
        edge = merged.setdefault((tail, head), _Merged())
        if is_single:
            edge.arguments.update(dict.fromkeys(arguments))
        edge.out_passes.add(out_pass)
        edge.in_passes.add(in_pass)
        edge.pairs.add((unit(parent), unit(child)))
        edge.is_if = edge.is_if or is_if
    return tuple(
        _edge(tail, head, edge, passes, grouping)
        for (tail, head), edge in sorted(merged.items(), key=lambda e: e[0][::-1])
    )


def _edge(tail: int, head: int, edge: _Merged, passes: list[set[int]], grouping: Grouping) -> Edge:
    is_back = grouping.is_rolled and tail >= head
    has_marks = grouping.is_rolled and grouping.groups[tail].kind != "stretch"
    out_mark = has_marks and (is_back or edge.out_passes != passes[tail])
    has_marks = grouping.is_rolled and grouping.groups[head].kind != "stretch"
    in_mark = has_marks and (is_back or edge.in_passes != passes[head])
    return Edge(
        tail=NodeId(tail),
        head=NodeId(head),
        arguments=tuple(edge.arguments),
        out_mark=f"Out {ranges(edge.out_passes)}" if out_mark else "",
        in_mark=f"In {ranges(edge.in_passes)}" if in_mark else "",
        is_if=edge.is_if,
        count=len(edge.pairs),
    )
