"""`layers=`: one pass where that is enough, the same pass twice where labels decide."""

from __future__ import annotations

import functools
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import lens_torch as tl

PASSES: list[int] = []
"""One entry for each forward: out of the reach of what puts models back."""


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.Linear(4, 4)
        self.mlp = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.mlp(self.attn(x).cos())


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.relu_head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        PASSES.append(1)
        for block in self.blocks:
            x = block(x)
        return self.relu_head(x)


@pytest.fixture
def model() -> Blocks:
    torch.manual_seed(0)
    PASSES.clear()
    return Blocks()


X = torch.linspace(-1, 1, 8).reshape(2, 4)
BOTH = ["linear_1_2", "linear_3_7"]
RELUS = ["relu_1_5", "relu_2_10"]


@pytest.mark.parametrize(
    ("layers", "saved", "passes"),
    [
        ("all", None, 1),
        ("none", [], 1),
        ([], [], 1),
        ("blocks.0.attn", BOTH[:1], 1),
        (["blocks.0.attn", "blocks.1.attn", "blocks.0.attn"], BOTH, 1),
        ("blocks.*.attn", BOTH, 1),
        ("blocks.[01].attn", BOTH, 1),
        ("relu_*", [*RELUS, "linear_5_12"], 1),
        (["cos_*", "blocks.1.mlp"], ["cos_1_3", "cos_2_8", "relu_2_10"], 1),
        ({"attention": "blocks.*.attn"}, BOTH, 1),
        ("input_*", ["input_1_1"], 1),
        ("relu_1", RELUS[:1], 2),
        ("relu_1_5", RELUS[:1], 2),
        ("blocks.1.attn:1", BOTH[1:], 2),
        (-1, ["output_1_13"], 2),
        ([1, "relu_1"], ["linear_1_2", "relu_1_5"], 2),
        (re.compile(r"attn$"), BOTH, 2),
        (lambda o: "attn" in o.modules_exited[0] if o.modules_exited else False, None, 2),
        (pl.col("layer_type") == "relu", RELUS, 2),
        ({"relu_2", 3}, ["linear_2_4", "relu_2_10"], 2),
        ({"a": pl.col("layer_type") == "relu", "b": "blocks.*.attn"}, [*BOTH[:1], RELUS[0], BOTH[1], RELUS[1]], 2),
    ],
    ids=str,
)
def test_only_what_was_asked_for_is_kept_with_its_value(
    layers: Any, saved: list[str] | None, passes: int, model: Blocks
) -> None:
    everything = tl.get_model_activations(model, X)
    PASSES.clear()
    history = tl.get_model_activations(model, X, layers=layers)
    assert len(PASSES) == passes
    assert history.layer_list == everything.layer_list
    if saved is not None:
        assert history.saved_layers == saved
    for label in history.saved_layers:
        assert torch.equal(history[label].tensor_contents, everything[label].tensor_contents)
    assert len(history.tensors) == history.num_tensors_saved


def test_integers_count_all_layers_when_choosing_and_saved_ones_when_indexing(model: Blocks) -> None:
    history = tl.get_model_activations(model, X, layers=[4, 1])
    assert history[0].layer_label == "linear_1_2" and history[1].layer_label == "relu_1_5"


def test_names_of_ones_own_are_keys(model: Blocks) -> None:
    history = tl.get_model_activations(model, X, layers={"first": "blocks.0.attn", "all attention": "blocks.*.attn"})
    assert history["first"] == history["linear_1"]
    assert history["all attention"] == [history["linear_1"], history["linear_3"]]
    with pytest.raises(ValueError, match="choose another name"):
        tl.get_model_activations(model, X, layers={"linear_1": "blocks.1.attn"})


@pytest.mark.parametrize("layers", [None, True, 2.5, nn.Linear, nn.Linear(1, 1), [None], {"a": None}])
def test_what_selects_nothing_is_a_type_error_before_the_model_runs(layers: Any, model: Blocks) -> None:
    with pytest.raises(TypeError, match="layers="):
        tl.get_model_activations(model, X, layers=layers)
    assert not PASSES


@pytest.mark.parametrize(
    ("layers", "told"),
    [("blocks.0.attention", "blocks.0.attn"), ("blocks.*.attention", "blocks"), ("conv_*", "cos_1_3"), (99, "0 to 12"),
     (re.compile("conv"), "no label"), (lambda o: False, "chose none"), (pl.col("layer_type") == "x", "true of none"),
     (["relu_1", "relu_7"], "relu_2_10"), ("blocks", "never called")],
    ids=str,
)  # fmt: skip
def test_what_matches_nothing_is_a_key_error(layers: Any, told: str, model: Blocks) -> None:
    with pytest.raises(KeyError, match=re.escape(told)):
        tl.get_model_activations(model, X, layers=layers)


def test_a_module_called_often_is_kept_at_every_call() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.act = nn.Linear(4, 4), nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.act(x)
            for _ in range(3):
                x = self.act(self.cell(x)) + 1
            return x

    history = tl.get_model_activations(Loop(), X, layers="act")
    assert history.num_tensors_saved == 4
    assert tl.get_model_activations(Loop(), X, layers="act:2").num_tensors_saved == 1
    assert tl.get_model_activations(Loop(), X, layers="linear_1").num_tensors_saved == 3
    assert tl.get_model_activations(Loop(), X, layers="linear_1:3").num_tensors_saved == 1


