"""Sources that a pass meets late, after another view of their memory was written, are proven like any other."""

from __future__ import annotations

import torch
from torch import nn

from lens_trace import trace
from lens_validate import validate
from tests.lens_validate.small_models import Function


class Shows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.part = nn.Buffer(self.norm.running_mean[:2])  # pyright: ignore[reportOptionalSubscript]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.norm(x)).sum() + self.part * 2


def test_a_buffer_met_after_its_memory_was_written_is_proven() -> None:
    model, x = Shows().train(), torch.rand(4, 3)
    report = validate(trace(model, x), model, x)
    assert report.is_valid, report
    assert report.counts["unverified"] == 0


def test_a_constant_met_after_its_memory_was_written_is_proven() -> None:
    table = torch.ones(6)
    half = table[:3]

    def forward(x: torch.Tensor) -> torch.Tensor:
        half.copy_(x[:3])
        return table * 2

    report = validate(trace(Function(forward), torch.rand(6)))
    assert report.is_valid, report
