"""Records that contradict each other or what is alive are found without running anything."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from msgspec.structs import replace
from torch import nn

from lens_trace import Geometry, Recording, TensorRef, trace
from lens_validate import validate, validate_while_running
from tests.lens_validate.falsified_fields import falsified
from tests.lens_validate.small_models import Function, small_models

X = torch.randn(3, 4)
UNSEEN = {"Trace.seed"}
"""A seed matters only where something is random."""


def changed(recording: Recording, place: int, **fields: Any) -> Recording:
    operations = list(recording.trace.operations)
    operations[place] = replace(operations[place], **fields)
    return recording.replace(trace=replace(recording.trace, operations=tuple(operations)))


@pytest.mark.parametrize("name", ["buffered", "decisions", "several_outputs"])
def test_a_falsified_field_of_any_record_is_found_with_the_model_at_hand(name: str) -> None:
    model, args = small_models()[name]
    recording = trace(model, args, seed=1)
    tried = 0
    for field, where, falsification in falsified(recording.trace, most=1):
        report = validate(recording.replace(trace=falsification), model, args)
        if field.startswith("Operation.user_call_site") or field in UNSEEN:
            continue
        tried += 1
        assert not report, field
        assert where is None or where in report.causes or report.operations[where].verdict == "failed", field
    assert tried > 100


@pytest.mark.parametrize("model", [nn.Identity(), Function(lambda x: x + 1)])
def test_a_model_that_did_something_is_proven(model: nn.Module) -> None:
    assert validate(trace(model, X), model, X)


@pytest.mark.parametrize("result", [None, 3, "text"])
def test_a_model_that_returns_no_tensor_and_does_nothing_proves_nothing(result: Any) -> None:
    model = Function(lambda x: result)
    assert not validate(trace(model, X), model, X)
    assert not validate_while_running(model, X)


def test_uninitialised_memory_alone_proves_nothing() -> None:
    model = Function(torch.empty_like)
    report = validate(trace(model, X))
    assert not report
    assert report.counts["failed"] == report.counts["unverified"] == 0


def test_a_malformed_record_is_named_and_raises_nothing() -> None:
    recording = trace(Function(lambda x: x.sin() + 1), X)
    for fields in ({"function": 3}, {"kind": "event"}, {"args": None}, {"context": "none"}, {"parents": (1,)}):
        report = validate(changed(recording, 1, **fields))
        assert not report
        assert report.causes == (1,)
        assert "malformed" in report.operations[1].reason


def test_memory_that_cannot_be_as_recorded_is_named() -> None:
    recording = trace(Function(lambda x: x.sin() + 1), X)
    for geometry in (
        Geometry((3, 4), (4,), 0, "float32"),
        Geometry((3, 4), (4, -1), 0, "float32"),
        Geometry((), (), 0, "float"),
    ):
        reference = TensorRef(recording.trace.operations[1].id, geometry=geometry)
        report = validate(changed(recording, 2, args=(reference, recording.trace.operations[2].args[1])))
        assert not report
        assert report.causes == (2,)


def test_a_thread_on_record_does_not_spare_the_second_trace() -> None:
    model = Function(lambda x: x.sin() + 1)
    recording = trace(model, X)
    report = validate(changed(recording, 1, thread=1), model, X)
    assert not report
    assert report.causes == (1,)


def test_what_is_alive_and_belongs_to_nothing_is_a_finding() -> None:
    recording = trace(Function(lambda x: x.sin() + 1), X)
    extra = {**recording.functions, 9: torch.sin}
    assert "call 9" in validate(recording.replace(functions=extra)).findings[0]


def test_a_view_of_another_tensor_with_the_same_values_is_found() -> None:
    """`z` is a view of `y`, not of `x`, though both hold the same."""
    recording = trace(Function(lambda x: (x * 1)[0:2] + 1), X)
    getitem = recording.trace.operations[2]
    reference = TensorRef(recording.trace.operations[0].id)
    parents = tuple(replace(parent, operation=reference.operation) for parent in getitem.parents)
    report = validate(changed(recording, 2, args=(reference, getitem.args[1]), parents=parents))
    assert not report
    assert report.causes == (2,)
    assert "memory" in report.operations[2].reason


def test_a_constant_that_the_model_holds_is_held_against_a_second_trace() -> None:
    class Scaling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.tensor([1.0, 2.0, 3.0, 4.0])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 0 * self.scale

    model = Scaling()
    recording = trace(model, X)
    place = next(o.id for o in recording.trace.operations if o.kind == "constant")
    wrong = recording.replace(tensors=recording.tensors.replace({place: recording.tensors[place] + 1}))
    assert validate(wrong)  # multiplied by zero: from the recording alone nobody can tell
    assert validate(wrong, model, X).causes == (place,)
