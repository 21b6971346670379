"""The README's main job, with the labels that the paper's Figure 1 would give."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import lens_torch as tl

models = pytest.importorskip("torchvision.models", reason="torchvision is in the dependency group `models`")


@pytest.fixture(scope="module")
def history() -> tl.ModelHistory:
    return tl.get_model_activations(models.AlexNet(), torch.rand(6, 3, 224, 224))


@pytest.mark.parametrize("key", ["conv2d_3_8", "conv2d_3", "features.6", 7, -17])
def test_the_third_convolution_answers_to_its_names(key: str | int, history: tl.ModelHistory) -> None:
    assert history[key].layer_label == "conv2d_3_8"
    assert history[key].tensor_contents.shape == (6, 384, 13, 13)


def test_the_summary_is_printed(history: tl.ModelHistory) -> None:
    assert "AlexNet" in str(history)
    assert "61,100,840" in str(history) or "61.1" in str(history)


def test_totals(history: tl.ModelHistory) -> None:
    assert len(history) == len(history.layer_list) == 24
    assert history.total_params == 61_100_840
    assert history.total_param_tensors == 16
    assert history.total_param_layers == 8
    assert not history.model_is_recurrent
    assert not history.model_is_branching


def test_higher_modules_are_their_last_layer(history: tl.ModelHistory) -> None:
    assert history["features"].layer_label == history["features.12"].layer_label == "maxpool2d_3_14"


def test_the_drawing_shows_modules_and_colours(history: tl.ModelHistory, tmp_path: Path) -> None:
    picture = tl.draw(history)
    tl.write(picture, tmp_path / "alexnet.svg")
    svg = (tmp_path / "alexnet.svg").read_text()
    for text in ("AlexNet", "conv2d_3_8", "features", "classifier", "Sequential", "6x384x13x13"):
        assert text in svg, text
    assert picture.source.count("->") == 23


def test_everything_saved_is_proven_right() -> None:
    assert tl.validate_saved_activations(models.alexnet().eval(), torch.rand(1, 3, 64, 64), random_seed=1)
