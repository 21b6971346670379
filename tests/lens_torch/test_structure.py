"""`get_model_structure`: everything but the values."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import lens_torch as tl


def test_structure_is_the_same_as_with_activations() -> None:
    model, x = nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.rand(2, 4)
    structure = tl.get_model_structure(model, x)
    assert structure.layer_list == tl.get_model_activations(model, x).layer_list
    assert structure["linear_1"].tensor_shape == (2, 3)
    assert structure["linear_1"].num_params_total == 15


def test_values_were_not_saved() -> None:
    structure = tl.get_model_structure(nn.ReLU(), torch.rand(2))
    assert structure.num_tensors_saved == 0
    with pytest.raises(KeyError, match="layers="):
        _ = structure["relu_1"].tensor_contents


def test_a_meta_model_needs_no_memory() -> None:
    with torch.device("meta"):
        model = nn.Linear(100_000, 100_000)
    structure = tl.get_model_structure(model, torch.rand(1, 100_000, device="meta"))
    assert structure.total_params_fsize == 40_000_400_000
