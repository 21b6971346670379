"""What is known of a pass that took the path of an earlier one?

Layers and labels are conclusions from the whole graph.  Another pass on the same path has the same graph, so they are
taken over.  A pass that ended early has the first part of the graph: its operations keep the layers and labels that
they have in the whole one, which could not be concluded from the part alone (an orphan shows only at the end, and so
does how often a loop runs), and everything else is read off the part.  A module that had not returned when the pass
ended returns what it returned in the whole one, as far as that was made: its address leads to it as ever.
"""

from __future__ import annotations

from bisect import bisect_left

from msgspec.structs import replace

from lens_graph._branches import find_branches
from lens_graph._distances import measure_distances
from lens_graph._graph import Graph, children_of
from lens_graph._interpretation import Interpretation
from lens_graph._labels import name_layers
from lens_graph._nesting import nest_modules
from lens_trace import Trace


def follow(facts: Interpretation, trace: Trace) -> Interpretation:
    """Return the interpretation of a pass on the path of an interpreted one, without live values or a selection."""
    if len(trace.operations) == len(facts.trace.operations):
        return replace(facts, trace=trace)
    trace = _with_returns(trace, facts.trace)
    graph = _first_part(facts.graph, len(trace.operations))
    distances = measure_distances(graph)
    return replace(
        facts,
        trace=trace,
        graph=graph,
        distances=distances,
        branches=find_branches(graph, distances, trace),
        nesting=nest_modules(graph, trace),
        labels=name_layers(graph, facts.labels.layer_of[: len(graph.operations)], trace),
    )


def _with_returns(part: Trace, whole: Trace) -> Trace:
    made = len(part.operations)
    calls = [
        now if now.outputs else replace(now, outputs=tuple(output for output in before.outputs if output < made))
        for now, before in zip(part.module_calls, whole.module_calls, strict=False)
    ]
    return replace(part, module_calls=tuple(calls))


def _first_part(graph: Graph, operations: int) -> Graph:
    count = bisect_left(graph.operations, operations)
    parents = list(graph.parents[:count])
    return Graph(
        operations=graph.operations[:count],
        node_of=graph.node_of[:operations],
        parents=tuple(parents),
        children=children_of(parents),
        inputs=tuple(node for node in graph.inputs if node < count),
        outputs=tuple(node for node in graph.outputs if node < count),
        is_complete=False,
    )
