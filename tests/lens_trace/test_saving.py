"""What is kept, in which form, and who is shown it."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import nn

import lens_trace
from tests.lens_trace.models import find, traced

X = torch.arange(6.0) + 1


def test_keep_chooses_what_is_saved() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Sequential(nn.Linear(6, 3), nn.Tanh()))
    trace = lens_trace.trace
    assert list(trace(model, X, keep=lens_trace.nothing).tensors) == []
    assert list(trace(model, X, keep=lens_trace.only([2, 3])).tensors) == [2, 3]
    assert list(trace(model, X, keep=lens_trace.outputs_of(["0", "2"])).tensors) == [1, 4]
    assert list(trace(model, X, keep=lens_trace.outputs_of("")).tensors) == [4, 5]
    chosen = trace(model, X, keep=lambda o: o.function is not None and o.function.name == "linear")
    assert list(chosen.tensors) == [1, 3]
    with pytest.raises(lens_trace.NotSavedError, match="keep"):
        chosen.tensors[2]
    with pytest.raises(lens_trace.SelectionError, match="no module"):
        trace(model, X, keep=lens_trace.outputs_of("2.9"))
    with pytest.raises(lens_trace.SelectionError):
        trace(model, X, keep="all")  # pyright: ignore[reportArgumentType]


def test_stored_copies_can_be_of_another_type() -> None:
    recording = traced(lambda x: (x * 2, x.argmax()), X, dtype=torch.float16)
    assert recording.tensors[1].dtype == torch.float16
    assert recording.tensors[2].dtype == torch.int64


def test_a_sink_sees_every_operation_and_may_stop_the_pass() -> None:
    seen: list[str] = []

    def sink(operation: lens_trace.Operation, arguments: Any, output: torch.Tensor) -> None:
        seen.append(operation.function.name)  # pyright: ignore[reportOptionalMemberAccess]
        assert tuple(output.shape) == operation.output.shape
        if operation.function.name == "relu":  # pyright: ignore[reportOptionalMemberAccess]
            raise lens_trace.StopTrace

    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Tanh())
    recording = lens_trace.trace(model, X, sink=sink)
    assert seen == ["linear", "relu"]
    assert not recording.trace.is_complete
    assert list(recording.tensors) == [0, 1, 2]


def test_a_sink_is_shown_arguments_as_they_were_before_the_call() -> None:
    shown: list[torch.Tensor] = []
    traced(lambda x: (x * 1).add_(5), X, sink=lambda o, arguments, out: shown.append(arguments[0][0].clone()))
    assert torch.equal(shown[1], X)


def test_what_a_sink_was_shown_is_not_held_after_the_call() -> None:
    shown: list[weakref.ref[torch.Tensor]] = []
    alive: list[int] = []

    def sink(operation: lens_trace.Operation, arguments: Any, output: torch.Tensor) -> None:
        alive.append(sum(reference() is not None for reference in shown))
        shown.append(weakref.ref(arguments[0][0]))

    traced(lambda x: (x * 1).add_(5).mul_(2).relu_(), X, sink=sink)
    assert alive == [0, 1, 1, 1]  # the input is the caller's


class _WritesLarge(torch.nn.Module):
    """Writes a large value in place, through itself or through a view, and notes where it lay."""

    def __init__(self, through_view: bool) -> None:
        super().__init__()
        self.through_view = through_view
        self.places: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        with torch._C.DisableTorchFunction():
            self.places.append(torch._C._data_address(y))
        if self.through_view:
            y[: len(y) // 2].mul_(3)
        else:
            y.mul_(3)
        with torch._C.DisableTorchFunction():
            self.places.append(torch._C._data_address(y))
        return y + 1


def test_large_value_gets_its_copy_before_the_write_that_is_seen_coming():
    x = torch.rand(300, 300)
    model = _WritesLarge(through_view=False)
    tensors = lens_trace.trace(model, x).tensors
    assert torch.equal(tensors[1], x * 2) and torch.equal(tensors[2], x * 2 * 3)
    assert model.places[0] == model.places[1]  # the model's memory stayed: the saved value moved


def test_large_value_written_through_a_view_is_exact():
    x = torch.rand(300, 300)
    recording = lens_trace.trace(_WritesLarge(through_view=True), x)
    kept = [recording.tensors[o.id] for o in recording.trace.operations]
    expected = (x * 2).clone()
    assert torch.equal(kept[1], expected) and torch.equal(kept[2], expected[:150])
    assert torch.equal(kept[3], expected[:150] * 3)
    expected[:150] *= 3
    assert torch.equal(kept[4], expected + 1)


def test_values_that_keep_their_graph_stay_as_they_were_though_inputs_and_buffers_are_put_back() -> None:
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean = nn.Buffer(torch.zeros(6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.mean.add_(x)
            x.mul_(2).unsqueeze_(0)
            return x + self.mean

    x = X.clone()
    recording = lens_trace.trace(Writes(), x, detach=False)
    saved = {name: recording.tensors[find(recording, name).id] for name in ("add_", "mul_", "unsqueeze_")}
    assert saved["add_"].tolist() == X.tolist()
    assert saved["mul_"].tolist() == (X * 2).tolist()
    assert saved["unsqueeze_"].tolist() == [(X * 2).tolist()]
    assert x.tolist() == X.tolist()


def test_a_value_that_keeps_its_graph_stays_though_the_tensor_is_given_other_memory() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        y.data = x
        return y + 1

    recording = traced(forward, X.clone(), detach=False)
    assert recording.tensors[find(recording, "mul").id].tolist() == (X * 2).tolist()


def test_a_value_that_keeps_its_graph_keeps_its_shape_though_the_tensor_is_shown_in_another_way() -> None:
    recording = traced(lambda x: (x * 2).unsqueeze_(0) + 1, X.clone().requires_grad_(), detach=False)
    assert recording.tensors[find(recording, "mul").id].shape == (6,)
    assert recording.tensors[find(recording, "unsqueeze_").id].shape == (1, 6)


def test_a_value_that_autograd_cannot_follow_is_saved_without_its_graph() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            x.narrow(0, 0, 1).copy_(x[1:2])
        return x * 2

    recording = traced(forward, X.clone(), detach=False)
    assert recording.tensors[find(recording, "copy_").id].tolist() == [2]
