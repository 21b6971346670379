"""Which operations have nothing to do with the model's result?

An *orphan* neither arises from an input nor contributes to an output: the counter that batch norm keeps in training, a
mask that is made and not used.  Orphans are trimmed.  What does arise from an input stays even where it ends inside
the model, and so does everything that it read: noise added to an activation that is then thrown away is kept with it,
so that no operation ever loses a parent.  When the forward pass broke off nothing is trimmed, because what would have
reached an output is not known.

Source: "Post-processing the model's computational graph", first step.  The paper does not speak of the parents of
operations that end inside.
"""

from __future__ import annotations

from collections.abc import Sequence

from lens_graph._errors import MalformedTraceError
from lens_graph._graph import Graph, children_of


def prune(graph: Graph) -> Graph:
    """Return the graph without its orphans, nodes renumbered in the same order."""
    if not graph.is_complete:
        return graph
    is_kept = bytearray(len(graph.parents))
    for node in (*graph.inputs, *graph.outputs):
        is_kept[node] = 1
    for node, parents in enumerate(graph.parents):
        if not is_kept[node] and any(is_kept[parent] for parent in parents):
            is_kept[node] = 1
    for node in range(len(graph.parents) - 1, -1, -1):
        if is_kept[node]:
            for parent in graph.parents[node]:
                is_kept[parent] = 1
    return graph if all(is_kept) else restrict(graph, [node for node, flag in enumerate(is_kept) if flag])


def restrict(graph: Graph, kept: Sequence[int]) -> Graph:
    """Return the graph of some of its nodes, which ascend and bring their parents along.

    Raises:
        MalformedTraceError: a node that is kept has a parent that is not.
    """
    number = [-1] * len(graph.parents)
    for new, old in enumerate(kept):
        number[old] = new
    parents = [tuple(number[parent] for parent in graph.parents[node]) for node in kept]
    if any(parent < 0 for found in parents for parent in found):
        raise MalformedTraceError("an operation is kept whose parent is not")
    return Graph(
        operations=tuple(graph.operations[node] for node in kept),
        node_of=tuple(number[node] if node >= 0 else -1 for node in graph.node_of),
        parents=tuple(parents),
        children=children_of(parents),
        inputs=tuple(number[node] for node in graph.inputs if number[node] >= 0),
        outputs=tuple(number[node] for node in graph.outputs if number[node] >= 0),
        is_complete=graph.is_complete,
    )
