"""Strange recordings: empty, broken off, contradictory, huge."""

import time

import pytest
from msgspec.structs import replace

from lens_graph import MalformedTraceError, build_history
from lens_trace import Trace

from .hand_made import Script, chain, const


def test_empty_recording_gives_an_empty_history() -> None:
    history = build_history(Script("Nothing").finish())
    assert len(history) == 0 and list(history) == [] and history[:] == []
    assert (history.num_tensors_total, history.model_max_recurrent_loops) == (0, 0)
    assert "Nothing" in repr(history)
    with pytest.raises(KeyError, match="no layers"):
        history["relu_1"]
    with pytest.raises(IndexError):
        history[0]


def test_trace_without_modules_or_calls_is_read() -> None:
    history = build_history(replace(chain("relu"), modules=(), module_calls=()))
    assert history["relu_1"].layer_label == "relu_1_2"
    assert len(history.modules) == 0 and repr(history)


def test_no_way_from_input_to_output_is_no_error() -> None:
    script = Script()
    script.input()
    script.output(script.call("ones", const(3)))
    history = build_history(script.finish())
    assert history.layer_list == ["input_1_1", "ones_1_2", "output_1_3"]
    assert history["output_1"].min_distance_from_input is None


def test_output_that_is_an_input_and_one_given_twice_are_layers_of_their_own() -> None:
    script = Script()
    x = script.input()
    for address in ("0", "1"):
        script.output(x, address)
    history = build_history(script.finish())
    assert history.layer_list == ["input_1_1", "output_1_2", "output_2_3"]
    assert history["input_1"].child_layers == ["output_1_2", "output_2_3"]


def test_pass_that_broke_off_keeps_what_there_is() -> None:
    script = Script()
    x = script.input()
    script.call("mul", script.call("rand", const(3)), x)
    script.call("rand", const(3))
    history = build_history(script.finish(is_complete=False))
    assert history.layer_list == ["input_1_1", "rand_1_2", "mul_1_3", "rand_2_4"]
    assert "ended early" in repr(history)


def _with_parent(trace: Trace, child: int, parent: int) -> Trace:
    operations = list(trace.operations)
    edge = replace(operations[child].parents[0], operation=parent)
    operations[child] = replace(operations[child], parents=(edge,))
    return replace(trace, operations=tuple(operations))


@pytest.mark.parametrize("parent", [1, 2, 99, -1])
def test_parent_that_does_not_come_before_its_child_is_refused(parent: int) -> None:
    with pytest.raises(MalformedTraceError, match="operation 1"):
        build_history(_with_parent(chain("relu"), 1, parent))


def test_ids_that_are_no_indices_are_refused() -> None:
    trace = chain("relu", "tanh")
    with pytest.raises(MalformedTraceError, match="ids have to be indices"):
        build_history(replace(trace, operations=trace.operations[1:]))


def test_operation_in_a_module_call_that_does_not_exist_is_refused() -> None:
    trace = chain("relu")
    operations = (trace.operations[0], replace(trace.operations[1], module_calls=(7,)), *trace.operations[2:])
    with pytest.raises(MalformedTraceError, match="module call 7"):
        build_history(replace(trace, operations=operations))


def test_module_call_of_an_unknown_module_is_refused() -> None:
    trace = chain("relu")
    with pytest.raises(MalformedTraceError, match="module 5"):
        build_history(replace(trace, module_calls=(replace(trace.module_calls[0], module=5),)))


def test_ten_thousand_siblings_are_not_quadratic() -> None:
    script = Script()
    x = script.input()
    parts = [script.call("relu", x, output_index=index, same_call=index > 0) for index in range(10_000)]
    script.output(script.call("cat", parts))
    trace = script.finish()
    started = time.process_time()
    history = build_history(trace)
    assert len(history["relu_77"].sibling_layers) == len(history["relu_77"].spouse_layers) == 9_999
    assert history.tables.operations.height == 10_003
    assert time.process_time() - started < 5


def test_deeply_nested_modules_are_read() -> None:
    script = Script()
    x = script.input()
    address = "m"
    open_calls = []
    for _ in range(1_200):
        call = script.module(address, "Part", [x])
        open_calls.append((call, call.__enter__()))
        address += ".m"
    x = script.call("relu", x)
    for call, outputs in reversed(open_calls):
        outputs.append(x)
        call.__exit__(None, None, None)
    script.output(x)
    history = build_history(script.finish())
    assert history["m.m.m"].layer_label == "relu_1_2"
    assert len(history["relu_1"].modules_exited) == 1_200
    assert history["relu_1"].is_bottom_level_submodule_output
    assert repr(history) and history.tables.modules.height == 1_201


def test_names_from_a_hostile_model_are_escaped_in_the_notebook() -> None:
    script = Script("<script>alert(1)</script>")
    x = script.input("<b>")
    with script.module("a<img src=x>", "<i>", [x]) as outputs:
        outputs.append(script.call("relu", x))
    html = build_history(script.finish())._repr_html_()  # pyright: ignore
    assert "<script>" not in html and "<img" not in html and "<i>" not in html
    assert "&lt;script&gt;" in html
