"""Every valid key finds its layer; a wrong one is told apart and answered with the nearest."""

import time

import pytest

from lens_graph import AmbiguousKeyError, LayerEntry, OperationEntry, UnknownKeyError, build_history

from .hand_made import Script, chain
from .sample_traces import alexnet, branching


def test_the_papers_keys_all_give_the_third_convolution() -> None:
    history = build_history(alexnet())
    found = {history[key] for key in ("conv2d_3_8", "conv2d_3", "features.6", 7, -17)}
    assert {layer.layer_label for layer in found} == {"conv2d_3_8"}
    assert len(found) == 1 and len(history) == 24
    assert history.layer_list[0] == "input_1_1" and history.layer_list[-1] == "output_1_24"


def test_addresses_work_at_every_level_of_nesting() -> None:
    history = build_history(alexnet())
    assert history["features.12"] == history["features"] == history["maxpool2d_3"]
    assert history["classifier"].layer_label == "linear_3_23"


def test_key_with_a_pass_gives_that_pass() -> None:
    history = build_history(alexnet())
    for key in ("conv2d_3_8:1", "conv2d_3:1", "features.6:1"):
        found = history[key]
        assert isinstance(found, OperationEntry) and found.layer_label_w_pass == "conv2d_3_8:1"


def test_slices_give_lists_of_layers() -> None:
    history = build_history(alexnet())
    assert [layer.layer_label for layer in history[1:3]] == ["conv2d_1_2", "relu_1_3"]
    assert [layer.layer_label for layer in history[::-1]] == history.layer_list[::-1]
    assert history[5:2] == []


def test_iteration_and_length_go_by_layers_without_buffers() -> None:
    history = build_history(branching())
    assert [layer.layer_label for layer in history] == history.layer_list
    assert len(history) == len(history.layer_list)
    assert "buffer_1" not in history.layer_list and "buffer_1" in history
    assert history["buffer_1"].buffer_address == "shift"


def test_capitals_are_ignored_where_one_answer_is_left() -> None:
    script = Script()
    x = script.input()
    with script.module("Head", "Linear", [x]) as outputs:
        outputs.append(script.call("linear", x))
    history = build_history(script.finish())
    assert history["LINEAR_1"] == history["head"] == history["HEAD"] == history["linear_1_2"]


def test_exact_spelling_comes_before_capitals() -> None:
    script = Script()
    x = script.input()
    for address in ("a", "A"):
        with script.module(address, "Act", [x]) as outputs:
            x = script.call("relu", x)
            outputs.append(x)
    history = build_history(script.finish())
    assert history["a"].layer_label == "relu_1_2" and history["A"].layer_label == "relu_2_3"


def test_two_layers_behind_one_address_are_named() -> None:
    script = Script()
    x = script.input()
    with script.module("lstm", "LSTM", [x]) as outputs:
        outputs.append(script.call("lstm", x, output_index=0))
        outputs.append(script.call("lstm", x, output_index=1, same_call=True))
    history = build_history(script.finish())
    with pytest.raises(AmbiguousKeyError, match=r"'lstm_1_2' or 'lstm_2_3'") as caught:
        history["lstm"]
    assert caught.value.nearest == ("lstm_1_2", "lstm_2_3")
    assert "lstm" not in history


def test_module_named_like_a_label_of_another_layer_is_ambiguous() -> None:
    script = Script()
    x = script.input()
    first = script.call("relu", x)
    with script.module("relu_1", "ReLU", [first]) as outputs:
        outputs.append(script.call("relu", first))
    history = build_history(script.finish())
    with pytest.raises(AmbiguousKeyError, match="relu_1_2"):
        history["relu_1"]
    assert "relu_1" not in history["relu_1_2"].lookup_keys
    assert history["relu_2"] == history["relu_2_3"]


def test_full_label_wins_over_a_module_of_that_name() -> None:
    script = Script()
    x = script.input()
    first = script.call("relu", x)
    with script.module("relu_1_2", "ReLU", [first]) as outputs:
        outputs.append(script.call("relu", first))
    assert build_history(script.finish())["relu_1_2"].layer_total_num == 2


def test_shared_module_is_found_under_all_its_addresses() -> None:
    script = Script()
    x = script.input()
    with script.module("encoder.norm", "Norm", [x], also=["decoder.norm"]) as outputs:
        outputs.append(script.call("norm", x))
    history = build_history(script.finish())
    assert history["encoder.norm"] == history["decoder.norm"] == history["norm_1"]
    assert history["decoder.norm:1"].layer_label_w_pass == "norm_1_2:1"


