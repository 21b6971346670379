"""What is a column of a table, before it is one?

A `Column` is a name, a kind of value, a sentence about its meaning, and the function that computes all its values at
once from an interpretation.  Tables are lists of columns; nothing here knows the library that holds them in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct

from lens_graph._interpretation import Interpretation, short_name
from lens_graph._profile import CallProfile, profile_calls
from lens_graph._recorded_fields import parameter_address
from lens_trace import Operation, Parameter, Parent

ColumnKind = Literal["text", "texts", "whole", "wholes", "lists_of_wholes", "flag", "seconds", "kind", "place"]
"""`whole` is an integer; `seconds` become durations; `kind` is the choice of operation kinds; `place` a place in code:
file, line, function."""


class Rows(Struct, frozen=True, dict=True):
    """What the columns of a table have in common, each part computed once, when first needed."""

    facts: Interpretation
    """The interpretation."""

    @cached_property
    def names(self) -> list[str]:
        """The label of each node, with the pass where its layer has several."""
        return [short_name(self.facts, node) for node in range(len(self.facts.graph.parents))]

    @cached_property
    def records(self) -> list[Operation]:
        """The record behind each node."""
        operations = self.facts.trace.operations
        return [operations[number] for number in self.facts.graph.operations]

    @cached_property
    def firsts(self) -> list[Operation]:
        """The record of each layer's first pass; the very list of records where every layer has one pass."""
        passes = self.facts.labels.passes
        records = self.records
        return records if len(passes) == len(records) else [records[nodes[0]] for nodes in passes]

    @cached_property
    def names_of_parameters(self) -> list[str]:
        """The address of each parameter."""
        return [parameter_address(parameter) for parameter in self.facts.trace.parameters]

    @cached_property
    def stacks(self) -> list[tuple[str, ...]]:
        """The addresses of the modules that each node ran in, outermost first."""
        calls = self.facts.trace.module_calls
        known: dict[tuple[int, ...], tuple[str, ...]] = {(): ()}
        stacks: list[tuple[str, ...]] = []
        for record in self.records:
            stack = record.module_calls
            if stack not in known:
                known[stack] = tuple(dict.fromkeys(calls[call].address for call in stack))
            stacks.append(known[stack])
        return stacks

    @cached_property
    def edges(self) -> list[tuple[int, int, Parent]]:
        """For each value that arrived at an argument the node it came from, the node that read it, and the record."""
        node_of = self.facts.graph.node_of
        return [
            (node_of[parent.operation], child, parent)
            for child, record in enumerate(self.records)
            for parent in record.parents
        ]

    @cached_property
    def profile(self) -> CallProfile:
        """Time and memory of each module call."""
        return profile_calls(self.facts)

    @cached_property
    def layer_parameters(self) -> list[list[Parameter]]:
        """The parameters of each layer, each once."""
        known, records = self.facts.trace.parameters, self.records
        found: list[list[Parameter]] = []
        for nodes in self.facts.labels.passes:
            if len(nodes) == 1:
                found.append([known[index] for index in records[nodes[0]].parameters])
            else:
                numbers = dict.fromkeys(index for node in nodes for index in records[node].parameters)
                found.append([known[index] for index in numbers])
        return found


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


def named(rows: Rows, groups: Iterable[Iterable[int]]) -> list[list[str]]:
    """Write groups of nodes as groups of labels."""
    names = rows.names
    return [[names[node] for node in group] for group in groups]
