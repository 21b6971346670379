"""`history.select` and what `layers=` means: every way to say which layers, alone and mixed."""

from __future__ import annotations

import re
from typing import Any

import polars as pl
import pytest

from lens_graph import (
    AliasCollisionError,
    AmbiguousKeyError,
    LayerEntry,
    ModelHistory,
    OperationEntry,
    SelectorError,
    UnknownKeyError,
    build_history,
    choose,
    read_selector,
    select_operations,
)
from tests.lens_graph.hand_made import Script
from tests.lens_graph.sample_traces import alexnet, branching, recurrent

CONVOLUTIONS = ["conv2d_1_2", "conv2d_2_5", "conv2d_3_8", "conv2d_4_10", "conv2d_5_12"]


@pytest.fixture(scope="module")
def history() -> ModelHistory:
    return build_history(alexnet())


def _labels(history: ModelHistory, selector: Any) -> list[str]:
    return [entry.label for entry in history.select(selector)]


@pytest.mark.parametrize(
    ("selector", "labels"),
    [
        ("conv2d_3_8", ["conv2d_3_8"]),
        ("conv2d_3", ["conv2d_3_8"]),
        ("CONV2D_3", ["conv2d_3_8"]),
        ("conv2d_3_8:1", ["conv2d_3_8"]),
        ("features.6", ["conv2d_3_8"]),
        ("features", ["maxpool2d_3_14"]),
        (7, ["conv2d_3_8"]),
        (-1, ["output_1_24"]),
        ("conv2d_*", CONVOLUTIONS),
        ("conv2d_[35]_*", ["conv2d_3_8", "conv2d_5_12"]),
        ("features.?", _first := ["conv2d_1_2", "relu_1_3", "maxpool2d_1_4", *CONVOLUTIONS[1:2], "relu_2_6",
                                  "maxpool2d_2_7", "conv2d_3_8", "relu_3_9", "conv2d_4_10", "relu_4_11"]),
        (re.compile(r"^features\.\d$"), _first),
        (re.compile("pool"), ["maxpool2d_1_4", "maxpool2d_2_7", "maxpool2d_3_14", "adaptiveavgpool2d_1_15"]),
        (lambda o: o.layer_type == "linear" and o.pass_num == 1, ["linear_1_18", "linear_2_21", "linear_3_23"]),
        (pl.col("layer_type") == "conv2d", CONVOLUTIONS),
        ((pl.col("layer_type") == "relu") & (pl.col("layer_type_num") > 6), ["relu_7_22"]),
        ([], []),
        ("none", []),
        (["none", 0], ["input_1_1"]),
        (["linear_3", 7, "features.6", re.compile("input"), pl.col("kind") == "output"],
         ["input_1_1", "conv2d_3_8", "linear_3_23", "output_1_24"]),
        ({"conv2d_3", "conv2d_3_8", 7}, ["conv2d_3_8"]),
        ((0, [1, ("relu_1",)]), ["input_1_1", "conv2d_1_2", "relu_1_3"]),
        (range(2), ["input_1_1", "conv2d_1_2"]),
        ({"early": "features.0", "late": ["classifier", 0]}, ["input_1_1", "conv2d_1_2", "linear_3_23"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_selector_chooses(selector: Any, labels: list[str], history: ModelHistory) -> None:
    assert _labels(history, selector) == labels


def test_all_is_every_operation_with_buffers() -> None:
    history = build_history(branching())
    assert history.select("all") == history.select("*") == list(history.operations)
    assert _labels(history, "buffer_*") == ["buffer_1"]


def test_a_star_crosses_dots_as_in_fnmatch() -> None:
    script = Script()
    value = script.input()
    for place in ("blocks.0.attn", "blocks.0.inner.attn", "blocks.attn"):
        with script.module(place, inputs=[value]) as outputs:
            outputs.append(value := script.call("relu", value))
    script.output(value)
    assert _labels(build_history(script.finish()), "blocks.*.attn") == ["relu_1_2", "relu_2_3"]


def test_a_label_means_all_passes_and_a_pass_only_one() -> None:
    history = build_history(recurrent())
    assert _labels(history, "linear_1") == ["linear_1_2:1", "linear_1_2:2", "linear_1_2:3"]
    assert _labels(history, 1) == _labels(history, "cell") == _labels(history, "linear_1")
    assert _labels(history, "tanh_1:2") == _labels(history, "tanh_1_3:2") == ["tanh_1_3:2"]
    assert _labels(history, "cell:3") == ["linear_1_2:3"]
    assert _labels(history, "*:2") == ["linear_1_2:2", "tanh_1_3:2"]


def test_an_address_with_several_layers_behind_it_means_all_of_them() -> None:
    script = Script()
    value = script.input()
    for name in ("relu", "gelu"):
        with script.module("act", inputs=[value]) as outputs:
            outputs.append(value := script.call(name, value))
    script.output(value)
    history = build_history(script.finish())
    with pytest.raises(AmbiguousKeyError):
        history["act"]
    assert _labels(history, "act") == ["relu_1_2", "gelu_1_3"]
    assert _labels(history, "act:2") == ["gelu_1_3"]


def test_a_text_that_is_a_key_means_the_key_even_with_wildcards_in_it() -> None:
    script = Script()
    value = script.input()
    for place in ("heads.[a]", "heads.a"):
        with script.module(place, inputs=[value]) as outputs:
            outputs.append(value := script.call("relu", value))
    script.output(value)
    assert _labels(build_history(script.finish()), "heads.[a]") == ["relu_1_2"]


@pytest.mark.parametrize(
    ("selector", "told"),
    [
        ("conv2d_9", "conv2d_5_12"),
        ("features.99", "features.9"),
        ("conv3d_*", "conv2d_1_2"),
        (re.compile("conv3d"), "conv2d_1_2"),
        (lambda o: False, "chose none of 24"),
        (pl.col("layer_type") == "lstm", "true of none of 24 rows"),
        (24, "out of range"),
        (["conv2d_1", "conv2d_9"], "conv2d_9"),
        (pl.col("layer_typ") == "relu", "layer_type"),
        ({"mine": "relu_9"}, "relu_7_22"),
        ({"mine": []}, "'mine' in layers= stands for no operation"),
        ("features.*.attn", "features"),
        ("feature.[0-2]", "'features.9'"),
        (re.compile("^featurs$"), "'features'"),
        (pl.col("layer_type") == "conv2", "'conv2d_1_2'"),
        ("", "no layer, pass or module"),
    ],
    ids=str,
)
def test_what_matches_nothing_is_a_key_error_with_the_nearest_names(
    selector: Any, told: str, history: ModelHistory
) -> None:
    with pytest.raises(UnknownKeyError, match=re.escape(told)):
        history.select(selector)


class Module:
    """Callable, and no question."""

    def forward(self) -> None: ...

    def __call__(self, x: object) -> object:
        return x


_endless: list[Any] = []
_endless.append(_endless)


@pytest.mark.parametrize(
    "selector",
    [
        None, True, 1.5, b"relu_1", object(), Module(), Module, int, iter(["relu_1"]), [None], [["relu_1", 2.0]],
        {"a": None}, {1: "relu_1"}, {"": "relu_1"}, {"a": {"b": "relu_1"}}, [{"a": "relu_1"}], re.compile(b"relu"),
        pl.Series([True]), pl.DataFrame({"a": [1]}), _endless,
    ],
    ids=lambda s: str(type(s)),
)  # fmt: skip
def test_what_selects_nothing_by_its_kind_is_a_type_error_before_anything_runs(selector: Any) -> None:
    with pytest.raises(SelectorError) as caught:
        read_selector(selector)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "expression",
    [pl.col("tensor_fsize"), pl.col("tensor_fsize") * 2, pl.lit(value=True), pl.all(), pl.col("layer_type") == 3,
     pl.col("computed_with_params", "in_cond_branch"), pl.col("in_cond_branch").any()],
    ids=str,
)  # fmt: skip
def test_an_expression_has_to_be_true_or_false_for_each_row(expression: pl.Expr, history: ModelHistory) -> None:
    with pytest.raises(SelectorError, match="operations"):
        history.select(expression)


def test_an_unknown_number_counts_as_not_chosen() -> None:
    history = build_history(branching())
    labels = _labels(history, pl.col("min_distance_from_input") == 1)
    assert labels == ["linear_1_2"]


def test_a_question_that_fails_says_about_which_operation(history: ModelHistory) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        history.select(lambda o: 1 / (o.layer_total_num - 3))
    assert "relu_1_3:1" in caught.value.__notes__[0]


def _chosen(history: ModelHistory, selector: Any) -> ModelHistory:
    return choose(history, select_operations(history.interpretation, read_selector(selector)))


def test_names_of_ones_own_are_keys_of_the_history() -> None:
    history = build_history(recurrent(), dict.fromkeys(range(9), "tensor"))
    named = _chosen(history, {"cell output": "cell", "last": "tanh_1:3", "ends": [0, -1], "steps": "tanh_1:[12]"})
    assert named["cell output"] == named["linear_1"]
    assert isinstance(named["cell output"], LayerEntry) and isinstance(named["last"], OperationEntry)
    assert named["ends"] == [named["input_1"], named["output_1"]]
    assert named["steps"] == [named["tanh_1:1"], named["tanh_1:2"]]
    assert "ends" in named and "steps" in named and "ends" not in history
    assert named.aliases["steps"] == ["tanh_1_3:1", "tanh_1_3:2"]
    assert "last" in named["tanh_1:3"].lookup_keys and "cell output" in named["linear_1"].lookup_keys
    assert _labels(named, "steps") == ["tanh_1_3:1", "tanh_1_3:2"]
    assert not named["linear_2"].is_saved and named["tanh_1"].is_saved


@pytest.mark.parametrize("alias", ["relu_1", "relu_1_3", "relu_1:1", "features.0", "features"])
def test_a_name_that_already_means_something_else_is_refused(alias: str, history: ModelHistory) -> None:
    with pytest.raises(AliasCollisionError, match="already means") as caught:
        _chosen(history, {alias: "conv2d_5"})
    assert isinstance(caught.value, ValueError)


def test_a_name_that_means_the_same_already_is_welcome(history: ModelHistory) -> None:
    assert _chosen(history, {"relu_1": "features.1"})["relu_1"].layer_label == "relu_1_3"
