"""An untouched recording is valid, a falsified one never is, and what cannot be proven is never called passed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import lens_trace
from lens_validate import NotARecordingError, validate
from tests.lens_validate.mutations import MUTATIONS, score
from tests.lens_validate.small_models import small_models

MODELS = ("perceptron", "training", "residual", "views")
OFFERING = {"another value read": ("decisions",)}
"""Models to add where those offer no place for a mutation."""


@pytest.mark.parametrize("name", sorted(small_models()))
def test_an_untouched_recording_is_valid(name: str) -> None:
    model, args = small_models()[name]
    report = validate(lens_trace.trace(model, args, seed=1), model, args)
    assert report, str(report)
    assert report.counts["passed"] > 0 and report.counts["unverified"] == 0


@pytest.mark.parametrize("mutation", sorted(MUTATIONS))
def test_a_falsified_recording_is_caught_at_the_right_operation(mutation: str) -> None:
    made = 0
    for name in (*MODELS, *OFFERING.get(mutation, ())):
        model, args = small_models()[name]
        found = score(mutation, lens_trace.trace(model, args, seed=1), model, args, most=3)
        assert not found.survivors, (name, found.survivors)
        made += found.made
    assert made, "none of these models offers a place for this mutation"


def test_a_subset_is_unverified_and_not_a_pass() -> None:
    model, x = nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.rand(2, 4)
    report = validate(lens_trace.trace(model, x, keep=lens_trace.only([2])))
    assert not report
    assert report.counts["unverified"] > 0


def test_a_value_written_after_it_was_saved_is_found() -> None:
    model, x = nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.rand(2, 4)
    recording = lens_trace.trace(model, x)
    recording.tensors[1].mul_(2)
    report = validate(recording)
    assert not report
    assert 1 in report.causes


def test_what_is_no_recording_is_refused() -> None:
    with pytest.raises(NotARecordingError):
        validate("recording")  # pyright: ignore[reportArgumentType]
