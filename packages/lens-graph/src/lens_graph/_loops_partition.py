"""Which things are the same so far?

A *partition* of `0 .. count - 1` into classes, all of one member at first, which can only be united: the classical
union-find forest with path halving.
"""

from __future__ import annotations

from collections.abc import Iterable


class Partition:
    """Classes of numbers; lives as long as one search for layers."""

    def __init__(self, count: int) -> None:
        self.above = list(range(count))

    def find(self, member: int) -> int:
        """The number that stands for the class of `member`."""
        above = self.above
        while (parent := above[member]) != member:
            above[member] = member = above[parent]
        return member

    def unite(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Make one class of the two classes of each pair; the second member's class gives the name."""
        for one, other in pairs:
            self.above[self.find(one)] = self.find(other)

    def number(self) -> tuple[int, ...]:
        """The class of each member, classes numbered by their first member."""
        numbers: dict[int, int] = {}
        return tuple([numbers.setdefault(self.find(member), len(numbers)) for member in range(len(self.above))])

    def are_alone(self) -> list[bool]:
        """Whether each member is a class of its own."""
        roots = [self.find(member) for member in range(len(self.above))]
        sizes = [0] * len(roots)
        for root in roots:
            sizes[root] += 1
        return [sizes[root] == 1 for root in roots]
