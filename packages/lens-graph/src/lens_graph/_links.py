"""Which argument did each value arrive at?

A *link* is one edge of the graph for one argument: a function that reads the same value twice has two links from one
parent.  Drawings take argument positions, keyword names and the beginnings of conditionals from here.
"""

from __future__ import annotations

from msgspec import Struct

from lens_graph._interpretation import Interpretation, operation_at


class Link(Struct, frozen=True, gc=False):
    """One value on its way into one argument."""

    parent: int
    """The node that it came from (an index into `history.operations`)."""
    child: int
    """The node that read it."""
    argument: int | str
    """Position of the argument, or its name where it was given by keyword."""
    path: tuple[int | str, ...]
    """The same and the way inside it: `(0, 2)` is the third item of a list given first."""
    is_overlay: bool
    """Whether it arrived as a write through another view of the argument's memory."""
    starts_condition: bool
    """Whether an IF begins here."""


def links_into(facts: Interpretation, node: int) -> tuple[Link, ...]:
    """The links into a node, in argument order."""
    node_of, starts = facts.graph.node_of, facts.branches.starts
    return tuple(
        Link(
            parent=(origin := node_of[parent.operation]),
            child=node,
            argument=parent.path[0] if parent.path else 0,
            path=parent.path,
            is_overlay=parent.is_overlay,
            starts_condition=(origin, node) in starts,
        )
        for parent in operation_at(facts, node).parents
    )
