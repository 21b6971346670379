"""`history.estimate`: bytes kept and bytes at the peak, told from records."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lens_graph import ModelHistory, build_history
from lens_trace import Trace
from tests.lens_graph.hand_made import Script, chain
from tests.lens_graph.sample_traces import alexnet

SIZE = 2 * 3 * 4
"""Bytes of every value in these models: float32 of 2 by 3."""


def _in_storages(trace: Trace, storages: list[int]) -> ModelHistory:
    operations = [
        replace(operation, output=replace(operation.output, storage=storage), parameters=())
        for operation, storage in zip(trace.operations, storages, strict=True)
    ]
    return build_history(replace(trace, operations=tuple(operations)))


def test_a_chain_holds_two_values_at_a_time_and_keeps_what_it_is_told() -> None:
    history = _in_storages(chain("cos", "sin", "tan"), [0, 1, 2, 3, 3])
    assert history.estimate("none").kept_nbytes == 0
    assert history.estimate("none").peak_nbytes == history.estimate("none").forward_nbytes == 2 * SIZE
    one = history.estimate("cos_1")
    assert (one.kept_nbytes, one.peak_nbytes) == (SIZE, 3 * SIZE)
    early = history.estimate(["cos_1", "sin_1"])
    assert (early.kept_nbytes, early.peak_nbytes) == (2 * SIZE, 3 * SIZE)


def test_views_are_counted_once_and_inputs_in_a_copy() -> None:
    history = _in_storages(chain("cos", "view", "view"), [0, 1, 1, 1, 1])
    whole = history.estimate()
    assert whole.kept_nbytes == 2 * SIZE
    assert dict(whole.layers) == {"input_1_1": SIZE, "cos_1_2": SIZE, "view_1_3": 0, "view_2_4": 0, "output_1_5": 0}
    assert history.estimate("view_2").kept_nbytes == SIZE


def test_a_write_in_between_makes_another_value() -> None:
    script = Script()
    value = script.call("cos", script.input())
    script.output(script.call("relu_", value, is_inplace=True))
    history = _in_storages(script.finish(), [0, 1, 1, 1])
    assert history.estimate("cos_1").kept_nbytes == SIZE
    both = history.estimate(["cos_1", "relu_1"])
    assert (both.kept_nbytes, both.peak_nbytes) == (2 * SIZE, 2 * SIZE)


@pytest.mark.parametrize(
    ("dtype", "share"), [("float16", 0.5), ("torch.bfloat16", 0.5), ("float64", 2), ("complex64", 2)]
)
def test_a_dtype_changes_what_is_kept(dtype: str, share: float) -> None:
    history = _in_storages(chain("cos", "sin"), [0, 1, 2, 2])
    assert history.estimate(["cos_1", "sin_1"], dtype=dtype).kept_nbytes == 2 * SIZE * share


def test_an_early_end_needs_nothing_of_what_comes_after() -> None:
    script = Script()
    value = script.call("cos", script.input())
    script.output(script.call("cat", value, value, shape=(200, 300)))
    history = _in_storages(script.finish(), [0, 1, 2, 2])
    assert history.estimate("cos_1").peak_nbytes > 200 * 300 * 4
    assert history.estimate("cos_1", stop_early=True).peak_nbytes == SIZE


def test_the_largest_layers_come_first_and_are_shown() -> None:
    history = build_history(alexnet())
    found = history.estimate(["linear_1", "input_1"])
    assert [label for label, _ in found.layers] == ["input_1_1", "linear_1_18"]
    assert "largest: input_1_1 3.4 MB" in repr(found)


def test_wrong_layers_are_errors_as_everywhere() -> None:
    with pytest.raises(KeyError):
        build_history(alexnet()).estimate("relu_77")
    with pytest.raises(TypeError):
        build_history(alexnet()).estimate(None)  # type: ignore[arg-type]
