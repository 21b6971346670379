"""How does a history come about?

One pipeline, one line a step, each step a function from frozen value to frozen value:

    graph -> prune -> nesting -> loops -> distances -> branches -> labels -> history

Source: "Post-processing the model's computational graph" in the paper, its five steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from lens_graph._branches import find_branches
from lens_graph._collector import without_collector
from lens_graph._distances import measure_distances
from lens_graph._follow import follow
from lens_graph._graph import Graph, build_graph
from lens_graph._history import ModelHistory
from lens_graph._interpretation import Interpretation, Payloads
from lens_graph._keeping import Gradients, TensorFiles
from lens_graph._keys import fold_addresses, module_numbers
from lens_graph._labels import Labels, name_layers
from lens_graph._loops import find_layers
from lens_graph._nesting import Nesting, nest_modules
from lens_graph._prune import prune
from lens_graph._select import Selection
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
    aliases: Mapping[str, int | Collection[int]] | None = None,
    like: ModelHistory | None = None,
    outputs: Sequence[Any] | None = None,
    gradients: Gradients | None = None,
    tensor_files: TensorFiles | None = None,
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
        aliases: Operation ids, one or several, under names of the user's own, which become keys of the history.
        like: The history of another pass on the same path (`find_divergence` tells): its layers and labels are taken
            over and not concluded again, so that both passes call the same things by the same names.  A pass that
            ended early is named by what the whole one is called.
        outputs: What the model returned, tensor by tensor, where it is still alive.
        gradients: Where backward passes bring the gradients of saved values.
        tensor_files: Who writes the tensors when the history is saved.

    Returns:
        The history.  Building it is near linear in operations and edges.

    Raises:
        MalformedTraceError: the records contradict themselves.
    """
    started = time.perf_counter()
    facts = _conclude(trace, objects) if like is None else follow(like.interpretation, trace)
    payloads = Payloads(
        tensors or {},
        functions or {},
        rng_states or {},
        objects or {},
        parameters or (),
        outputs=outputs,
        gradients=gradients,
        tensor_files=tensor_files,
    )
    chosen = None if selected is None else frozenset(selected)
    return history_from(facts, payloads, chosen, aliases or {}, time.perf_counter() - started)


def history_from(
    facts: Interpretation,
    payloads: Payloads,
    selected: frozenset[int] | None,
    aliases: Mapping[str, int | Collection[int]],
    elapsed_s: float,
) -> ModelHistory:
    """Return the history of what was concluded, with live values, a selection and names of the user's own."""
    return ModelHistory(
        replace(
            facts,
            payloads=payloads,
            selected=selected,
            indexable=_indexable(facts.graph, facts.labels, payloads.tensors, selected),
            aliases=_nodes_of(facts.graph, aliases),
            elapsed_s=elapsed_s,
        )
    )


def choose(history: ModelHistory, selection: Selection) -> ModelHistory:
    """Return the same history with a selection of what was saved, and the names in it as keys."""
    facts = history.interpretation
    return ModelHistory(
        replace(
            facts,
            selected=selection.operations,
            indexable=_indexable(facts.graph, facts.labels, facts.payloads.tensors, selection.operations),
            aliases=_nodes_of(facts.graph, selection.aliases),
        )
    )


def _conclude(trace: Trace, objects: Mapping[int, Any] | None) -> Interpretation:
    graph = prune(build_graph(trace))
    nesting = nest_modules(graph, trace)
    return interpret(trace, graph, nesting, find_layers(make_loop_nodes(graph, trace, objects)))


def interpret(trace: Trace, graph: Graph, nesting: Nesting, layer_of: Sequence[int]) -> Interpretation:
    """Return what follows from a graph and its layers, without live values or a selection."""
    distances = measure_distances(graph)
    labels = name_layers(graph, layer_of, trace)
    module_at = module_numbers(trace)
    return Interpretation(
        trace=trace,
        graph=graph,
        distances=distances,
        branches=find_branches(graph, distances, trace),
        nesting=nesting,
        labels=labels,
        payloads=Payloads({}, {}, {}, {}, ()),
        selected=None,
        indexable=labels.counted,
        module_at=module_at,
        folded=fold_addresses(module_at),
        aliases={},
        elapsed_s=0.0,
    )


def _indexable(
    graph: Graph, labels: Labels, tensors: Mapping[Any, Any] | None, selected: frozenset[int] | None
) -> tuple[int, ...]:
    """The layers that integers count: those chosen for saving, else the saved ones, or all when none was saved.

    What was chosen counts also where torch gave no value to keep, so that "all" are all.
    """
    kept = tensors if selected is None else selected
    if not tensors or not kept:
        return labels.counted
    saved = [layer for layer in labels.counted if any(graph.operations[node] in kept for node in labels.passes[layer])]
    return tuple(saved) or labels.counted


def _nodes_of(graph: Graph, aliases: Mapping[str, int | Collection[int]]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for name, operations in aliases.items():
        known = [operations] if isinstance(operations, int) else operations
        nodes = tuple(sorted(graph.node_of[operation] for operation in known if operation < len(graph.node_of)))
        if nodes and nodes[0] >= 0:
            found[name] = nodes
    return found
