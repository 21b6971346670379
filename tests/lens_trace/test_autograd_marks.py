"""Flags, gradients and autograd's nodes on parameters, buffers and inputs end as they were before the pass."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import lens_trace


class Changes(nn.Module):
    """Does to its own tensors what a test says."""

    def __init__(self, change: Callable[[Any, torch.Tensor, torch.Tensor], object]) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.register_buffer("average", torch.zeros(3))
        self.change = change
        self.made: Any = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.linear(x)
        self.made = weakref.ref(h)
        self.change(self, x, h)
        return h * 2


def update_average(model: Any, x: torch.Tensor, h: torch.Tensor) -> None:
    model.average.mul_(0.9).add_(h.mean(0))


def flag_average(model: Any, x: torch.Tensor, h: torch.Tensor) -> None:
    model.average.requires_grad_()


def set_flag_of_average(model: Any, x: torch.Tensor, h: torch.Tensor) -> None:
    model.average.requires_grad = True


def write_input(model: Any, x: torch.Tensor, h: torch.Tensor) -> None:
    x.add_(h)


def swap_average_and_bias(model: Any, x: torch.Tensor, h: torch.Tensor) -> None:
    torch.utils.swap_tensors(model.average, model.linear.bias)


def run_backward(model: Any, x: torch.Tensor, h: torch.Tensor) -> None:
    h.sum().backward(retain_graph=True)


def run_backward_of_several(model: Any, x: torch.Tensor, h: torch.Tensor) -> None:
    x.requires_grad_()
    torch.autograd.backward([model.linear(x).sum(), h.sum()], retain_graph=True)


def clear_gradients(model: Any, x: torch.Tensor, h: torch.Tensor) -> None:
    model.zero_grad()
    h.exp().sum().backward(retain_graph=True)


def assign_gradient(model: Any, x: torch.Tensor, h: torch.Tensor) -> None:
    model.linear.bias.grad = torch.ones(3)


CHANGES = [
    update_average, flag_average, set_flag_of_average, write_input, swap_average_and_bias, run_backward,
    run_backward_of_several, clear_gradients, assign_gradient,
]  # fmt: skip


def marks(model: nn.Module, x: torch.Tensor) -> dict[str, Any]:
    tensors = {"x": x, **dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        name: (
            id(tensor), tensor.tolist(), tensor.requires_grad, tensor.is_leaf,
            None if tensor.grad is None else (id(tensor.grad), tensor.grad.tolist()),
        )
        for name, tensor in tensors.items()
    }  # fmt: skip


def trace(model: nn.Module, x: torch.Tensor) -> object:
    return lens_trace.trace(model, x)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
@pytest.mark.parametrize("had_gradients", [False, True], ids=["without gradients", "with gradients"])
@pytest.mark.parametrize("run", [trace, lens_trace.run_plain], ids=["trace", "plain"])
@pytest.mark.parametrize("change", CHANGES)
def test_marks_end_as_they_were(change: Any, run: Callable[..., object], *, had_gradients: bool) -> None:
    model, x = Changes(change), torch.ones(2, 3)
    if had_gradients:
        model.linear(torch.randn(2, 3)).sin().sum().backward()
    before = marks(model, x)
    changed, fresh = Changes(change), x.clone()
    changed.load_state_dict(model.state_dict())
    changed(fresh)
    assert {k: v[1:] for k, v in marks(changed, fresh).items()} != {k: v[1:] for k, v in before.items()}
    result = run(model, x)
    assert marks(model, x) == before
    assert result is not None


@pytest.mark.parametrize("change", [update_average, write_input])
def test_what_a_pass_wrote_does_not_keep_its_graph_alive(change: Any) -> None:
    model, x = Changes(change), torch.ones(2, 3)
    lens_trace.trace(model, x, keep=lens_trace.nothing)
    gc.collect()
    assert model.made() is None


def test_gradients_can_be_taken_through_a_graph_that_is_kept() -> None:
    model, x = Changes(run_backward), torch.ones(2, 3)
    recording = lens_trace.trace(model, x, detach=False)
    assert model.linear.bias.grad is None
    recording.tensors[recording.trace.outputs[0]].sum().backward()
    assert torch.equal(model.linear.bias.grad, torch.full((3,), 4.0))  # type: ignore[arg-type]


def test_a_result_given_as_input_stays_one() -> None:
    start = torch.ones(2, 3, requires_grad=True)
    x = start * 2
    model = Changes(run_backward)
    node = x.grad_fn
    lens_trace.trace(model, x)
    assert x.grad_fn is node
