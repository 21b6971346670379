"""Models that do odd things validate, by both modes alike, and their falsified recordings do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.masked import masked_tensor

import lens_trace
from lens_validate import validate, validate_while_running
from tests.lens_validate.mutations import (
    change_an_element,
    drop_an_edge,
    is_named,
    redirect_an_edge,
    remove_an_operation,
)
from tests.lens_validate.odd_models import odd_models
from tests.lens_validate.small_models import Function

ODD = odd_models()
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{what}")
    for what in (
        "The PyTorch API of nested tensors is in prototype stage",
        "torch.quantize_per_tensor, torch.quantize_per_channel",
        "`torch.jit.script` is deprecated",
    )
]


@pytest.mark.parametrize("follows_gradients", [False, True])
@pytest.mark.parametrize("name", ODD)
def test_an_odd_model_validates_by_both_modes_alike(name: str, follows_gradients: bool) -> None:
    model, x = ODD[name]
    with torch.set_grad_enabled(follows_gradients):
        full = validate(lens_trace.trace(model, (x,), seed=1), model, (x,))
        windowed = validate_while_running(model, (x,), seed=1)
    assert full, str(full)
    assert windowed, str(windowed)
    assert [entry.verdict for entry in full.operations] == [entry.verdict for entry in windowed.operations]


@pytest.mark.parametrize("name", ODD)
def test_a_falsified_recording_of_an_odd_model_is_caught(name: str) -> None:
    model, x = ODD[name]
    for mutation in (drop_an_edge, redirect_an_edge, remove_an_operation):
        for mutant in [*mutation(lens_trace.trace(model, (x,), seed=1))][:3]:
            report = validate(mutant.recording, model, (x,))
            assert not report, mutant
            assert is_named(mutant, report), mutant


@pytest.mark.parametrize("transform", ["jvp", "jacfwd"])
def test_what_a_level_of_forward_differentiation_held_is_unverified(transform: str) -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if transform == "jvp":
                return torch.func.jvp(torch.sin, (x,), (torch.ones_like(x),))[1]
            return torch.func.jacfwd(lambda row: row.sin().sum(0))(x)

    x = torch.randn(3, 5)
    for report in (validate(lens_trace.trace(Model(), x), Model(), x), validate_while_running(Model(), x)):
        assert not report
        assert report.counts["failed"] == 0 and report.counts["unverified"] > 0


@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors is in prototype stage")
@pytest.mark.parametrize("has_model", [False, True])
def test_values_of_a_class_that_cannot_be_compared_are_unverified(has_model: bool) -> None:
    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (masked_tensor(x, x > 0) * 2).to_tensor(0.0).sum()

    model, x = Model(), torch.linspace(-1, 1, 6)
    reports = [validate(lens_trace.trace(model, x), *([model, x] if has_model else []))]
    for report in [*reports, validate_while_running(model, x)]:
        assert not report
        assert report.counts["failed"] == 0, str(report)
        assert any("MaskedTensor" in entry.reason for entry in report.having("unverified")), str(report)


def _write_windows(x: torch.Tensor) -> torch.Tensor:
    windows = x.unfold(0, 3, 1)
    windows.data.mul_(2)
    return windows.sum() + x


def _write_parts(x: torch.Tensor) -> torch.Tensor:
    torch._foreach_add_([x[0:3], x[1:4]], 2)  # pyright: ignore[reportPrivateUsage] - nothing public writes lists
    return x + 1


@pytest.mark.parametrize("function", [_write_windows, _write_parts])
def test_a_write_into_shared_elements_of_the_callers_memory_is_not_failed(
    function: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    model, x = Function(function), torch.linspace(1, 2, 6)
    for report in (
        validate(lens_trace.trace(model, x)),
        validate(lens_trace.trace(model, x), model, x),
        validate_while_running(model, x),
    ):
        assert report.counts["failed"] == 0, str(report)
    alone = validate(lens_trace.trace(model, x))
    assert {entry.reason for entry in alone.having("unverified")} == {
        "how its arguments lay in the caller's memory is not on record"
    }


def test_a_tampered_write_into_shared_elements_is_found() -> None:
    model, x = Function(_write_windows), torch.linspace(1, 2, 6)
    for mutant in change_an_element(lens_trace.trace(model, x)):
        report = validate(mutant.recording, model, x)
        assert not report, mutant
        assert is_named(mutant, report), mutant
