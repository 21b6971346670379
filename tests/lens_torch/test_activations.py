"""`get_model_activations`: the main job, on models whose values can be computed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import lens_torch as tl


class Residual(nn.Module):
    """An operation without a module, a module, and a sum of two paths."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(torch.cos(x)) + x


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return Residual()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.linspace(-1, 1, 8).reshape(2, 4)


def test_every_operation_is_there_with_its_value(model: Residual, x: torch.Tensor) -> None:
    history = tl.get_model_activations(model, x)
    assert history.layer_list == ["input_1_1", "cos_1_2", "linear_1_3", "relu_1_4", "add_1_5", "output_1_6"]
    linear = torch.nn.functional.linear(x.cos(), model.block[0].weight, model.block[0].bias)
    expected = [x, x.cos(), linear, linear.relu(), linear.relu() + x, model(x)]
    for label, value in zip(history.layer_list, expected, strict=True):
        assert torch.equal(history[label].tensor_contents, value), label


def test_a_layer_answers_to_all_its_names(model: Residual, x: torch.Tensor) -> None:
    history = tl.get_model_activations(model, x)
    for key in ["relu_1_4", "relu_1", "relu_1_4:1", "relu_1:1", "block", "block.1", "block.1:1", 3, -3]:
        assert history[key].layer_label == "relu_1_4", key


def test_a_layer_that_is_missing_is_a_key_error_with_the_nearest_names(model: Residual, x: torch.Tensor) -> None:
    with pytest.raises(KeyError, match="relu_1"):
        tl.get_model_activations(model, x)["relu_2"]


@pytest.mark.parametrize("layers", ["relu_1", ["relu_1"], ["block.1"], [3], ["relu_1_4:1", "block"]])
def test_only_the_layers_asked_for_are_kept(layers: object, model: Residual, x: torch.Tensor) -> None:
    history = tl.get_model_activations(model, x, layers=layers)
    assert torch.equal(history["relu_1"].tensor_contents, model.block(x.cos()))
    assert history.num_tensors_saved == 1
    with pytest.raises(KeyError, match="layers="):
        _ = history["cos_1"].tensor_contents


def test_no_layers_keep_nothing(model: Residual, x: torch.Tensor) -> None:
    assert tl.get_model_activations(model, x, layers="none").num_tensors_saved == 0
    assert tl.get_model_activations(model, x, layers=[]).num_tensors_saved == 0


def test_an_unknown_layer_is_an_error_before_anything_is_kept(model: Residual, x: torch.Tensor) -> None:
    with pytest.raises(KeyError, match="conv2d_1"):
        tl.get_model_activations(model, x, layers=["conv2d_1"])


def test_both_passes_of_a_selection_draw_the_same_numbers() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Linear(64, 64)).train()
    x = torch.ones(1, 64)
    torch.manual_seed(7)
    plain = model(x)
    after = torch.rand(1)
    torch.manual_seed(7)
    history = tl.get_model_activations(model, x, layers=["linear_1"])
    assert torch.equal(history["linear_1"].tensor_contents, plain.detach())
    assert torch.equal(torch.rand(1), after)


def test_a_seed_repeats_the_pass_and_leaves_the_generator_alone() -> None:
    model, x = nn.Dropout(), torch.ones(64)
    before = torch.get_rng_state()
    first = tl.get_model_activations(model, x, random_seed=3)["dropout_1"].tensor_contents
    second = tl.get_model_activations(model, x, random_seed=3)["dropout_1"].tensor_contents
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_stored_form_can_be_chosen(model: Residual, x: torch.Tensor) -> None:
    history = tl.get_model_activations(model, x, dtype=torch.float64)
    assert history["relu_1"].tensor_contents.dtype == torch.float64
    attached = tl.get_model_activations(model, x, detach=False)["relu_1"].tensor_contents
    assert attached.requires_grad
    assert not tl.get_model_activations(model, x)["relu_1"].tensor_contents.requires_grad


def test_a_transform_comes_before_the_dtype(model: Residual, x: torch.Tensor) -> None:
    history = tl.get_model_activations(model, x, transform=lambda t: t.mean(0), dtype=torch.float64)
    assert torch.equal(history["cos_1"].tensor_contents, x.cos().mean(0).double())


def test_a_drawing_is_written_beside(model: Residual, x: torch.Tensor, tmp_path: Path) -> None:
    tl.get_model_activations(model, x, vis_opt="unrolled", vis_outpath=tmp_path / "a" / "model.svg")
    assert "relu_1_4" in (tmp_path / "a" / "model.svg").read_text()


@pytest.mark.parametrize(
    "options", [{"vis_opt": "unrolled"}, {"vis_opt": "spiral", "vis_outpath": "x.svg"}, {"vis_outpath": "x.svg"}]
)
def test_drawing_options_that_do_not_fit_are_refused_before_the_pass(options: dict[str, str]) -> None:
    class Fails(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise AssertionError("the model ran")

    with pytest.raises(ValueError, match="vis_"):
        tl.get_model_activations(Fails(), torch.ones(1), **options)  # type: ignore[arg-type]


def test_several_arguments_and_keywords() -> None:
    class Sum(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor, *, scale: torch.Tensor) -> torch.Tensor:
            return a + b * scale

    one = torch.ones(2)
    history = tl.get_model_activations(Sum(), (one, 2 * one), {"scale": 3 * one})
    assert history["output_1"].tensor_contents.tolist() == [7, 7]
    assert len(history.input_layers) == 3


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"torch\.nn\.Module"):
        tl.get_model_activations(3, torch.ones(1))  # type: ignore[arg-type]


def test_an_error_of_the_model_keeps_its_type_and_names_the_module(model: Residual) -> None:
    with pytest.raises(RuntimeError) as caught:
        tl.get_model_activations(model, torch.ones(2, 5))
    assert "block.0" in " ".join(caught.value.__notes__)
