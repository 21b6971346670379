"""`build_history(like=...)`: a pass on a known path is called what the known one is called."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lens_graph import ModelHistory, build_history
from lens_trace import Trace
from tests.lens_graph.hand_made import Script
from tests.lens_graph.sample_traces import branching, recurrent


def _cut(trace: Trace, count: int) -> Trace:
    return replace(trace, operations=trace.operations[:count], outputs=(), is_complete=False, module_calls=tuple(
        replace(call, outputs=call.outputs if call.last_operation < count else ())
        for call in trace.module_calls if call.first_operation < count
    ), reads=tuple(read for read in trace.reads if read.after <= count))  # fmt: skip


@pytest.mark.parametrize("make", [branching, recurrent])
def test_a_second_pass_reads_like_the_first(make: object) -> None:
    first = build_history(make())  # type: ignore[operator]
    second = build_history(make(), {1: "tensor"}, like=first)  # type: ignore[operator]
    assert second.layer_list == first.layer_list
    assert second[0].layer_label == second.saved_layers[0]
    assert second.select(lambda o: o.is_saved)[0].tensor_contents == "tensor"


@pytest.mark.parametrize("count", range(1, 9))
def test_a_pass_that_ended_early_keeps_the_labels_of_the_whole(count: int) -> None:
    whole = build_history(recurrent())
    part = build_history(_cut(recurrent(), count), like=whole)
    assert not part.is_complete and whole.is_complete
    assert [o.layer_label_w_pass for o in part.operations] == [o.layer_label_w_pass for o in whole.operations][:count]
    assert "ended early" in repr(part)


def _with_an_orphan() -> Script:
    script = Script()
    x = script.input()
    script.call("zeros")
    script.output(script.call("relu", x))
    return script


def test_an_orphan_takes_no_number_in_the_first_part_either() -> None:
    whole = build_history(_with_an_orphan().finish())
    part: ModelHistory = build_history(_cut(_with_an_orphan().finish(), 3), like=whole)
    assert part.layer_list == ["input_1_1", "relu_1_2"] == whole.layer_list[:2]
    assert build_history(_cut(_with_an_orphan().finish(), 3)).layer_list != part.layer_list


def test_a_module_that_had_not_returned_returns_what_it_did_in_the_whole() -> None:
    script = Script()
    x = script.input()
    with script.module("block", inputs=[x]) as block, script.module("block.act", inputs=[x]) as act:
        made = script.call("relu", x)
        act.append(made)
        late = script.call("cos", made)
        block.extend([made, late])
    script.output(late)
    trace = script.finish()
    part = build_history(_cut(trace, made + 1), like=build_history(trace))
    assert part["block.act"].layer_label == part["block"].layer_label == "relu_1_2"
