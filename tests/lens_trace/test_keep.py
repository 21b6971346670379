"""Which values are kept, and where a pass may end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from lens_trace import Operation, StopTrace, only, outputs_of, trace

X = torch.linspace(-1, 1, 6).reshape(2, 3)


class Never(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise AssertionError("the forward went on")


class Stops(nn.Module):
    """Ends in a part that may not be reached."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.Sequential(*parts)
        self.never = Never()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.never(self.parts(x))


def test_the_pass_ends_right_after_the_last_wanted_operation() -> None:
    recording = trace(Stops(nn.ReLU(), nn.Tanh()), X, keep=only([1, 2], then_stop=True))
    assert torch.equal(recording.tensors[2], X.relu().tanh())
    assert [o.id for o in recording.trace.operations] == [0, 1, 2]
    assert not recording.trace.is_complete
    assert recording.trace.module_calls[-1].address == "parts.1"


def test_a_call_is_written_down_whole_before_the_pass_ends() -> None:
    class Splits(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.unbind()[0]

    recording = trace(Stops(Splits()), X, keep=only([1], then_stop=True))
    assert [o.output_index for o in recording.trace.operations] == [None, 0, 1]


@pytest.mark.parametrize(
    "part", [nn.Identity(), nn.BatchNorm1d(3).train(), nn.Dropout().train(), nn.Softmax(-1), nn.Hardtanh(inplace=True)]
)
def test_every_kind_of_call_can_be_the_last(part: nn.Module) -> None:
    whole = trace(part, X)
    last = max(o.id for o in whole.trace.operations if o.kind == "call")
    recording = trace(Stops(part), X.clone(), keep=only([last], then_stop=True), seed=0)
    assert recording.tensors[last].shape == X.shape
    assert len(recording.trace.operations) == last + 1


def test_only_inputs_wanted_runs_nothing() -> None:
    recording = trace(Never(), X, keep=only([0], then_stop=True))
    assert torch.equal(recording.tensors[0], X)
    assert len(trace(Never(), X, keep=only([], then_stop=True)).tensors) == 0


def test_an_output_wanted_runs_everything() -> None:
    recording = trace(nn.ReLU(), X, keep=only([2], then_stop=True))
    assert recording.trace.is_complete and torch.equal(recording.tensors[2], X.relu())


def test_a_model_that_swallows_everything_is_stopped_at_the_next_operation() -> None:
    class Swallows(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            try:
                x = x.cos()
            except BaseException:
                x = x * 2
            return x.sin()

    def stop(operation: Operation, *_: object) -> None:
        if operation.id == 1:
            raise StopTrace

    for recording in (trace(Swallows(), X, keep=only([1], then_stop=True)), trace(Swallows(), X, sink=stop)):
        assert not recording.trace.is_complete
        assert len(recording.trace.operations) == 2


def test_what_a_model_clears_away_when_the_pass_ends_runs_and_is_not_recorded() -> None:
    class Clears(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = nn.Linear(3, 3)
            self.held = [torch.ones(3)]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            before = self.held[0].clone()
            try:
                self.held[0] = x[0]
                return self.part(x.cos()) * self.held[0]
            finally:
                self.held[0] = before + self.part(torch.zeros(3)) * 0

    model = Clears()
    wanted = next(o.id for o in trace(model, X).trace.operations if o.function and o.function.name == "cos")
    recording = trace(model, X, keep=only([wanted], then_stop=True))
    assert torch.equal(model.held[0], torch.ones(3))
    assert recording.trace.operations[-1].id == wanted and len(recording.trace.module_calls) == 1


def test_the_end_is_heard_from_a_thread_of_the_model() -> None:
    class Threads(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with ThreadPoolExecutor(1) as pool:
                y = pool.submit(torch.cos, x).result()
            return y + 1

    recording = trace(Stops(Threads()), X, keep=only([1], then_stop=True))
    assert torch.equal(recording.tensors[1], X.cos()) and len(recording.trace.operations) == 2


def test_the_model_is_left_as_it_was_after_an_early_end() -> None:
    norm = nn.BatchNorm1d(3).train()
    before = norm.running_mean.clone()
    stopping = Stops(norm)
    last = max(o.id for o in trace(norm, X).trace.operations if o.kind == "call")
    trace(stopping, X, keep=only([last], then_stop=True))
    assert torch.equal(norm.running_mean, before)
    with pytest.raises(AssertionError, match="went on"):
        stopping(X)


def test_what_modules_return_and_what_a_predicate_accepts_are_kept_in_one_pass() -> None:
    model = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    keep = outputs_of("1", also=lambda o: o.kind == "input" or (o.function is not None and o.function.name == "relu"))
    assert sorted(trace(model, X, keep=keep).tensors) == [0, 1, 2]


def test_a_predicate_is_asked_about_inputs() -> None:
    assert list(trace(nn.ReLU(), X, keep=lambda o: o.kind == "input").tensors) == [0]
