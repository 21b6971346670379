"""Orphans go, and nothing that a kept operation read goes with them."""

from lens_graph._graph import build_graph
from lens_graph._prune import prune

from .hand_made import Script, const


def test_dangling_operation_that_no_input_reaches_is_pruned() -> None:
    script = Script()
    x = script.input()
    mask = script.call("ones", const(3))
    script.call("neg", mask)
    script.output(script.call("relu", x))
    assert prune(build_graph(script.finish())).operations == (0, 3, 4)


def test_operation_from_an_input_that_ends_inside_stays_with_its_parents() -> None:
    script = Script()
    x = script.input()
    noise = script.call("rand", const(3))
    script.call("add", x, noise)
    script.output(script.call("relu", x))
    assert prune(build_graph(script.finish())).operations == (0, 1, 2, 3, 4)


def test_internal_tensor_on_the_way_to_an_output_stays() -> None:
    script = Script()
    script.input()
    script.output(script.call("ones", const(3)))
    assert prune(build_graph(script.finish())).operations == (0, 1, 2)


def test_nothing_is_pruned_when_the_pass_broke_off() -> None:
    script = Script()
    script.input()
    script.call("ones", const(3))
    assert prune(build_graph(script.finish(is_complete=False))).operations == (0, 1)


def test_pruned_nodes_are_renumbered_on_both_ends_of_every_edge() -> None:
    script = Script()
    script.call("ones", const(3))
    x = script.input()
    script.output(script.call("relu", x))
    graph = prune(build_graph(script.finish()))
    assert graph.operations == (1, 2, 3)
    assert graph.node_of == (-1, 0, 1, 2)
    assert graph.parents == ((), (0,), (1,))
    assert graph.children == ((1,), (2,), ())
    assert (graph.inputs, graph.outputs) == ((0,), (2,))


def test_pruning_a_pruned_graph_changes_nothing() -> None:
    script = Script()
    script.call("ones", const(3))
    x = script.input()
    script.output(x)
    graph = prune(build_graph(script.finish()))
    assert prune(graph) == graph
