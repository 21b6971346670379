"""A forward that is not recorded returns the truth and leaves the model as it was."""

from __future__ import annotations

import collections
import copy
import dataclasses
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

import lens_trace


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass
class Record:
    value: Any


class Updates(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros(3))
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        self.steps.add_(1)
        x.add_(1)
        with torch.no_grad():
            self.weight.mul_(3)
            self.weight.data[0] = 7
        ordered = collections.OrderedDict(steps=self.steps)
        return {"list": [self.steps, Pair(x, self.weight)], "record": Record(x[:2]), "ordered": ordered, "n": 3}


def test_outputs_that_are_put_back_keep_the_values_that_were_returned() -> None:
    result = lens_trace.run_plain(Updates(), torch.ones(3))
    assert result["list"][0].tolist() == [1, 1, 1]
    assert isinstance(result["list"][1], Pair)
    assert [t.tolist() for t in result["list"][1]] == [[2, 2, 2], [7, 3, 3]]
    assert result["record"].value.tolist() == [2, 2]
    assert isinstance(result["ordered"], collections.OrderedDict)
    assert result["ordered"]["steps"].tolist() == [1, 1, 1]
    assert result["n"] == 3


def test_parameters_buffers_and_inputs_are_put_back() -> None:
    model, x = Updates(), torch.ones(3)
    lens_trace.run_plain(model, x)
    assert [t.tolist() for t in (model.steps, model.weight, x)] == [[0, 0, 0], [1, 1, 1], [1, 1, 1]]


def test_parameters_that_are_only_read_stay_where_they_are() -> None:
    model = nn.Linear(3, 3)
    before = [(p.data_ptr(), p._version) for p in model.parameters()]
    lens_trace.run_plain(model, torch.ones(3))
    assert [(p.data_ptr(), p._version) for p in model.parameters()] == before
    model.weight.data.resize_(40).fill_(1)  # the memory is nobody else's


def test_parameters_that_share_one_memory_still_do() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flat = torch.ones(4)
            self.a, self.b = nn.Parameter(self.flat[:2]), nn.Parameter(self.flat[2:])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                self.a.mul_(2)
            return x * self.a + self.b

    model = Flat()
    assert lens_trace.run_plain(model, torch.ones(2)).tolist() == [3, 3]
    assert model.flat.tolist() == [1, 1, 1, 1]
    model.flat.fill_(5)
    assert [model.a.tolist(), model.b.tolist()] == [[5, 5], [5, 5]]


@pytest.mark.parametrize("run", [lens_trace.trace, lens_trace.run_plain])
def test_the_input_returned_unchanged_is_the_input(run: Any) -> None:
    x = torch.ones(3)
    result = run(nn.Identity(), x)
    assert result is x or torch.equal(result.tensors[result.trace.outputs[0]], x)


def test_run_plain_returns_the_ground_truth_and_changes_nothing() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5)).train()
    before = copy.deepcopy(model.state_dict())
    x = torch.rand(4, 6)
    state = torch.get_rng_state()
    plain = lens_trace.run_plain(model, x, seed=7)
    recording = lens_trace.trace(model, x, seed=7)
    assert torch.equal(plain, recording.tensors[recording.trace.outputs[0]])
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
