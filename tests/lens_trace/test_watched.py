"""A store takes values as they are made, a watch sees the tensors that autograd knows, and a backward is right."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import lens_trace

from .models import Calls


class Shelf:
    """A store that copies what it is given."""

    def __init__(self) -> None:
        self.values: dict[Any, torch.Tensor] = {}

    def put(self, key: Any, tensor: torch.Tensor) -> None:
        self.values[key] = tensor.clone()


class Notebook:
    """A watch that remembers everything."""

    def __init__(self) -> None:
        self.made_by: dict[int, torch.Tensor] = {}
        self.written_by: list[int] = []
        self.outputs: list[torch.Tensor] = []

    def made(self, operation: int, tensor: torch.Tensor, storage: int | None, *, is_outside: bool) -> None:
        self.made_by[operation] = tensor

    def written(self, operation: int, tensor: torch.Tensor, storage: int | None) -> None:
        self.written_by.append(operation)

    def returned(self, operation: int, tensor: torch.Tensor) -> None:
        self.outputs.append(tensor)


class Writer(nn.Module):
    """Writes its input and its buffer in place, and needs both for the gradient of its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("h", torch.ones(3))
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.h.mul_(5)
        return (self.h * self.weight).sum() + (x.mul_(2) * self.weight).sum()


def _busy(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    y = x * 2
    view = y[0]
    view.zero_()
    first, second = y.split(1)
    total = first + second
    y.add_(1)
    return total, y[1], y.relu_()


@pytest.mark.parametrize(
    "options",
    [{}, {"dtype": torch.float64}, {"transform": torch.flatten}],
    ids=["as they are", "converted", "transformed"],
)
def test_a_store_gets_what_would_have_been_kept(options: dict[str, Any]) -> None:
    x = torch.randn(2, 3)
    shelf = Shelf()
    held = lens_trace.trace(Calls(_busy), x, **options)
    streamed = lens_trace.trace(Calls(_busy), x, store=shelf, **options)
    assert len(streamed.tensors) == 0
    assert list(shelf.values) == list(held.tensors)
    for key, value in held.tensors.items():
        assert value.dtype == shelf.values[key].dtype
        assert torch.equal(value, shelf.values[key])


def test_a_store_gets_what_an_operation_wrote_beside_its_output() -> None:
    model = nn.BatchNorm1d(3)
    shelf = Shelf()
    lens_trace.trace(model, torch.randn(4, 3), store=shelf)
    assert [key for key in shelf.values if isinstance(key, tuple)]


def test_a_selection_is_what_reaches_the_store() -> None:
    shelf = Shelf()
    lens_trace.trace(nn.Sequential(nn.ReLU(), nn.Tanh()), torch.ones(2), store=shelf, keep=lens_trace.outputs_of("0"))
    assert list(shelf.values) == [1]


class Swallow(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        try:
            return x * 2
        except Exception:
            return x


class Full:
    def put(self, key: Any, tensor: torch.Tensor) -> None:
        if key == 1:
            raise OSError("no space left")


def test_a_store_that_fails_is_heard_even_where_the_model_swallows_exceptions() -> None:
    with pytest.raises(OSError, match="no space left"):
        lens_trace.trace(Swallow(), torch.ones(2), store=Full())


def test_a_watch_sees_the_tensors_of_the_pass_writes_and_outputs() -> None:
    watch = Notebook()
    recording = lens_trace.trace(Calls(_busy), torch.randn(2, 3, requires_grad=True), watch=watch)
    assert list(watch.made_by) == list(recording.tensors)
    assert [o.id for o in recording.trace.operations if o.is_inplace] == watch.written_by
    assert [tensor.grad_fn is not None for tensor in watch.outputs] == [True] * 3
    assert all(not value.requires_grad for value in recording.tensors.values())


@pytest.mark.parametrize("options", [{"watch": True}, {"detach": False}], ids=["watch", "graph kept"])
def test_backward_is_right_where_the_pass_wrote_what_is_put_back(options: dict[str, Any]) -> None:
    model, x = Writer(), torch.ones(3)
    watch = Notebook()
    recording = lens_trace.trace(model, x, **({"watch": watch} if "watch" in options else options))
    loss = watch.outputs[0] if watch.outputs else recording.tensors[recording.trace.outputs[0]]
    loss.backward()
    assert torch.equal(model.weight.grad, torch.full((3,), 7.0))
    assert torch.equal(model.h, torch.ones(3))
    assert torch.equal(x, torch.ones(3))


def test_a_view_that_autograd_has_given_up_can_be_returned() -> None:
    def stale(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        first, _ = y.split(1)
        y.add_(1)
        return first

    recording = lens_trace.trace(Calls(stale), torch.ones(2, 3, requires_grad=True))
    assert recording.trace.operations[-1].grad_fn is None


def test_a_value_changed_before_backward_is_an_error_as_without_a_trace() -> None:
    def spoil(x: torch.Tensor) -> torch.Tensor:
        y = x.exp()
        z = y.sum()
        y.add_(1)
        return z

    watch = Notebook()
    lens_trace.trace(Calls(spoil), torch.ones(3, requires_grad=True), watch=watch)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        watch.outputs[0].backward()
