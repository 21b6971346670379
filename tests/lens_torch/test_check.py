"""`validate_saved_activations`: the paper's plain bool."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import lens_torch as tl
from lens_trace import OperationId, Recording, trace
from lens_validate import ValidationWarning


def test_a_feed_forward_model_is_proven_right() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(32, 2))
    assert tl.validate_saved_activations(model, torch.rand(2, 1, 6, 6)) is True


def test_random_layers_are_drawn_again() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(), nn.Linear(8, 2)).train()
    assert tl.validate_saved_activations(model, torch.rand(2, 8), random_seed=0) is True


def test_a_tampered_value_is_named_by_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    def tampering(*args: Any, **options: Any) -> Recording:
        recording = trace(*args, **options)
        return recording.replace(tensors={**recording.tensors, OperationId(1): recording.tensors[OperationId(1)] + 1})

    monkeypatch.setattr("lens_torch._proving.trace", tampering)
    with pytest.warns(ValidationWarning, match=r"Sequential are not proven right. linear_1_2"):
        assert tl.validate_saved_activations(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.rand(2, 4)) is False


def test_model_and_generators_are_left_as_they_were() -> None:
    model, x = nn.Linear(4, 3), torch.rand(2, 4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    assert tl.validate_saved_activations(model, x)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
