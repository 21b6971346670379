"""On a CUDA device: chosen forms, files, gradients, selections in two passes, times, validation.

Skipped where there is no device.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lens_torch as tl
from lens_graph import build_history
from lens_trace import nothing, trace

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
DEVICE = "cuda"


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4 * 36, 5)).to(DEVICE).train()


@pytest.fixture
def x() -> Tensor:
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)).to(DEVICE)


def contents(history: tl.ModelHistory) -> dict[str, Tensor]:
    return {layer.layer_label: layer.tensor_contents for layer in history if layer.is_saved}


def test_activations_in_the_form_that_is_asked_for(model: nn.Module, x: Tensor) -> None:
    full = contents(tl.get_model_activations(model, x, random_seed=1))
    assert {value.device.type for value in full.values()} == {DEVICE}
    half = contents(tl.get_model_activations(model, x, random_seed=1, device="cpu", dtype=torch.float16))
    assert all(torch.equal(half[name], value.half().cpu()) for name, value in full.items())
    means = contents(tl.get_model_activations(model, x, random_seed=1, transform=lambda value: value.float().mean()))
    assert all(torch.equal(means[name], value.float().mean()) for name, value in full.items())


def test_layers_chosen_by_label_are_kept_in_a_second_pass_that_draws_the_same(model: nn.Module, x: Tensor) -> None:
    torch.manual_seed(3)
    state = torch.cuda.get_rng_state()
    plain = copy.deepcopy(model)(x)
    after = torch.cuda.get_rng_state()
    torch.cuda.set_rng_state(state)
    history = tl.get_model_activations(model, x, layers=["dropout_1", "linear_1"])
    assert torch.equal(history["linear_1"].tensor_contents, plain)
    assert torch.equal(torch.cuda.get_rng_state(), after)
    early = tl.get_model_activations(model, x, layers="relu_1", stop_early=True)
    assert torch.equal(early["relu_1"].tensor_contents, plain_relu(model, x))


def plain_relu(model: nn.Module, x: Tensor) -> Tensor:
    return copy.deepcopy(model)[:3](x)  # pyright: ignore[reportIndexIssue] - a Sequential


def test_values_are_streamed_stored_and_loaded_where_wanted(model: nn.Module, x: Tensor, tmp_path: Path) -> None:
    full = tl.get_model_activations(model, x, random_seed=1)
    values = contents(full)
    streamed = tl.get_model_activations(model, x, random_seed=1, save_to=tmp_path / "streamed")
    full.save(tmp_path / "saved")
    for history in (streamed, tl.load(tmp_path / "streamed"), tl.load(tmp_path / "saved")):
        assert all(torch.equal(value, values[name].cpu()) for name, value in contents(history).items())
        assert contents(history).keys() == values.keys()
    there = tl.load(tmp_path / "saved", device=DEVICE)
    assert all(torch.equal(value, values[name]) for name, value in contents(there).items())
    assert there["relu_1"].tensor_device == "cuda:0"
    with torch.device(DEVICE):
        assert torch.equal(tl.load(tmp_path / "saved")["relu_1"].tensor_contents, full["relu_1"].tensor_contents.cpu())


def test_values_on_their_way_into_pinned_memory_are_streamed_when_they_are_there(tmp_path: Path) -> None:
    large = torch.rand(2048, 2048, device=DEVICE)

    class Leaves(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            for _ in range(40):
                x = x @ large * 1e-3
            return x.to("cpu", non_blocking=True), x

    history = tl.get_model_activations(Leaves(), large, layers=["to_1", "output_2"], save_to=tmp_path / "there")
    assert torch.equal(history["to_1"].tensor_contents, history["output_2"].tensor_contents)


def test_gradients_are_those_that_autograd_gives(model: nn.Module, x: Tensor) -> None:
    model.eval()
    x.requires_grad_()
    history = tl.get_model_activations(model, x, save_gradients=True)
    history.output_tensors[0].square().sum().backward()
    twin = x.detach().clone().requires_grad_()
    plain = model[:2](twin)  # pyright: ignore[reportIndexIssue] - a Sequential
    plain.retain_grad()
    model[3:](plain.relu()).square().sum().backward()  # pyright: ignore[reportIndexIssue]
    torch.testing.assert_close(history["batchnorm_1"].grad_contents, plain.grad)
    torch.testing.assert_close(history["input_1"].grad_contents, twin.grad)
    assert history["batchnorm_1"].grad_contents.device.type == DEVICE


def test_mixed_precision_training_with_a_scaler(model: nn.Module, x: Tensor) -> None:
    scaler: Any = torch.amp.GradScaler("cuda")
    with torch.autocast("cuda"):
        history = tl.get_model_activations(model, x, save_gradients=True)
        loss = history.output_tensors[0].float().square().mean()
    scaler.scale(loss).backward()
    assert all(p.grad is not None for p in model.parameters())
    assert history["conv2d_1"].tensor_dtype == "float16"
    assert history["conv2d_1"].grad_contents.dtype == torch.float16


def test_tables_know_the_device(model: nn.Module, x: Tensor) -> None:
    structure = tl.get_model_structure(model, x)
    assert structure.tables.operations["tensor_device"].unique().to_list() == ["cuda:0"]


def test_times_are_those_of_the_device_on_request() -> None:
    model, x = nn.Linear(8192, 8192, device=DEVICE), torch.rand(8192, 8192, device=DEVICE)
    with torch.no_grad():
        tl.get_model_structure(model, x)
        torch.cuda.synchronize()
        host = tl.get_model_structure(model, x)["linear_1"].func_time_elapsed
        waiting = trace(model, x, keep=nothing, synchronize=torch.cuda.synchronize)
    assert build_history(waiting.trace)["linear_1"].func_time_elapsed > 3 * host


def test_validation_passes(model: nn.Module, x: Tensor) -> None:
    assert tl.validate_saved_activations(model, x)
    assert tl.validate_saved_activations(model.eval(), x)
