"""Which edges lie inside the sequence, and do they join one copy of a block to the next?

An edge is written as (how far back, argument): `back` is the distance in the sequence from the member to the parent.
A member's edges, nearest first, are its *reach*.  Edges from outside the sequence are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np
import numpy.typing as npt

from lens_graph._loops_node import LoopNode

Numbers = npt.NDArray[np.int64]

WIDTH = 6
"""Edges of a member that are compared in bulk; few functions take more tensors."""
NEVER = 1 << 62
"""Further back than any edge reaches."""
SMALL = 16
"""Copies up to this size are tried at every start, larger ones only where enough edges lie inside."""


class SequenceEdges:
    """The edges among the members of a sequence; built once, then only read."""

    def __init__(self, reaches: list[list[tuple[int, int]]]) -> None:
        self.backs = [sorted({back for back, _ in reach}) for reach in reaches]
        """How far back the parents of each member are, nearest first."""
        self.arguments = 1 + max((argument for reach in reaches for _, argument in reach), default=0)
        self.reaches = [[back * self.arguments + argument for back, argument in reach] for reach in reaches]
        """The edges of each member as numbers in the same order."""
        self.columns = np.full((min(WIDTH, max(map(len, reaches), default=0)), len(reaches)), NEVER, dtype=np.int64)
        self.is_wide = np.zeros(len(reaches), dtype=bool)
        for member, reach in enumerate(self.reaches):
            if reach:
                self.columns[: len(reach), member] = reach[:WIDTH]
                self.is_wide[member] = len(reach) > WIDTH

    def first_differences(self, one: Numbers, other: Numbers) -> Numbers:
        """How far back the nearest edge reaches that only one member of each pair has; `NEVER` where there is none."""
        nearest = np.full(len(one), NEVER, dtype=np.int64)
        is_equal = np.ones(len(one), dtype=bool)
        for column in self.columns:
            left, right = column[one], column[other]
            differs = is_equal & (left != right)
            nearest[differs] = np.minimum(left[differs], right[differs]) // self.arguments
            is_equal &= ~differs
        for pair in np.flatnonzero(is_equal & (self.is_wide[one] | self.is_wide[other])).tolist():
            only_one = set(self.reaches[int(one[pair])]) ^ set(self.reaches[int(other[pair])])
            nearest[pair] = min(only_one) // self.arguments if only_one else NEVER
        return nearest

    def first_copy(self, start: int, end: int, period: int) -> int | None:
        """Where a whole copy begins that is connected and has an edge to a second whole copy; None if nowhere."""
        starts: Iterable[int] = range(start, min(start + period, end - 2 * period + 1))
        if period > SMALL:
            starts = chain((start,), islice(self._likely_starts(start, end, period), SMALL))
        for first in starts:
            if self._leads_on(first, period) and self._is_connected(first, period):
                return first
        return None

    def _leads_on(self, first: int, period: int) -> bool:
        second = first + period
        return any(
            second - period <= member - back < second
            for member in range(second, second + period)
            for back in self.backs[member]
        )

    def _is_connected(self, first: int, period: int) -> bool:
        above = list(range(period))
        classes = period
        for member in range(period):
            for back in self.backs[first + member]:
                if back > member:
                    break
                one, other = member, member - back
                while above[one] != one:
                    above[one] = one = above[above[one]]
                while above[other] != other:
                    above[other] = other = above[above[other]]
                if one != other:
                    above[one] = other
                    classes -= 1
        return classes == 1

    def _likely_starts(self, start: int, end: int, period: int) -> Iterator[int]:
        """The starts at which enough edges lie inside a copy and one crosses to the next."""
        inside = [0] * (period + 1)
        across = [0] * (period + 1)
        last = min(start + period - 1, end - 2 * period)
        # An edge lies inside the copies that begin in an interval of starts; count where these intervals begin and end.
        for member in range(start, min(end, start + 3 * period)):
            for back in self.backs[member]:
                parent = member - back
                if parent < start or back >= 2 * period:
                    break
                for counts, low, high in (
                    (inside, member - period + 1, parent),
                    (across, max(parent - period, member - 2 * period) + 1, min(parent, member - period)),
                ):
                    low, high = max(low, start), min(high, last)
                    if low <= high:
                        counts[low - start] += 1
                        counts[high - start + 1] -= 1
        inside_now = across_now = 0
        for offset in range(last - start + 1):
            inside_now += inside[offset]
            across_now += across[offset]
            if inside_now >= period - 1 and across_now > 0:
                yield start + offset


def list_edges(nodes: Sequence[LoopNode], sequence: Sequence[int]) -> SequenceEdges:
    """The edges among the members of `sequence`, which holds node indices and -1 for breaks."""
    place_of = {node: place for place, node in enumerate(sequence) if node >= 0}
    arguments: dict[int, int] = {}
    reaches: list[list[tuple[int, int]]] = []
    for place, node in enumerate(sequence):
        reach = {
            (place - place_of[parent], arguments.setdefault(argument, len(arguments)))
            for parent, argument in (nodes[node].parents if node >= 0 else ())
            if parent in place_of
        }
        reaches.append(sorted(reach))
    return SequenceEdges(reaches)
