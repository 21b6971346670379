"""`validate_saved_activations`: the paper's plain bool."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import lens_torch as tl


def test_a_feed_forward_model_is_proven_right() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(32, 2))
    assert tl.validate_saved_activations(model, torch.rand(2, 1, 6, 6)) is True


def test_random_layers_are_drawn_again() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(), nn.Linear(8, 2)).train()
    assert tl.validate_saved_activations(model, torch.rand(2, 8), random_seed=0) is True


def test_a_pass_in_which_nothing_could_be_checked_is_no_proof() -> None:
    with pytest.warns(UserWarning, match="nothing|no operation"):
        assert tl.validate_saved_activations(nn.Identity(), torch.rand(2)) is False
