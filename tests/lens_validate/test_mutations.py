"""No falsified recording passes, and the failure is named where it was made."""

from __future__ import annotations

import pytest
import torch

from lens_trace import trace
from lens_validate import validate
from tests.lens_validate.mutations import MUTATIONS, forget_a_write_through_a_view, is_named, score
from tests.lens_validate.small_models import Function, small_models

MODELS = small_models()
QUICK = ("views", "several_views", "residual", "several_outputs", "noise", "buffered", "recurrent")
EQUIVALENT = {
    "swap two argument positions",
    "change a constant",
    "refer to another parameter of the shape",
    "redirect an edge, argument and all",
    "another random state",
}
"""Without the model these can give recordings in which every operation still follows from its parents (a + b for b + a,
a flag that the function does not read in this mode, equal weights): see docs/validation.md."""


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("name", QUICK)
def test_every_falsified_recording_is_caught_with_the_model_at_hand(name: str, mutation: str) -> None:
    model, args = MODELS[name]
    found = score(mutation, trace(model, args, seed=1), model, args, most=12)
    assert found.killed == found.made, found.survivors
    assert found.named == found.made, found.survivors


@pytest.mark.parametrize("mutation", sorted(MUTATIONS.keys() - EQUIVALENT))
@pytest.mark.parametrize("name", QUICK)
def test_every_falsified_recording_is_caught_from_the_recording_alone(name: str, mutation: str) -> None:
    model, args = MODELS[name]
    found = score(mutation, trace(model, args, seed=1), None, args, most=12)
    assert found.killed == found.made, found.survivors
    assert found.named == found.made, found.survivors


def test_a_forgotten_write_is_caught_even_when_it_changed_nothing() -> None:
    """`zero_` over zeros: every value replays, only the geometry tells."""

    def function(x: torch.Tensor) -> torch.Tensor:
        y = x * 0
        y[0:2].zero_()
        return y + 1

    recording = trace(Function(function), torch.ones(4, 3))
    assert validate(recording)
    mutants = list(forget_a_write_through_a_view(recording))
    assert mutants
    for mutant in mutants:
        report = validate(mutant.recording)
        assert not report
        assert is_named(mutant, report)


def test_falsified_recurrent_arguments_do_not_crash_the_process() -> None:
    model, args = MODELS["lstm"]
    recording = trace(model, args)
    for mutation in ("change a constant", "swap two argument positions", "refer to another parameter of the shape"):
        score(mutation, recording, None, args)