def test_module_called_twice_with_different_layers_needs_the_pass() -> None:
    script = Script()
    x = script.input()
    for name in ("relu", "tanh"):
        with script.module("act", "Act", [x]) as outputs:
            x = script.call(name, x)
            outputs.append(x)
    history = build_history(script.finish())
    assert history["act:2"].layer_label == "tanh_1_3"
    with pytest.raises(AmbiguousKeyError):
        history["act"]


def test_names_with_dots_and_colons_are_addresses_first() -> None:
    script = Script()
    x = script.input()
    for address in ("blocks.a:1", "blocks.v1.0"):
        with script.module(address, "Act", [x]) as outputs:
            x = script.call("relu", x)
            outputs.append(x)
    history = build_history(script.finish())
    assert history["blocks.a:1"].layer_label == "relu_1_2"
    assert history["blocks.a:1:1"].layer_label_w_pass == "relu_1_2:1"
    assert history["blocks.v1.0"].layer_label == "relu_2_3"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("conv2d_9", "conv2d_5_12"),
        ("conv2d_3_9", "conv2d_3_8"),
        ("features.66", "features.6"),
        ("convv2d_1", "conv2d_1_2"),
        ("conv2d_3_8:2", "1 pass"),
        ("features.6:2", "called 1 time"),
        ("conv2d_03", "conv2d_3_8"),
        ("", "input_1_1"),
        ("conv2d_3_8:0", "conv2d_3_8"),
    ],
)
def test_wrong_key_names_what_is_near(key: str, hint: str) -> None:
    with pytest.raises(KeyError) as caught:
        build_history(alexnet())[key]
    assert hint in str(caught.value)


def test_integer_out_of_range_is_an_index_error_and_a_key_error() -> None:
    history = build_history(alexnet())
    for number in (24, -25):
        with pytest.raises(IndexError, match="24 layers"):
            history[number]
        with pytest.raises(KeyError):
            history[number]


@pytest.mark.parametrize("key", [None, 1.5, True, ("a",)])
def test_other_kinds_of_keys_are_type_errors(key: object) -> None:
    with pytest.raises(TypeError, match="indexed by a label"):
        build_history(alexnet())[key]  # pyright: ignore


def test_module_that_was_never_called_says_so() -> None:
    script = Script()
    script.uncalled("aux", "Head")
    script.output(script.input())
    with pytest.raises(UnknownKeyError, match="'aux' was never called"):
        build_history(script.finish())["aux"]


def test_integers_count_the_saved_layers_when_only_some_were_saved() -> None:
    trace = alexnet()
    history = build_history(trace, {1: "first", 7: "third"})
    assert history[0].layer_label == "conv2d_1_2" and history[-1].layer_label == "conv2d_3_8"
    assert [layer.layer_label for layer in history[:]] == ["conv2d_1_2", "conv2d_3_8"] == history.saved_layers
    assert len(history) == len(history.layer_list) == 24
    assert 0 in history["conv2d_1"].lookup_keys and -24 not in history["input_1"].lookup_keys
    with pytest.raises(IndexError, match="2 saved layers"):
        history[2]


def test_selected_operations_decide_what_counts_as_saved() -> None:
    history = build_history(alexnet(), dict.fromkeys(range(24), "tensor"), selected={7})
    assert history.saved_layers == ["conv2d_3_8"]
    assert not history["conv2d_1"].is_saved


def test_aliases_become_keys() -> None:
    history = build_history(alexnet(), aliases={"early vision": 1})
    assert history["early vision"] == history["conv2d_1"]


def test_history_contains_its_own_entries_and_no_strangers() -> None:
    history = build_history(alexnet())
    other = build_history(chain("relu"))
    assert history[3] in history and history.operations[3] in history
    assert other[1] not in history
    assert object() not in history


def test_buffers_have_labels_of_their_own_beside_a_function_called_buffer() -> None:
    script = Script()
    x = script.input()
    shift = script.buffer("shift")
    script.output(script.call("buffer", script.call("add", x, shift)))
    history = build_history(script.finish())
    assert history["buffer_1"].is_buffer_layer
    assert history["buffer_1_3"].layer_type == "buffer" and not history["buffer_1_3"].is_buffer_layer
    assert "buffer_1" not in history["buffer_1_3"].lookup_keys


def test_lookup_and_misses_take_no_longer_in_a_long_history() -> None:
    history = build_history(chain(*["relu"] * 30_000))
    started = time.process_time()
    for number in range(1, 30_000, 30):
        assert isinstance(history[f"relu_{number}"], LayerEntry)
    assert time.process_time() - started < 0.5
    started = time.process_time()
    for number in range(100):
        assert f"conv_{number}" not in history
    assert time.process_time() - started < 0.5
