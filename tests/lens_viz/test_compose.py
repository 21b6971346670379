"""Figures 2 and 3, element by element, on the pure data."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_viz._compose import View, compose
from lens_viz._drawing import Drawing, Edge, Node
from lens_viz._errors import OptionError, UnknownModuleError
from lens_viz._scene import Scene

from .scenes import Stage, blocks, chain, figure_2, figure_3, self_loop


def drawn(scene: Scene, **options: Any) -> Drawing:
    return compose(scene, View(**options)).drawing


def node(drawing: Drawing, label: str) -> Node:
    (found,) = [one for one in drawing.nodes if one.lines[0].split(" (")[0] == label]
    return found


def edge(drawing: Drawing, tail: str, head: str) -> Edge:
    ends = (node(drawing, tail).id, node(drawing, head).id)
    (found,) = [one for one in drawing.edges if (one.tail, one.head) == ends]
    return found


# --- Figure 2 ---


def test_inputs_outputs_parameters_and_the_terminal_bool_have_roles_of_their_own() -> None:
    drawing = drawn(figure_2())
    labels = ("input_1_1", "output_1_9", "conv2d_1_2", "gt_1_8", "relu_1_3")
    assert [node(drawing, label).role for label in labels] == [
        "input",
        "output",
        "parameters",
        "terminal_bool",
        "operation",
    ]


def test_a_module_of_one_operation_is_a_box_and_a_function_an_ellipse() -> None:
    drawing = drawn(figure_2())
    assert [node(drawing, label).outline for label in ("conv2d_1_2", "relu_1_3")] == ["box", "box"]
    assert [node(drawing, label).outline for label in ("div_1_6", "input_1_1")] == ["ellipse", "ellipse"]


def test_a_node_says_label_shape_size_parameters_and_address() -> None:
    assert node(drawn(figure_2()), "conv2d_1_2").lines == (
        "conv2d_1_2",
        "2x3 (24 B)",
        "params: 64x3x3x3, 64",
        "@features.0",
    )
    assert node(drawn(figure_2()), "input_1_1").lines == ("input_1_1", "6x3x224x224 (3.4 MB)")
    assert node(drawn(figure_2()), "mean_1_7").lines[1] == "scalar (4 B)"


def test_a_functional_operation_at_the_end_of_a_module_is_no_box() -> None:
    drawing = drawn(blocks(1))
    assert node(drawing, "add_3").outline == "ellipse"


def test_what_was_made_inside_the_model_is_dashed() -> None:
    drawing = drawn(figure_2())
    assert [one.lines[0] for one in drawing.nodes if one.is_dashed] == ["rand_1_4"]


def test_modules_of_several_operations_are_boxes_with_address_and_class() -> None:
    drawing = drawn(figure_2())
    assert [box.lines for box in drawing.boxes] == [("features", "(Sequential)")]
    inside = [one.lines[0] for one in drawing.nodes if one.box == 0]
    assert inside == ["conv2d_1_2", "relu_1_3"]


def test_boxes_nest_as_the_modules_do() -> None:
    stage = Stage()
    x = stage.input()
    with stage.module("a", "A"):
        y = stage.add("relu_1_2", x)
        with stage.module("a.b", "B"):
            z = stage.add("add_1_3", y, x)
            z = stage.add("mul_1_4", z)
    stage.output(z)
    drawing = drawn(stage.finish())
    assert [(box.lines[0], box.parent) for box in drawing.boxes] == [("a", None), ("a.b", 0)]
    assert [one.box for one in drawing.nodes] == [None, 0, 1, 1, None]


def test_argument_positions_stand_on_the_edges_of_a_division() -> None:
    drawing = drawn(figure_2())
    assert edge(drawing, "add_1_5", "div_1_6").arguments == ("arg 0",)
    assert edge(drawing, "rand_1_4", "div_1_6").arguments == ("arg 1",)
    assert edge(drawing, "relu_1_3", "add_1_5").arguments == ()


def test_an_argument_position_is_not_drawn_where_the_other_operand_is_a_hidden_buffer() -> None:
    from lens_viz._scene import Parent

    stage = Stage()
    x = stage.input()
    scale = stage.add("buffer_1", role="buffer")
    y = stage.add("div_1_2", Parent(x, ("arg 0",)), Parent(scale, ("arg 1",)))
    stage.output(y)
    assert edge(drawn(stage.finish()), "input_1_1", "div_1_2").arguments == ()
    assert edge(drawn(stage.finish(), show_buffers=True), "buffer_1", "div_1_2").arguments == ("arg 1",)


def test_buffers_are_hidden_unless_asked_for_and_renumber_nothing() -> None:
    without, with_buffers = drawn(figure_2()), drawn(figure_2(), show_buffers=True)
    assert len(with_buffers.nodes) == len(without.nodes) + 1
    assert node(with_buffers, "buffer_1").role == "buffer"
    assert node(with_buffers, "buffer_1").lines[-1] == "@scale"
    assert {one.lines for one in without.nodes} < {one.lines for one in with_buffers.nodes}


def test_if_stands_on_the_edge_where_the_condition_begins_and_nowhere_else() -> None:
    drawing = drawn(figure_2())
    assert edge(drawing, "div_1_6", "mean_1_7").is_if
    assert sum(one.is_if for one in drawing.edges) == 1


def test_the_title_says_model_tensors_and_parameters() -> None:
    assert drawn(figure_2()).title == ("Figure2", "1 tensor, 24 B", "0 parameters, 0 B")


# --- Figure 3 ---


def test_unrolled_draws_one_node_a_pass() -> None:
    labels = [one.lines[0] for one in drawn(figure_3()).nodes]
    assert labels[:5] == ["input_1_1", "cos_1_2:1", "linear_1_3:1", "add_1_4:1", "sin_1_5:1"]
    assert labels[5:7] == ["cos_1_2:2", "linear_1_3:2"]
    assert not any(one.in_mark or one.out_mark for one in drawn(figure_3()).edges)


def test_unrolled_modules_say_their_pass() -> None:
    assert node(drawn(figure_3()), "linear_1_3:2").lines[-1] == "@fc"


def test_rolled_draws_one_node_a_layer_with_its_passes() -> None:
    labels = [one.lines[0] for one in drawn(figure_3(), is_rolled=True).nodes]
    assert labels == ["input_1_1", "cos_1_2 (x2)", "linear_1_3 (x2)", "add_1_4 (x2)", "sin_1_5 (x2)", "output_1_6"]


def test_rolled_edges_say_their_passes_only_where_passes_differ() -> None:
    drawing = drawn(figure_3(), is_rolled=True)
    marks = {
        (drawing.nodes[one.tail].lines[0], drawing.nodes[one.head].lines[0]): (one.out_mark, one.in_mark)
        for one in drawing.edges
    }
    assert marks == {
        ("input_1_1", "cos_1_2 (x2)"): ("", "In 1"),
        ("sin_1_5 (x2)", "cos_1_2 (x2)"): ("Out 1", "In 2"),
        ("cos_1_2 (x2)", "linear_1_3 (x2)"): ("", ""),
        ("linear_1_3 (x2)", "add_1_4 (x2)"): ("", ""),
        ("add_1_4 (x2)", "sin_1_5 (x2)"): ("", ""),
        ("sin_1_5 (x2)", "output_1_6"): ("Out 2", ""),
    }


def test_a_self_loop_carries_out_and_in_with_compact_ranges() -> None:
    drawing = drawn(self_loop(5), is_rolled=True)
    loop = edge(drawing, "tanh_1_2", "tanh_1_2")
    assert (loop.out_mark, loop.in_mark) == ("Out 1-4", "In 2-5")


def test_a_back_edge_carries_both_marks_even_if_it_holds_for_all_passes() -> None:
    stage = Stage()
    x = stage.input()
    a = stage.add("cos_1_2", x, pass_num=1, passes_total=2)
    b = stage.add("sin_1_3", a)
    c = stage.add("cos_1_2", b, pass_num=2, passes_total=2)
    stage.output(c)
    back = edge(drawn(stage.finish(), is_rolled=True), "sin_1_3", "cos_1_2")
    assert (back.out_mark, back.in_mark) == ("Out 1", "In 2")


def test_ranges_leave_gaps_out() -> None:
    stage = Stage()
    x, y = stage.input(), stage.input("input_2_2")
    value = x
    for number in range(1, 7):
        source = y if number in (2, 3) else x
        value = stage.add("relu_1_3", source, pass_num=number, passes_total=6)
    stage.output(value)
    assert edge(drawn(stage.finish(), is_rolled=True), "input_1_1", "relu_1_3").in_mark == "In 1,4-6"


@given(st.integers(1, 6), st.integers(1, 6))
def test_rolled_edges_cover_the_unrolled_ones(loops: int, passes: int) -> None:
    for scene in (self_loop(loops), figure_3(passes)):
        many, one = drawn(scene), drawn(scene, is_rolled=True)
        strip = [each.lines[0].split(":")[0].split(" ")[0] for each in many.nodes]
        rolled = [each.lines[0].split(" ")[0] for each in one.nodes]
        assert {(strip[e.tail], strip[e.head]) for e in many.edges} == {
            (rolled[e.tail], rolled[e.head]) for e in one.edges
        }


# --- collapse ---


def test_a_collapsed_module_says_class_shape_parameters_and_operations() -> None:
    drawing = drawn(figure_2(), depth=1)
    (box,) = [one for one in drawing.nodes if one.outline == "collapsed"]
    assert box.lines == ("features (Sequential)", "2x3 (24 B)", "1,792 parameters, 2 operations")
    assert drawing.boxes == ()


def test_edges_inside_a_collapsed_module_disappear_and_those_across_are_counted() -> None:
    drawing = drawn(blocks(2), depth=1)
    assert [one.lines[0] for one in drawing.nodes] == [
        "input_1_1",
        "linear_0",
        "blocks.0 (Block)",
        "blocks.1 (Block)",
        "linear_99",
        "output_1_9",
    ]
    assert [(one.tail, one.head, one.count) for one in drawing.edges] == [
        (0, 1, 1),
        (1, 2, 2),
        (2, 3, 2),
        (3, 4, 1),
        (4, 5, 1),
    ]


@pytest.mark.parametrize("collapse", [["blocks.1"], "blocks.1", lambda address: address == "blocks.1"])
def test_modules_are_collapsed_by_address_or_by_a_function(collapse: Any) -> None:
    drawing = drawn(blocks(3), collapse=collapse)
    assert [one.lines[0] for one in drawing.nodes if one.outline == "collapsed"] == ["blocks.1 (Block)"]


def test_a_pattern_collapses_every_match() -> None:
    drawing = drawn(blocks(3), collapse=["blocks.*"])
    assert len([one for one in drawing.nodes if one.outline == "collapsed"]) == 3


def test_a_collapsed_module_of_several_calls_rolls_with_marks() -> None:
    stage = Stage("RNN")
    state = stage.input()
    for number in (1, 2, 3):
        facts = {"pass_num": number, "passes_total": 3}
        with stage.module("cell", "Cell", **facts):
            state = stage.add("sin_1_2", state, **facts)
            state = stage.add("cos_1_3", state, **facts)
    stage.output(state)
    drawing = drawn(stage.finish(), is_rolled=True, depth=1)
    assert node(drawing, ["cell", "x3)"][0]).lines[0] == "cell (x3) (Block)".replace("Block", "Cell")
    loop = edge(drawing, "cell", "cell")
    assert (loop.out_mark, loop.in_mark) == ("Out 1-2", "In 2-3")


def test_unrolled_calls_of_one_module_are_boxes_with_their_pass() -> None:
    stage = Stage("RNN")
    state = stage.input()
    for number in (1, 2):
        facts = {"pass_num": number, "passes_total": 2}
        with stage.module("cell", "Cell", **facts):
            state = stage.add("sin_1_2", state, **facts)
            state = stage.add("cos_1_3", state, **facts)
    stage.output(state)
    assert [box.lines[0] for box in drawn(stage.finish()).boxes] == ["cell:1", "cell:2"]
    assert [box.lines[0] for box in drawn(stage.finish(), is_rolled=True).boxes] == ["cell (x2)"]


@pytest.mark.parametrize("depth", [0, -1, True, 1.5, "deep"])
def test_a_depth_without_meaning_is_refused(depth: Any) -> None:
    with pytest.raises(OptionError, match="from 1 on"):
        drawn(figure_2(), depth=depth)


@pytest.mark.parametrize("options", [{"collapse": "nowhere.*"}, {"module": "block.1"}])
def test_an_unknown_module_is_an_error_with_near_ones(options: Any) -> None:
    with pytest.raises(UnknownModuleError, match=r"No module called .* ran"):
        drawn(blocks(3), **options)


# --- one module alone ---


def test_one_module_is_drawn_with_stubs_at_its_border() -> None:
    drawing = drawn(blocks(3), module="blocks.1")
    assert [one.lines[0] for one in drawing.nodes] == [
        "linear_6",
        "relu_6",
        "add_6",
        "from add_3",
        "to linear_9 and 1 more",
    ]
    assert [one.role for one in drawing.nodes][3:] == ["stub", "stub"]
    assert {(one.tail, one.head) for one in drawing.edges if one.is_outside} == {(3, 0), (3, 2), (2, 4)}
    assert drawing.boxes == ()
    assert "only blocks.1 (Block)" in drawing.title


def test_one_pass_of_a_module_can_be_drawn() -> None:
    drawing = drawn(figure_3(), module="fc:2")
    assert [one.lines[0] for one in drawing.nodes] == ["linear_1_3:2", "from cos_1_2:2", "to add_1_4:2"]


# --- repeats ---


def test_a_run_of_identical_blocks_is_drawn_once() -> None:
    drawing = drawn(blocks(12), fold_repeats=True)
    (box,) = drawing.boxes
    assert box.lines == ("blocks.0 … blocks.11", "(Block) x 12")
    assert [one.lines[0] for one in drawing.nodes] == [
        "input_1_1",
        "linear_0",
        "linear_3",
        "relu_3",
        "add_3",
        "linear_99",
        "output_1_9",
    ]
    assert {(one.tail, one.head) for one in drawing.edges} == {(0, 1), (1, 2), (2, 3), (1, 4), (3, 4), (4, 5), (5, 6)}


def test_a_collapsed_run_says_how_many() -> None:
    drawing = drawn(blocks(12), fold_repeats=True, depth=1)
    assert [one.lines[0] for one in drawing.nodes if one.outline == "collapsed"] == ["blocks.0 (Block) x 12"]


def test_a_block_that_differs_breaks_the_run() -> None:
    drawing = drawn(blocks(7, odd=[3]), fold_repeats=True)
    assert [box.repeats for box in drawing.boxes] == [3, 1, 3]


@given(st.integers(1, 8), st.sets(st.integers(0, 7)))
def test_folding_loses_no_block(count: int, odd: set[int]) -> None:
    drawing = drawn(blocks(count, odd=sorted(odd)), fold_repeats=True)
    assert sum(box.repeats for box in drawing.boxes) == count


# --- size ---


def test_the_automatic_depth_stays_within_the_budget_and_says_so() -> None:
    scene = blocks(300)
    drawing = drawn(scene)
    assert len(drawing.nodes) == 304
    assert drawing.title[-1] == "drawn to depth 1 of 2 (automatic)"
    assert len(drawn(scene, depth="all").nodes) == 904
    assert drawn(blocks(3)).title == ("Blocks", "1 tensor, 24 B", "0 parameters, 0 B")


def test_a_long_chain_without_modules_is_folded_into_stretches() -> None:
    drawing = drawn(chain(20_000))
    assert len(drawing.nodes) < 100
    assert [one.lines[0] for one in drawing.nodes][:2] == ["input_1_1", "relu_0"]
    stretches = [one for one in drawing.nodes if one.role == "stretch"]
    assert sum(int(one.lines[1].split(" ")[0].replace(",", "")) for one in stretches) + 26 == 20_002
    assert len(drawing.edges) == len(drawing.nodes) - 1
    assert "folded" in drawing.title[-1]


def test_what_is_asked_for_by_name_is_never_refused() -> None:
    assert len(drawn(chain(3_000), depth="all").nodes) == 3_002


def test_a_module_inside_itself_a_thousand_levels_deep_is_drawn() -> None:
    stage = Stage()
    value = stage.input()
    managers = [stage.module("block", "Block") for _ in range(1200)]
    for manager in managers:
        manager.__enter__()
        value = stage.add("relu_1", value)
    for manager in reversed(managers):
        manager.__exit__(None, None, None)
    stage.output(value)
    drawing = drawn(stage.finish(), depth="all")
    assert len(drawing.boxes) == 1200
