"""What is a column of a table, before it is one?

A `Column` is a name, a kind of value, a sentence about its meaning, and the function that computes all its values at
once from an interpretation.  Tables are lists of columns; nothing here knows the library that holds them in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

from msgspec import Struct

from lens_graph._interpretation import Interpretation, operation_at, short_name
from lens_trace import Operation

ColumnKind = Literal["text", "texts", "whole", "wholes", "lists_of_wholes", "flag", "seconds", "kind", "place"]
"""`whole` is an integer; `seconds` become durations; `kind` is the choice of operation kinds; `place` a place in code:
file, line, function."""


class Rows(Struct, frozen=True):
    """What the columns of a table have in common, computed once."""

    facts: Interpretation
    """The interpretation."""
    names: tuple[str, ...]
    """The label of each node, with the pass where its layer has several."""
    records: tuple[Operation, ...]
    """The record behind each node."""


class Column(Struct, frozen=True):
    """One column of a table."""

    name: str
    """Its name."""
    kind: ColumnKind
    """What its values are."""
    meaning: str
    """One sentence about it."""
    values: Callable[[Rows], Iterable[Any]]
    """Computes its values for all rows."""


def make_rows(facts: Interpretation) -> Rows:
    """Compute what the columns share."""
    nodes = range(len(facts.graph.parents))
    return Rows(
        facts=facts,
        names=tuple(short_name(facts, node) for node in nodes),
        records=tuple(operation_at(facts, node) for node in nodes),
    )


def named(rows: Rows, groups: Iterable[Iterable[int]]) -> list[list[str]]:
    """Write groups of nodes as groups of labels."""
    names = rows.names
    return [[names[node] for node in group] for group in groups]