class Noisy(nn.Module):
    """Draws from every generator there is and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout()
        self.calls = 0
        self.seen: list[float] = []
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.seen.append(random.random() + float(np.random.rand()))
        self.mean += x.mean(0)
        return (self.drop(x) + torch.rand(4) + self.mean) * self.seen[-1] * self.calls


def test_generators_and_the_model_end_as_after_one_forward() -> None:
    def seed_all() -> None:
        torch.manual_seed(7), random.seed(7), np.random.seed(7)

    plain = Noisy().train()
    seed_all()
    expected = plain(X)
    after = (torch.rand(1), random.random(), np.random.rand())
    model = Noisy().train()
    seed_all()
    history = tl.get_model_activations(model, X, layers=-1)
    assert torch.equal(history[0].tensor_contents, expected)
    assert (torch.rand(1), random.random(), np.random.rand()) == after
    assert (model.calls, model.seen) == (1, plain.seen)
    assert not model.mean.any()  # a trace puts buffers back


def test_a_model_that_cannot_be_put_back_is_found_out_and_the_message_says_where() -> None:
    calls: list[int] = []

    class Global(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            y = x.cos()
            return y.sin() if len(calls) % 2 else y.tan()

    with pytest.raises(tl.TraceDivergedError) as caught:
        tl.get_model_activations(Global(), X, layers="cos_1")
    error = caught.value
    assert (error.operation, error.label) == (2, "sin_1_3")
    assert error.call_site is not None and error.call_site.file == __file__
    assert "it ran torch.Tensor.tan instead of torch.Tensor.sin" in str(error) and f"{__file__}:" in str(error)
    tl.get_model_activations(Global(), X, layers="cos_*")


def test_a_number_that_changed_is_found_out_as_well() -> None:
    calls: list[int] = []

    class Counts(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            return x * len(calls)

    with pytest.raises(tl.TraceDivergedError, match="argument 1"):
        tl.get_model_activations(Counts(), X, layers="mul_1")


def test_a_transform_that_fails_names_the_layer(model: Blocks) -> None:
    def fails(value: torch.Tensor) -> torch.Tensor:
        raise ZeroDivisionError("no")

    for layers in ("relu_1", "blocks.0.mlp"):
        with pytest.raises(ZeroDivisionError) as caught:
            tl.get_model_activations(model, X, layers=layers, transform=fails)
        assert "failed on the layer relu_1_5" in " ".join(caught.value.__notes__)
    with pytest.raises(ZeroDivisionError) as caught:
        tl.get_model_activations(model, X, transform=fails)
    assert "failed on the layer input_1_1" in " ".join(caught.value.__notes__)


def test_the_forward_stops_after_the_last_layer_that_is_wanted(model: Blocks) -> None:
    class Never(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise AssertionError("the forward went on")

    structure = tl.get_model_structure(model, X)
    assert structure.is_complete
    for layers in ("blocks.0.attn", ["relu_1", "cos_1"], lambda o: o.layer_label == "relu_1_5"):
        history = tl.get_model_activations(model, X, layers=layers, stop_early=True)
        assert not history.is_complete and "ended early" in repr(history)
        assert history.layer_list == structure.layer_list[: len(history)]
        assert history.layer_list[-1] == history.saved_layers[-1]
        expected = tl.get_model_activations(model, X)[history.saved_layers[-1]]
        assert torch.equal(history[-1].tensor_contents, expected.tensor_contents)
    assert tl.get_model_activations(model, X, stop_early=True).is_complete


def test_a_lazy_model_is_made_first() -> None:
    model = nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.ReLU())
    history = tl.get_model_activations(model, X, layers="relu_1")
    expected = tl.get_model_activations(model, X)["relu_1"].tensor_contents
    assert torch.equal(history["relu_1"].tensor_contents, expected)


@pytest.mark.parametrize("address", ["blocks.0.attn", "blocks.0.mlp", "blocks.0.mlp.1", "blocks.0", "blocks.1"])
def test_an_address_leads_to_its_layer_also_where_the_pass_stopped_there(
    address: str, model: Blocks, tmp_path: Path
) -> None:
    expected = tl.get_model_activations(model, X)[address]
    stopped = tl.get_model_activations(model, X, layers=address, stop_early=True, save_to=tmp_path / "stored")
    for history in (stopped, tl.load(tmp_path / "stored")):
        assert history[address].layer_label == expected.layer_label
        assert torch.equal(history[address].tensor_contents, expected.tensor_contents)


def test_values_that_end_with_a_transform_are_counted_and_say_why_they_are_not_kept() -> None:
    class Doubles(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.vmap(lambda row: row * 2)(x).relu()

    for layers in ("all", "mul_1"):
        history = tl.get_model_activations(Doubles(), X, layers=layers)
        assert "mul_1_2" not in history.saved_layers
        with pytest.raises(KeyError, match="vmap"):
            _ = history["mul_1"].tensor_contents
    history = tl.get_model_activations(Doubles(), X)
    assert [history[place].layer_label for place in range(len(history))] == history.layer_list


def test_a_cache_that_the_first_pass_fills_is_emptied_for_the_second() -> None:
    class Caches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.positions = functools.lru_cache(torch.arange)

        @functools.lru_cache  # noqa: B019 - models do this
        def scale(self, size: int) -> torch.Tensor:
            return torch.ones(size).cumsum(0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x + self.positions(4)) * self.scale(4)

    model = Caches()
    history = tl.get_model_activations(model, X, layers="mul_1")
    assert history.layer_list[1:3] == ["arange_1_2", "add_1_3"]
    assert model.positions.cache_info().currsize == 1
    assert torch.equal(history["mul_1"].tensor_contents, model(X))
