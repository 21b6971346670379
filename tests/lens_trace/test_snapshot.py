"""A pass that is run again after `Snapshot.restore` is the same pass."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from lens_trace import Snapshot, nothing, trace

X = torch.linspace(-1, 1, 6).reshape(2, 3)


@dataclass
class Memory:
    steps: int = 0
    past: list[torch.Tensor] = field(default_factory=list[torch.Tensor])


class Remembers(nn.Module):
    """Changes whenever it runs, in every way that a plain attribute can."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.memory = Memory()
        self.table = {"sum": torch.zeros(3)}
        self.queue: deque[float] = deque([0.0], maxlen=3)
        self.names = {"first"}
        self.generator = torch.Generator().manual_seed(1)
        self.python = random.Random(2)
        self.numbers = np.random.default_rng(3)
        self.drop = nn.Dropout()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.memory.steps += 1
        self.memory.past.append(x * self.memory.steps)
        self.table["sum"] += x[0] * self.calls
        self.queue.append(random.random() + self.python.random() + float(self.numbers.random() + np.random.rand()))
        self.names.add(str(self.calls))
        self.extra = len(self.names)
        noise = torch.rand(3, generator=self.generator)
        return self.drop(x + self.table["sum"] + noise) * len(self.memory.past) + sum(self.queue) + self.extra


def test_the_same_pass_can_be_run_again() -> None:
    model = Remembers().train()
    snapshot = Snapshot(model)
    first = trace(model, X, snapshot=snapshot)
    snapshot.restore()
    assert model.calls == model.memory.steps == 0 and not hasattr(model, "extra") and model.names == {"first"}
    assert not model.memory.past and not model.table["sum"].any()
    second = trace(model, X)
    assert all(torch.equal(first.tensors[i], second.tensors[i]) for i in first.tensors)
    assert (model.calls, model.extra, len(model.queue)) == (1, 2, 2)
    third = trace(model, X)
    assert not torch.equal(second.tensors[max(second.tensors)], third.tensors[max(third.tensors)])


def test_generators_stand_where_they_stood() -> None:
    model = nn.Dropout().train()
    snapshot = Snapshot(model)
    expected = torch.rand(2)
    snapshot.restore()
    trace(model, X, keep=nothing, snapshot=snapshot)
    snapshot.restore()
    assert torch.equal(torch.rand(2), expected)


def test_modules_that_the_forward_makes_are_made_again() -> None:
    class Grows(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not hasattr(self, "layer"):
                self.layer = nn.Linear(3, 3)
            return self.layer(x)

    model = Grows()
    snapshot = Snapshot(model)
    trace(model, X, snapshot=snapshot)
    snapshot.restore()
    assert not hasattr(model, "layer")


def test_a_tensor_that_nobody_writes_is_not_copied() -> None:
    model = Remembers()
    model.big = torch.zeros(1000)
    snapshot = Snapshot(model)
    trace(model, X, snapshot=snapshot)
    assert [copy.numel() for _, copy in snapshot._copies] == [3]  # pyright: ignore[reportPrivateUsage]


def test_circles_and_proxies_are_no_trap() -> None:
    import weakref

    model = Remembers()
    model.itself = model  # type: ignore[assignment]
    model.circle = [model]
    model.circle.append(model.circle)  # type: ignore[arg-type]
    gone = Memory()
    model.proxy = weakref.proxy(gone)
    del gone
    Snapshot(model).restore()
    assert model.circle[1] is model.circle
