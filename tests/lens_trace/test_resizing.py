"""Memory that saved values share can still be resized, during the pass and after it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import lens_trace
from tests.lens_trace.models import Calls, find, traced

X = torch.arange(6.0) + 1


def _grows(x: torch.Tensor) -> torch.Tensor:
    y = x * 1
    y.resize_(8)
    return y.fill_(2)


def _grows_from_nothing(x: torch.Tensor) -> torch.Tensor:
    y = torch.empty(0)
    torch.cat([x, x], out=y)
    return y + 1


def _sorts_into_nothing(x: torch.Tensor) -> torch.Tensor:
    values, indices = torch.sort(-x, out=(torch.empty(0), torch.empty(0, dtype=torch.long)))
    return values + indices


def _out_of_another_size(x: torch.Tensor) -> torch.Tensor:
    y = torch.zeros(2)
    torch.add(x, x, out=y)
    return y.mul_(2)


def _out_of_an_overload(x: torch.Tensor) -> torch.Tensor:
    values, indices = torch.empty(3), torch.empty(1, dtype=torch.long)
    torch.ops.aten.topk.values(x, 2, values=values, indices=indices)
    return values.mul_(2) + indices


@pytest.mark.filterwarnings("ignore:An output with one or more elements was resized")
@pytest.mark.parametrize(
    "forward", [_grows, _grows_from_nothing, _sorts_into_nothing, _out_of_another_size, _out_of_an_overload]
)
def test_a_tensor_that_was_saved_may_grow(forward: Callable[[torch.Tensor], torch.Tensor]) -> None:
    recording = traced(forward, X)
    assert torch.equal(recording.tensors[recording.trace.outputs[0]], forward(X))


def test_the_value_before_growing_is_kept() -> None:
    recording = traced(_grows, X)
    assert torch.equal(recording.tensors[find(recording, "mul").id], X)


def test_a_tensor_that_the_model_keeps_may_grow_after_the_pass() -> None:
    kept: list[torch.Tensor] = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        kept.append(x * 2)
        return kept[0] + 1

    recording = traced(forward, X)
    kept[0].resize_(100).fill_(1)
    assert torch.equal(recording.tensors[1], X * 2)


def test_an_input_that_shows_memory_several_times_is_put_back() -> None:
    x = torch.ones(1, 6).expand(4, 6)
    assert torch.equal(lens_trace.run_plain(Calls(lambda t: t * 2), x), torch.full((4, 6), 2.0))
    assert x.stride() == (0, 1)
