"""Dispatch modes of the user's see what the model does, and nothing of the tracer's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import lens_trace


class Logged(TorchDispatchMode):
    """Notes every operation that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


class Runs(torch.nn.Module):
    """Runs a function under a dispatch mode entered in the forward."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function
        self.register_buffer("count", torch.zeros(3))
        self.mode = Logged()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.mode = Logged()
        with self.mode:
            return self.function(x) + self.count.add_(1)


def _in_place(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    y[:2].mul_(3)
    return y.relu_()


def _handed_out(x: torch.Tensor) -> torch.Tensor:
    y = x * 2
    array = y.detach().numpy()
    array[0] = 7
    return y + 1


@pytest.mark.parametrize("function", [_in_place, _handed_out])
@pytest.mark.parametrize("keep", [lens_trace.everything, lens_trace.nothing])
def test_mode_entered_in_the_forward_sees_what_it_sees_plainly(function: Any, keep: Any):
    model, x = Runs(function), torch.tensor([1.0, -2.0, 3.0])
    model(x)
    plain = model.mode.seen
    model.count.zero_()  # pyright: ignore[reportCallIssue]
    recording = lens_trace.trace(model, x, keep=keep)
    assert model.mode.seen == plain
    if keep is lens_trace.everything:
        outputs = [recording.tensors[o.id] for o in recording.trace.operations if o.kind == "output"]
        assert torch.equal(outputs[0], function(x) + 1)
    assert torch.equal(model.count, torch.zeros(3))  # pyright: ignore[reportArgumentType]


def test_mode_around_the_trace_sees_no_copies():
    model, x = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(inplace=True)), torch.rand(2, 3)
    with Logged() as plain:
        model(x)
    with Logged() as traced:
        lens_trace.trace(model, x)
    assert traced.seen == plain.seen


def test_fake_tensors_can_be_made_of_an_input_in_the_forward():
    class Fakes(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with FakeTensorMode() as mode:
                return mode.from_tensor(x) * 2

    trace = lens_trace.trace(Fakes(), torch.rand(3)).trace
    assert trace.operations[-1].kind == "output"
    assert "mul" in [o.function.name for o in trace.operations if o.function is not None]
