"""How does a history come about?

One pipeline, one line a step, each step a function from frozen value to frozen value:

    graph -> prune -> distances -> branches -> nesting -> loops -> labels -> history

Source: "Post-processing the model's computational graph" in the paper, its five steps in its order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from lens_graph._branches import find_branches
from lens_graph._collector import without_collector
from lens_graph._distances import measure_distances
from lens_graph._graph import Graph, build_graph
from lens_graph._history import ModelHistory
from lens_graph._interpretation import Interpretation, Payloads
from lens_graph._keys import fold_addresses, module_numbers
from lens_graph._labels import Labels, name_layers
from lens_graph._loops import find_layers
from lens_graph._nesting import nest_modules
from lens_graph._prune import prune
from lens_graph._signatures import make_loop_nodes
from lens_trace import Trace


@without_collector
def build_history(
    trace: Trace,
    tensors: Mapping[Any, Any] | None = None,
    *,
    functions: Mapping[Any, Callable[..., Any]] | None = None,
    rng_states: Mapping[Any, Any] | None = None,
    objects: Mapping[int, Any] | None = None,
    parameters: Sequence[Any] | None = None,
    selected: Collection[int] | None = None,
    aliases: Mapping[str, int] | None = None,
) -> ModelHistory:
    """Conclude everything that can be known about a forward pass.

    Args:
        trace: The records.
        tensors: Saved tensors by operation id.
        functions: The live function of each call, by call id.
        rng_states: The random state before each call that drew random numbers, by call id.
        objects: Live objects behind opaque arguments, by index.
        parameters: Live parameters, by parameter id.
        selected: Operation ids that were chosen for saving; None for all that `tensors` holds.
        aliases: Operation ids under names of the user's own, which become keys of the history.

    Returns:
        The history.  Building it is near linear in operations and edges.

    Raises:
        MalformedTraceError: the records contradict themselves.
    """
    started = time.perf_counter()
    graph = prune(build_graph(trace))
    distances = measure_distances(graph)
    branches = find_branches(graph, distances, trace)
    nesting = nest_modules(graph, trace)
    layer_of = find_layers(make_loop_nodes(graph, trace, objects))
    labels = name_layers(graph, layer_of, trace)
    module_at = module_numbers(trace)
    chosen = None if selected is None else frozenset(selected)
    facts = Interpretation(
        trace=trace,
        graph=graph,
        distances=distances,
        branches=branches,
        nesting=nesting,
        labels=labels,
        payloads=Payloads(tensors or {}, functions or {}, rng_states or {}, objects or {}, parameters or ()),
        selected=chosen,
        indexable=_indexable(graph, labels, tensors, chosen),
        module_at=module_at,
        folded=fold_addresses(module_at),
        aliases=_nodes_of(graph, aliases or {}),
        elapsed_s=time.perf_counter() - started,
    )
    return ModelHistory(facts)


def _indexable(
    graph: Graph, labels: Labels, tensors: Mapping[Any, Any] | None, selected: frozenset[int] | None
) -> tuple[int, ...]:
    """The layers that integers count: the saved ones, or all when none was saved."""
    if not tensors:
        return labels.counted

    def is_kept(node: int) -> bool:
        operation = graph.operations[node]
        return operation in tensors and (selected is None or operation in selected)

    saved = tuple(layer for layer in labels.counted if any(map(is_kept, labels.passes[layer])))
    return saved or labels.counted


def _nodes_of(graph: Graph, aliases: Mapping[str, int]) -> dict[str, int]:
    nodes = {name: graph.node_of[operation] for name, operation in aliases.items()}
    return {name: node for name, node in nodes.items() if node >= 0}
