"""What does an entry consist of?

An entry is a *view*: the interpretation and a node in it.  Two views of one node are equal, and making one costs
nothing, so they are made whenever somebody asks.
"""

from __future__ import annotations

from lens_graph._interpretation import Interpretation


class View:
    """One node of an interpretation."""

    __slots__ = ("_facts", "node")

    def __init__(self, facts: Interpretation, node: int) -> None:
        self._facts = facts
        self.node = node
        """Its place among all operations of the history, buffers included, from 0."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and other.node == self.node and other._facts is self._facts

    def __hash__(self) -> int:
        return hash((id(self._facts), self.node))
