"""Folders that earlier versions wrote are read as they were meant; `tests/stored` has one for each version."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import lens_torch as tl
from lens_graph import load_history

STORED = Path(__file__).parent.parent / "stored"


def test_there_is_a_folder_for_every_version() -> None:
    from lens_graph._format import VERSION

    assert sorted(p.name for p in STORED.glob("format_*")) == [f"format_{n}" for n in range(1, VERSION + 1)]


def test_version_1_answers_as_when_it_was_written() -> None:
    history = tl.load(STORED / "format_1", check="now")
    assert history.layer_list == ["input_1_1", "linear_1_2", "tanh_1_3", "mul_1_4", "output_1_5"]
    assert history.buffer_layers == ["buffer_1"]
    assert (history.model_name, history.random_seed_used, history.model_max_recurrent_loops) == ("Small", 3, 2)
    assert history.saved_layers == ["input_1_1", "linear_1_2", "output_1_5"]
    assert history.aliases == {"steps": ["linear_1_2:1", "linear_1_2:2"], "out": ["output_1_5"], "x": ["input_1_1"]}
    assert history["linear:2"].layer_label_w_pass == "linear_1_2:2"
    assert history["linear_1:1"].parent_params == ["linear.weight", "linear.bias"]
    assert history.tables.operations.height == 8


def test_version_1_has_the_values_and_gradients_that_it_had() -> None:
    history = tl.load(STORED / "format_1")
    x = torch.tensor([[1.0, 2.0]])
    weight, bias = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([0.5, 0.0])
    first = x @ weight.T + bias
    second = torch.tanh(first) @ weight.T + bias
    assert torch.equal(history["x"].tensor_contents, x)
    torch.testing.assert_close(history["linear_1:1"].tensor_contents, first)
    torch.testing.assert_close(history["steps"].passes[1].tensor_contents, second)
    torch.testing.assert_close(history["out"].tensor_contents, torch.tanh(second) * 2)
    assert torch.equal(history["out"].grad_contents, torch.ones(1, 2))
    torch.testing.assert_close(history["linear_1:2"].grad_contents, 2 * (1 - torch.tanh(second) ** 2))


def test_version_1_is_drawn_without_its_values() -> None:
    structure = load_history(STORED / "format_1")
    assert tl.draw(structure, mode="rolled").source == tl.draw(tl.load(STORED / "format_1"), mode="rolled").source


def test_a_stored_folder_is_never_written_anew() -> None:
    with pytest.raises(tl.ExistingPathError):
        tl.load(STORED / "format_1").save(STORED / "format_1")
