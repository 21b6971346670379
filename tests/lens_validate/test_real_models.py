"""Small models that do what a real one did when validation was wrong about it: each stands for a find of the zoo."""

from __future__ import annotations

from typing import Any

import torch

import lens_trace
from lens_validate import ValidationReport, validate


class _Function(torch.nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: torch.Tensor) -> torch.Tensor:
        return self.function(*args)


def _report(function: Any, *args: torch.Tensor) -> ValidationReport:
    model = _Function(function)
    return validate(lens_trace.trace(model, args, seed=0), model, args)


def test_a_whole_number_that_another_dominates_is_shown_by_greater_ones() -> None:
    # Lengths after a convolution, never below zero: torchaudio's wav2vec2.
    def lengths(given: torch.Tensor) -> torch.Tensor:
        left = torch.div(given - 10, 5, rounding_mode="floor") + 1
        return torch.max(torch.zeros_like(left), left)

    report = _report(lengths, torch.tensor([1600, 1200]))
    assert report, str(report)
    assert report.counts["exempt"] <= 1


def test_a_target_that_a_reduction_does_not_take_in_is_overwritten() -> None:
    # The greatest message at each node: torch-geometric's aggregations.
    def greatest(messages: torch.Tensor) -> torch.Tensor:
        nodes = torch.tensor([0, 1, 1, 2])[:, None].expand_as(messages)
        return messages.new_zeros(3, 2).scatter_reduce_(0, nodes, messages, "amax", include_self=False)

    report = _report(greatest, torch.randn(4, 2))
    assert report, str(report)
    reasons = [edge.reason for entry in report.operations for edge in entry.edges if entry.name == "scatter_reduce_"]
    assert "fully overwritten" in reasons


def test_a_target_that_a_reduction_leaves_a_part_of_matters() -> None:
    def greatest(messages: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        nodes = torch.tensor([0, 1, 1, 1])[:, None].expand_as(messages)
        return (before * 1).scatter_reduce(0, nodes, messages, "amax", include_self=False)

    report = _report(greatest, torch.randn(4, 2), torch.randn(3, 2))
    assert report, str(report)
    edges = [edge.verdict for entry in report.operations for edge in entry.edges if entry.name == "scatter_reduce"]
    assert set(edges) == {"passed"}
