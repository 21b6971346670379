"""Graph-theoretic questions, as documented."""

import rustworkx as rx

from lens_graph import build_history

from .sample_traces import alexnet, branching, recurrent


def test_convolutions_between_two_layers_can_be_counted() -> None:
    history = build_history(alexnet())
    start, end = history["relu_1"].passes[0].node, history["linear_1"].passes[0].node
    between = rx.descendants(history.graph, start) & rx.ancestors(history.graph, end)
    assert sum(history.operations[node].layer_type == "conv2d" for node in between) == 4


def test_dominators_can_be_found() -> None:
    history = build_history(branching())
    dominators = rx.immediate_dominators(history.graph, 0)
    relu = history["relu_1"].passes[0].node
    assert history.operations[dominators[relu]].layer_label == "add_1_3"


def test_nodes_are_operations_and_edges_carry_arguments() -> None:
    history = build_history(recurrent())
    assert history.graph.nodes() == [operation.label for operation in history.operations]
    assert history.graph.get_edge_data(1, 2) == (0,)
    assert rx.is_directed_acyclic_graph(history.graph)
