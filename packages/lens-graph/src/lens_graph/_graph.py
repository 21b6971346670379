"""Which value was computed from which?

The *graph* has one node for each operation of the trace and an edge for each value that an operation read.  Nodes are
numbered in execution order, and since an operation can only read what was computed before it, every parent has a
smaller number than its child: each later step is one sweep over the numbers, forwards or backwards, instead of a
search.  Several arguments that hold the same value are one edge here; the argument positions stay on the records.

Source: "Logging the forward pass" in the paper (parent-child relationships).
"""

from __future__ import annotations

from msgspec import Struct

from lens_graph._errors import MalformedTraceError
from lens_trace import Trace


class Graph(Struct, frozen=True, gc=False):
    """Operations as nodes 0, 1, ... in execution order."""

    operations: tuple[int, ...]
    """The operation id of each node, ascending."""
    node_of: tuple[int, ...]
    """The node of each operation id; -1 where the operation is not part of the graph."""
    parents: tuple[tuple[int, ...], ...]
    """For each node the nodes whose values it read, each once, in argument order."""
    children: tuple[tuple[int, ...], ...]
    """For each node the nodes that read its value, each once, ascending."""
    inputs: tuple[int, ...]
    """Nodes of kind input."""
    outputs: tuple[int, ...]
    """Nodes of kind output."""
    is_complete: bool = True
    """False when the forward pass ended early, so that nobody knows what would have reached an output."""


def build_graph(trace: Trace) -> Graph:
    """Read the edges off the records.

    Raises:
        MalformedTraceError: an operation's id is not its index, or a parent does not come before its child.
    """
    parents: list[tuple[int, ...]] = []
    inputs: list[int] = []
    outputs: list[int] = []
    for index, operation in enumerate(trace.operations):
        if operation.id != index:
            raise MalformedTraceError(f"operation {index} has id {operation.id}: ids have to be indices")
        edges = operation.parents
        if len(edges) == 1:
            found: tuple[int, ...] = (edges[0].operation,)
        else:
            found = tuple({parent.operation: None for parent in edges})
        if found and not (min(found) >= 0 and max(found) < index):
            raise MalformedTraceError(f"operation {index} has the parents {found}: each has to come before it")
        parents.append(found)
        if operation.kind == "input":
            inputs.append(index)
        elif operation.kind == "output":
            outputs.append(index)
    numbers = tuple(range(len(parents)))
    return Graph(
        numbers, numbers, tuple(parents), children_of(parents), tuple(inputs), tuple(outputs), trace.is_complete
    )


def children_of(parents: list[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Turn the edges round."""
    children: list[list[int] | tuple[int, ...]] = [()] * len(parents)
    for child, found in enumerate(parents):
        for parent in found:
            known = children[parent]
            if isinstance(known, list):
                known.append(child)
            else:
                children[parent] = [child] if not known else [*known, child]
    return tuple(tuple(known) for known in children)
