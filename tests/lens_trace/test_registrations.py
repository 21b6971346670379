"""What a forward registers, unregisters and flags is as it was; what it remembers in plain attributes stays true."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

import lens_trace
from tests.lens_trace.models import edges

X = torch.arange(6.0) + 1


class Rearranges(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.register_buffer("steps", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.eval()
        self.linear.weight.requires_grad_(False)
        self.linear.bias = None
        del self.steps
        self.register_buffer("late", torch.ones(1))
        self.register_parameter("scale", nn.Parameter(torch.ones(1)))
        self.add_module("part", nn.ReLU())
        return self.part(self.linear(x)) * self.scale + self.late


@pytest.mark.parametrize("run", [lens_trace.trace, lens_trace.run_plain])
def test_registrations_and_flags_are_put_back(run: object) -> None:
    model = Rearranges().train()
    before = list(model.state_dict())
    assert callable(run)
    run(model, X)
    assert list(model.state_dict()) == before
    assert list(model._modules) == ["linear"]
    assert model.training and model.linear.training
    assert model.linear.weight.requires_grad


class BuildsOnce(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.is_ready = False
        self.project = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.is_ready:
            self.register_buffer("offset", torch.ones(6))
            self.project = nn.Linear(6, 6)
            self.is_ready = True
        assert self.project is not None
        return self.project(x) + self.offset


def test_what_a_module_remembers_to_have_built_is_still_there_for_the_next_forward() -> None:
    model = BuildsOnce()
    first = lens_trace.trace(model, X)
    assert torch.equal(model(X), first.tensors[first.trace.outputs[0]])


def test_an_input_that_the_forward_makes_require_a_gradient_no_longer_does() -> None:
    class Force(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x.requires_grad_()
            return torch.autograd.grad((x**2).sum(), x)[0]

    x = X.clone()
    lens_trace.trace(Force(), x)
    assert not x.requires_grad


def test_several_threads_that_trace_one_model_put_back_what_was_before_all_of_them() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU(inplace=True)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.rand(4, 6)
    seen: set[str] = set()

    def work() -> None:
        for _ in range(10):
            seen.add(str(edges(lens_trace.trace(model, x))))

    threads = [threading.Thread(target=work) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(seen) == 1
    assert [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])] == []
