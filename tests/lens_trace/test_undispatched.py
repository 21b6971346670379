"""Functions that PyTorch does not dispatch: TorchScript, extensions, swapping, nested traces of them."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import pytest
import torch
from torch import nn

import lens_trace
from tests.lens_trace.models import Calls, edges, find, names, traced

X = torch.arange(6.0) + 1


def _adds_and_doubles(x: torch.Tensor) -> torch.Tensor:
    x.add_(1)
    return x * 2


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_what_a_scripted_function_writes_reaches_later_readers() -> None:
    scripted = torch.jit.script(_adds_and_doubles)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return scripted(x) + x

    x = X.clone()
    recording = traced(forward, x)
    assert [int(p.operation) for p in find(recording, "add").parents] == [1, 1]
    assert recording.tensors[0].tolist() == X.tolist()
    assert recording.tensors.written(1, 0).tolist() == (X + 1).tolist()
    assert torch.equal(x, X)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_running_statistics_inside_a_scripted_module_are_put_back() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.BatchNorm1d(6)).train())
    model = nn.Sequential(nn.Linear(6, 6), scripted)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    lens_trace.trace(model, torch.rand(4, 6))
    assert [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])] == []


def test_what_an_extension_writes_is_found_though_its_name_says_nothing() -> None:
    @lens_trace.operation
    def scatter_into(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        table.add_(x)
        return x * 2

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", torch.zeros(6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return scatter_into(x, self.table) + self.table

    model = Model()
    recording = lens_trace.trace(model, X)
    call = find(recording, "scatter_into")
    assert [w.path for w in call.writes] == [(1,)]
    assert [p.operation for p in find(recording, "add").parents] == [call.id, call.id]
    assert model.table.tolist() == [0] * 6


def test_an_extension_that_writes_nothing_has_no_writes() -> None:
    @lens_trace.operation
    def blend(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return x + y

    assert find(traced(lambda x: blend(x, x * 2), X), "blend").writes == ()


def test_tensors_can_be_swapped_inside_the_forward() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        a, b = x * 1, x * 2
        torch.utils.swap_tensors(a, b)
        return a + b * 3

    recording = traced(forward, X)
    assert [int(p.operation) for p in find(recording, "add").parents] == [2, 3]
    assert recording.tensors[recording.trace.outputs[0]].tolist() == (X * 5).tolist()


def test_parameters_and_buffers_can_be_swapped_while_a_recording_is_not_read_yet() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU(inplace=True)).train()
    recording = lens_trace.trace(model, torch.rand(4, 6))
    assert [weakref.getweakrefs(t) for t in (*model.parameters(), *model.buffers()) if weakref.getweakrefs(t)] == []
    torch.utils.swap_tensors(model[0].weight, nn.Parameter(torch.zeros(6, 6)))
    assert "batch_norm" in names(recording)


def test_both_of_two_nested_traces_see_a_round_trip_through_numpy() -> None:
    inner: list[lens_trace.Recording] = []
    part = Calls(lambda x: torch.from_numpy((x * 2).numpy()) + 1)

    def forward(x: torch.Tensor) -> torch.Tensor:
        inner.append(lens_trace.trace(part, x))
        return part(x)

    outer = edges(traced(forward, X))
    assert edges(inner[0]) == [("input", []), ("mul", [0]), ("from_numpy", [1]), ("add", [2]), ("output", [3])]
    assert outer[1:4] == [("mul", [0]), ("from_numpy", [1]), ("add", [2])]


def test_swapping_captured_before_the_trace_is_followed() -> None:
    def forward(x: torch.Tensor, swap: Callable[..., None] = torch.utils.swap_tensors) -> torch.Tensor:
        a, b = x * 2, x * 3
        swap(a, b)
        return a + 1

    recording = traced(forward, X)
    assert [int(p.operation) for p in find(recording, "add").parents] == [find(recording, "mul", 1).id]


@pytest.mark.parametrize("detach", [True, False])
def test_a_tensor_whose_memory_a_capsule_held_can_be_swapped_as_without_a_trace(detach: bool) -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        a = (x * 2).chunk(2)[0]
        b = torch.from_dlpack(a)
        c = b + 1
        del b
        d = torch.ones(3)
        torch.utils.swap_tensors(a, d)
        return a + d * 2 + c

    recording = traced(forward, X, detach=detach)
    assert torch.equal(recording.tensors[recording.trace.outputs[0]], forward(X))
    assert find(recording, "mul", 1).parents[0].operation == 2  # what the chunk held


def test_values_that_keep_their_graph_are_right_after_a_swap() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        a, b = x * 2, x + 1
        torch.utils.swap_tensors(a, b)
        torch.utils.swap_tensors(x, b)
        return a + b

    recording = traced(forward, X.clone(), detach=False)
    assert recording.tensors[find(recording, "mul").id].tolist() == (X * 2).tolist()
    assert recording.tensors[find(recording, "add").id].tolist() == (X + 1).tolist()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_a_part_that_was_traced_by_torchscript_is_one_operation() -> None:
    part = torch.jit.trace(nn.Linear(6, 6), X[None])
    recording = lens_trace.trace(nn.Sequential(nn.ReLU(), part), X[None])
    assert edges(recording)[1:] == [("relu", [0]), ("Linear", [1]), ("output", [2])]
