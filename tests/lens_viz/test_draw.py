"""From a history to a picture."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from lens_graph import LayerEntry, ModelHistory, ModuleCallEntry, OperationEntry, build_history
from lens_trace import Trace
from lens_viz import DARK, Edge, ModelGraph, Node, OptionError, UnknownModuleError, UnsafeLinkError, draw

from ..lens_graph.hand_made import Script, const
from ..lens_graph.sample_traces import alexnet


def history(trace: Trace) -> ModelHistory:
    return build_history(trace)


def of(build: Callable[[Script, int], int]) -> ModelHistory:
    script = Script("Tiny")
    value = build(script, script.input())
    script.output(value)
    return history(script.finish())


def node(graph: ModelGraph, label: str) -> Node:
    (found,) = [one for one in graph.drawing.nodes if one.lines[0] == label]
    return found


def arguments(graph: ModelGraph) -> dict[tuple[str, str], tuple[str, ...]]:
    nodes = graph.drawing.nodes
    return {(nodes[e.tail].lines[0], nodes[e.head].lines[0]): e.arguments for e in graph.drawing.edges}


def test_alexnet_is_drawn_with_its_labels_boxes_and_title() -> None:
    graph = draw(history(alexnet()))
    assert len(graph.drawing.nodes) == 24
    assert node(graph, "conv2d_3_8").lines[-1] == "@features.6"
    assert [box.lines for box in graph.drawing.boxes] == [
        ("features", "(Sequential)"),
        ("classifier", "(Sequential)"),
    ]
    assert node(graph, "adaptiveavgpool2d_1_15").box is None
    assert graph.drawing.title[0] == "AlexNet"
    assert graph.drawing.title[1].startswith("24 tensors, ")
    assert graph.pipe(format="svg").startswith(b"<?xml")


def test_positions_and_keywords_stand_on_edges_of_non_commutative_functions() -> None:
    graph = draw(of(lambda script, x: script.call("where", x, script.call("cos", x), other=script.call("sin", x))))
    assert arguments(graph)[("input_1_1", "where_1_4")] == ("arg 0",)
    assert arguments(graph)[("cos_1_2", "where_1_4")] == ("arg 1",)
    assert arguments(graph)[("sin_1_3", "where_1_4")] == ("other",)


def test_a_place_in_a_list_is_said() -> None:
    graph = draw(of(lambda script, x: script.call("cat", [x, script.call("cos", x)])))
    assert arguments(graph)[("cos_1_2", "cat_1_3")] == ("arg 0.1",)


@pytest.mark.parametrize("name", ["add", "mul", "__iadd__", "__radd__", "maximum", "logical_and", "eq"])
def test_commutative_functions_have_no_positions(name: str) -> None:
    graph = draw(of(lambda script, x: script.call(name, x, script.call("cos", x))))
    assert all(not edge.arguments for edge in graph.drawing.edges)


@pytest.mark.parametrize("name", ["sub", "truediv", "matmul", "__rsub__", "pow", "lt"])
def test_other_functions_have_positions(name: str) -> None:
    graph = draw(of(lambda script, x: script.call(name, x, script.call("cos", x))))
    assert sorted(edge.arguments for edge in graph.drawing.edges if edge.arguments) == [("arg 0",), ("arg 1",)]


def test_a_weighted_sum_is_not_commutative() -> None:
    graph = draw(of(lambda script, x: script.call("add", x, script.call("cos", x), alpha=const(2))))
    assert sorted(edge.arguments for edge in graph.drawing.edges if edge.arguments) == [("arg 0",), ("arg 1",)]


def test_one_parent_in_both_places_is_one_edge_that_says_both() -> None:
    graph = draw(of(lambda script, x: script.call("truediv", x, x)))
    assert arguments(graph)[("input_1_1", "truediv_1_2")] == ("arg 0", "arg 1")


def test_a_single_tensor_parent_has_no_position() -> None:
    graph = draw(of(lambda script, x: script.call("truediv", x, const(3.0))))
    assert all(not edge.arguments for edge in graph.drawing.edges)


def test_if_is_drawn_where_the_condition_leaves_the_model() -> None:
    def conditional(script: Script, x: int) -> int:
        y = script.call("relu", x)
        test = script.call("gt", script.call("mean", y, shape=()), const(3), shape=(), dtype="bool")
        script.read(test)
        return script.call("mul", y, const(2))

    graph = draw(of(conditional))
    nodes = graph.drawing.nodes
    (found,) = [edge for edge in graph.drawing.edges if edge.is_if]
    assert (nodes[found.tail].lines[0], nodes[found.head].lines[0]) == ("relu_1_2", "mean_1_3")
    assert node(graph, "gt_1_4").role == "terminal_bool"
    assert node(graph, "mean_1_3").role == "operation"


def test_noise_is_dashed_and_what_mixes_with_inputs_is_not() -> None:
    graph = draw(of(lambda script, x: script.call("add", x, script.call("mul", script.call("rand"), const(0.1)))))
    dashed = [one.lines[0] for one in graph.drawing.nodes if one.is_dashed]
    assert dashed == ["rand_1_2", "mul_1_3"]


def test_buffers_of_a_norm_stand_beside_it_when_shown() -> None:
    def norm(script: Script, x: int) -> int:
        with script.module("bn", "BatchNorm1d", [x]) as outputs:
            mean = script.buffer("bn.running_mean")
            outputs.append(script.call("batch_norm", x, mean, parameters=["bn.weight"]))
        return outputs[0]

    hidden, shown = draw(of(norm)), draw(of(norm), show_buffers=True)
    assert [one.outline for one in hidden.drawing.nodes] == ["ellipse", "box", "ellipse"]
    assert not any(edge.arguments for edge in hidden.drawing.edges)
    assert node(shown, "buffer_1").role == "buffer"
    assert shown.drawing.boxes == ()
    assert arguments(shown)[("buffer_1", "batchnorm_1_2")] == ("arg 1",)


def test_all_results_of_the_one_call_of_a_module_are_boxes() -> None:
    def lstm(script: Script, x: int) -> int:
        with script.module("lstm", "LSTM", [x]) as outputs:
            first = script.call("lstm", x, output_index=0)
            second = script.call("lstm", x, output_index=1, same_call=True)
            outputs.extend([first, second])
        return script.call("add", first, second)

    graph = draw(of(lstm))
    assert [one.outline for one in graph.drawing.nodes][1:3] == ["box", "box"]
    assert graph.drawing.boxes == ()


def test_several_inputs_say_their_names() -> None:
    script = Script("Two")
    x, y = script.input("input_ids"), script.input("attention_mask")
    script.output(script.call("add", x, y))
    assert [one.lines[-1] for one in draw(history(script.finish())).drawing.nodes][:2] == [
        "input_ids",
        "attention_mask",
    ]


def test_numbers_of_the_tables_colour_nodes() -> None:
    graph = draw(history(alexnet()), color_by="tensor_fsize")
    assert graph.drawing.color_bar is not None
    assert graph.drawing.color_bar.caption == "tensor_fsize"
    assert node(graph, "input_1_1").value == 6 * 3 * 224 * 224 * 4


def test_a_mapping_colours_nodes_by_label() -> None:
    graph = draw(history(alexnet()), color_by={"conv2d_1_2": 0.5, "conv2d_2_5:1": 2})
    assert {one.lines[0]: one.value for one in graph.drawing.nodes if one.value is not None} == {
        "conv2d_1_2": 0.5,
        "conv2d_2_5": 2.0,
    }


@pytest.mark.parametrize("color_by", ["no_such_field", "layer_label", {"nobody": 1.0}, {"conv2d_1_2": "red"}])
def test_colouring_by_what_is_no_number_is_refused(color_by: Any) -> None:
    with pytest.raises(OptionError, match="color_by"):
        draw(history(alexnet()), color_by=color_by)


def test_a_callback_captions_what_it_likes() -> None:
    def caption(entry: Any) -> Any:
        if isinstance(entry, OperationEntry) and entry.layer_type == "relu":
            return f"R {entry.layer_label}\nsecond"
        return None

    graph = draw(history(alexnet()), caption=caption)
    assert node(graph, "R relu_1_3").lines == ("R relu_1_3", "second")
    assert node(graph, "conv2d_1_2").lines[0] == "conv2d_1_2"


def test_a_callback_gets_layers_when_rolled_and_module_calls_when_collapsed() -> None:
    kinds: list[type] = []
    draw(history(alexnet()), mode="rolled", depth=1, caption=lambda entry: kinds.append(type(entry)))
    assert set(kinds) == {LayerEntry, ModuleCallEntry}


def test_links_are_drawn_and_checked() -> None:
    graph = draw(history(alexnet()), link=lambda entry: "https://example.org/a")
    assert 'URL="https://example.org/a"' in graph.source
    with pytest.raises(UnsafeLinkError):
        draw(history(alexnet()), link=lambda entry: "javascript:alert(1)")


def test_a_legend_says_what_occurs() -> None:
    graph = draw(history(alexnet()), legend=True)
    assert [entry.role for entry in graph.drawing.legend] == [
        "input",
        "output",
        "parameters",
        "operation",
        "operation",
    ]


def test_themes_go_by_name_or_value() -> None:
    assert DARK.background in draw(history(alexnet()), theme="dark").source
    assert DARK.background in draw(history(alexnet()), theme=DARK).source


@pytest.mark.parametrize(
    "options",
    [{"mode": "spiral"}, {"direction": "UP"}, {"theme": "pink"}, {"timeout_s": 0}, {"depth": 0}, {"depth": "some"}],
)
def test_options_without_meaning_are_refused(options: Any) -> None:
    with pytest.raises(OptionError):
        draw(history(alexnet()), **options)


def test_a_module_that_never_ran_is_named_with_near_ones() -> None:
    with pytest.raises(UnknownModuleError, match=r"features\.3"):
        draw(history(alexnet()), module="feature.3")


def test_directions_reach_the_layout() -> None:
    assert "rankdir=LR" in draw(history(alexnet()), direction="LR").source


def test_a_model_of_nothing_is_drawn() -> None:
    script = Script("Nothing")
    script.output(script.input())
    assert len(draw(history(script.finish())).drawing.nodes) == 2
    assert draw(history(Script("Empty").finish())).pipe(format="svg")


def test_every_edge_of_the_history_is_drawn() -> None:
    past = history(alexnet())
    graph = draw(past, depth="all")
    labels = [one.lines[0] for one in graph.drawing.nodes]
    drawn = {(labels[edge.tail], labels[edge.head]) for edge in graph.drawing.edges}
    operations = past.operations
    assert drawn == {(operations[link.parent].label, operations[link.child].label) for link in past.links}
    assert all(isinstance(edge, Edge) for edge in graph.drawing.edges)


def test_drawing_loads_no_torch() -> None:
    code = "import sys, lens_viz; sys.exit('torch' in sys.modules or 'pygraphviz' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
