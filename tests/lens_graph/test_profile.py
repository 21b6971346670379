"""Time and memory by module."""

import pytest

from lens_graph import build_history

from .hand_made import Script


def test_modules_sum_up_what_ran_inside_and_count_each_function_once() -> None:
    script = Script()
    x = script.input()
    with script.module("a", "A", [x]):
        script.call("relu", x, elapsed_s=0.5)
        with script.module("a.b", "B", [x]):
            script.call("chunk", x, output_index=0, elapsed_s=0.25)
            script.call("chunk", x, output_index=1, same_call=True, elapsed_s=0.25)
    script.call("tanh", x, elapsed_s=1.0)
    history = build_history(script.finish())
    table = history.tables.modules.select("address", "func_time_elapsed", "tensor_fsize")
    seconds = [row[1].total_seconds() for row in table.rows()]
    assert seconds == pytest.approx([1.75, 0.75, 0.25])
    assert table["tensor_fsize"].to_list() == [96, 72, 48]
    for address, expected, nbytes in zip(table["address"], seconds, table["tensor_fsize"], strict=True):
        assert history.modules[address].func_time_elapsed == pytest.approx(expected)
        assert history.modules[address].tensor_fsize == nbytes
    assert history.tables.module_calls["tensor_fsize"].to_list() == [96, 72, 48]
