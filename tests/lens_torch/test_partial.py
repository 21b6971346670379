"""What ran before a failure is a history."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import lens_torch as tl


def _failure() -> RuntimeError:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(5, 2))
    with pytest.raises(RuntimeError) as caught:
        tl.get_model_activations(model, torch.ones(2, 4))
    return caught.value


def test_what_ran_before_a_failure_has_labels_and_values() -> None:
    history = tl.partial_history(_failure())
    assert history.layer_list == ["input_1_1", "linear_1_2", "relu_1_3"]
    assert torch.equal(history["1"].tensor_contents, history["0"].tensor_contents.relu())
    assert history.output_layers == []
    assert "ended early" in str(history)


def test_what_ran_before_a_failure_can_be_drawn_and_saved(tmp_path: Path) -> None:
    history = tl.partial_history(_failure())
    assert "relu_1_3" in tl.draw(history).source
    history.save(tmp_path / "stored")
    assert tl.load(tmp_path / "stored").layer_list == history.layer_list


def test_an_exception_from_elsewhere_is_refused() -> None:
    with pytest.raises(ValueError, match="KeyError carries no recording"):
        tl.partial_history(KeyError("x"))
