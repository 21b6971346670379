"""Memory that others can write without torch noticing: numpy, dlpack, storages, addresses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils import dlpack

import lens_trace
from tests.lens_trace.models import edges, find, names, traced

X = torch.arange(6.0) + 1
captured_from_numpy = torch.from_numpy
captured_from_dlpack = dlpack.from_dlpack


@pytest.mark.parametrize(
    "back",
    [
        lambda y: torch.from_numpy(y.numpy()),
        lambda y: torch.from_numpy(y.numpy()[:]),
        lambda y: torch.as_tensor(y.numpy()),
        lambda y: torch.tensor(y.numpy()),
        lambda y: torch.asarray(np.asarray(y)),
        lambda y: torch.from_dlpack(y),
        lambda y: dlpack.from_dlpack(dlpack.to_dlpack(y)),
    ],
)
def test_a_round_trip_keeps_the_edge_though_the_tensor_is_gone(back: Any) -> None:
    recording = traced(lambda x: back(x * 2) + 1, X)
    assert [parents for _, parents in edges(recording)] == [[], [0], [1], [2], [3]]
    assert "constant" not in names(recording)


def test_functions_captured_before_the_trace_hand_the_same_value_back() -> None:
    recording = traced(lambda x: captured_from_numpy((x * 2).numpy()) + 1, X)
    assert edges(recording) == [("input", []), ("mul", [0]), ("add", [1]), ("output", [2])]


def test_a_function_in_python_captured_before_the_trace_is_an_operation() -> None:
    recording = traced(lambda x: captured_from_dlpack(dlpack.to_dlpack(x * 2)) + 1, X)
    assert edges(recording) == [
        ("input", []), ("mul", [0]), ("from_dlpack", [1]), ("add", [2]), ("output", [3])
    ]  # fmt: skip


def test_what_numpy_writes_is_a_source_laid_over_the_tensor() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = (x * 1).view(2, 3)
        y.numpy()[:, 1] = 9
        return y * 2

    recording = traced(forward, X)
    reader = find(recording, "mul", 1)
    assert [(p.operation, p.is_overlay) for p in reader.parents] == [(2, False), (3, True)]
    assert recording.trace.operations[3].kind == "constant"
    assert recording.tensors[3].tolist() == [[9], [9]]
    assert recording.tensors[2].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert recording.tensors[reader.id].tolist() == [[2, 18, 6], [8, 18, 12]]


def test_a_write_through_a_view_handed_to_numpy_reaches_the_base() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        y[2:].numpy()[0] = 9
        return y + 1

    recording = traced(forward, X)
    assert len([p for p in find(recording, "add").parents if p.is_overlay]) == 1
    assert recording.tensors[find(recording, "mul").id].tolist() == X.tolist()


def test_writes_of_torch_to_memory_handed_out_are_no_writes_from_outside() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        array = y.numpy()
        y.add_(1)
        y.data_ptr()
        return torch.from_numpy(array) * 2 + y

    recording = traced(forward, X)
    assert "constant" not in names(recording)
    assert find(recording, "add_").id in [p.operation for p in find(recording, "from_numpy").parents]


def test_a_write_to_a_tensor_made_of_an_array_reaches_the_tensor_whose_memory_it_is() -> None:
    def forward(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = x * 1
        again = torch.from_numpy(y.numpy()[2:])
        again.mul_(3)
        y[:3].add_(1)
        return y * 2, again * 2

    recording = traced(forward, X)
    base, twin = find(recording, "mul", 1), find(recording, "mul", 2)
    written, added = find(recording, "mul_").id, find(recording, "add_").id
    assert [p.operation for p in base.parents] == [find(recording, "mul").id, written, added]
    assert [p.operation for p in twin.parents] == [written, added]
    assert "constant" not in names(recording)


def test_a_write_through_a_storage_is_noticed() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        y.untyped_storage().fill_(0)
        return y + x

    recording = traced(forward, X)
    assert [p.operation for p in find(recording, "add").parents] == [1, 2, 0]
    assert recording.tensors[2].tolist() == [0] * 6


def test_set_descends_from_the_tensor_whose_storage_it_takes() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        w = torch.zeros(3)
        w.set_(y.untyped_storage(), 1, (3,), (1,))
        y.add_(1)
        return w + 1

    recording = traced(forward, X)
    assert find(recording, "mul").id in [p.operation for p in find(recording, "set_").parents]
    assert find(recording, "add_").id in [p.operation for p in find(recording, "add").parents]
    assert "set_" not in vars(torch.Tensor)


def test_a_storage_emptied_and_filled_again_is_no_crash() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        y.untyped_storage().resize_(0)
        y.untyped_storage().resize_(24)
        return y.fill_(1) + 1

    recording = traced(forward, X)
    assert recording.tensors[1].tolist() == (X * 2).tolist()
    assert recording.tensors[recording.trace.outputs[0]].tolist() == [2] * 6


def test_what_numpy_does_to_inputs_buffers_and_parameters_is_put_back() -> None:
    class Writes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("steps", torch.zeros(6))
            self.weight = nn.Parameter(torch.ones(6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x.numpy()[0] = 50
            self.steps.numpy()[0] += 1
            self.weight.detach().numpy()[1] = 7
            return x * self.weight + self.steps

    model, x = Writes(), X.clone()
    recording = lens_trace.trace(model, x)
    assert recording.tensors[recording.trace.outputs[0]].tolist() == [51, 14, 3, 4, 5, 6]
    assert torch.equal(x, X)
    assert model.steps.tolist() == [0] * 6
    assert model.weight.tolist() == [1] * 6


@pytest.mark.parametrize("share", [torch.from_dlpack, lambda y: dlpack.from_dlpack(dlpack.to_dlpack(y))])
def test_a_tensor_and_the_one_made_of_it_see_each_others_writes(share: Any) -> None:
    def through_the_other(x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros_like(x)
        share(y).copy_(x)
        return y + 1

    def through_the_first(x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros_like(x)
        other = share(y)
        y.copy_(x)
        return other + 1

    def unseen(x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros_like(x)
        other = share(y)
        with torch._C.DisableTorchFunction():
            other.copy_(x)
        return y + 1

    for forward, made in ((through_the_other, [1, 3]), (through_the_first, [2, 3]), (unseen, [1, 3])):
        recording = traced(forward, X)
        added = find(recording, "add")
        assert sorted(int(p.operation) for p in added.parents) == made, forward
        assert torch.equal(recording.tensors[added.id], X + 1)


class HandsOn:
    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor

    def __dlpack__(self, **options: Any) -> Any:
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.tensor.__dlpack_device__()


def test_a_write_to_memory_that_an_object_handed_on_is_seen_and_put_back() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        torch.from_dlpack(HandsOn(x)).add_(1)
        return x * 2

    x = X.clone()
    recording = traced(forward, x)
    assert torch.equal(x, X)
    assert (find(recording, "add_").id, True) in [(p.operation, p.is_overlay) for p in find(recording, "mul").parents]
