"""A model that changes from one forward to the next is told apart from a recording that is wrong."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from msgspec.structs import replace
from torch import Tensor, nn

from lens_trace import Constant, trace
from lens_validate import validate, validate_while_running
from tests.lens_validate.small_models import Function

X = torch.arange(12.0).view(3, 4) - 5


class Settling(nn.Module):
    """Counts to two and stays there."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * min(self.calls, 2)


class Remembering(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        y = x * 2
        if self.before is not None:
            y = y + self.before
        self.before = y.detach()
        return y


class Warming(nn.Module):
    """Does one thing less at its first forward."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * 2 + 1 if self.calls > 1 else x * 2


class Once(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > 1:
            raise RuntimeError("once only")
        return x * 2


STATEFUL: dict[str, Callable[[], nn.Module]] = {
    "settling": Settling,
    "remembering": Remembering,
    "warming": Warming,
    "once": Once,
    "chance": lambda: Function(lambda x: x * random.random()),
    "lazy": lambda: nn.Sequential(nn.LazyLinear(3), nn.ReLU()),
}


@pytest.mark.parametrize("name", STATEFUL)
def test_a_stateful_model_is_reported_so_and_its_recording_is_valid(name: str) -> None:
    model = STATEFUL[name]()
    report = validate(trace(model, X), model, X)
    assert report, str(report)
    assert report.is_stateful
    assert "stateful: " in str(report)


@pytest.mark.parametrize("name", sorted(STATEFUL.keys() - {"once"}))
def test_the_windowed_mode_checks_what_a_stateful_model_settles_to(name: str) -> None:
    report = validate_while_running(STATEFUL[name](), X)
    assert report, str(report)


def test_an_operation_taken_out_without_a_trace_is_no_state() -> None:
    """Everything is numbered anew, every value follows; only the model knows better, and it shows no state."""
    model = Function(lambda x: (x * 2).contiguous() + 1)
    recording = trace(model, X)
    assert [o.function.name for o in recording.trace.operations if o.function] == ["mul", "contiguous", "add"]
    model.function = lambda x: x * 2 + 1
    shorter = trace(model, X)
    model.function = lambda x: (x * 2).contiguous() + 1
    assert validate(shorter)
    report = validate(shorter, model, X)
    assert not report
    assert not report.is_stateful
    assert 2 in report.causes
    assert "contiguous" in report.operations[2].reason


def test_a_constant_and_all_that_follows_from_it_changed_is_no_state() -> None:
    model = Function(lambda x: (x * 2).sin())
    other = trace(Function(lambda x: (x * 3).sin()), X)
    report = validate(other, model, X)
    assert not report
    assert report.plain_forward.verdict == "failed"
    assert 1 in report.causes


def test_a_wrong_record_is_found_on_a_stateful_model_that_repeats_itself() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return (x > 100) * 1.0 + x

    model = Counting()
    recording = trace(model, X)
    first = recording.trace.operations[1]
    wrong = replace(first, args=(first.args[0], Constant(101)))
    operations = (recording.trace.operations[0], wrong, *recording.trace.operations[2:])
    falsified = recording.replace(trace=replace(recording.trace, operations=operations))
    assert validate(recording, model, X)
    assert validate(falsified, model, X).causes == (1,)


def test_another_recording_of_the_model_is_not_the_one_of_these_inputs() -> None:
    model = nn.Linear(4, 4)
    report = validate(trace(model, X + 1), model, X)
    assert not report
    assert report.operations[0].verdict == "failed"


@pytest.mark.parametrize("grad", [False, True])
def test_the_modes_that_the_model_was_called_in_are_taken_up_again(grad: bool) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    with torch.set_grad_enabled(grad), torch.autocast("cpu", dtype=torch.bfloat16):
        recording = trace(model, X)
    report = validate(recording, model, X)
    assert report, str(report)
    assert report.plain_forward.verdict == report.second_trace.verdict == "passed"
