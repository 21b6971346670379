"""Arguments and outputs of any shape are looked into."""

from __future__ import annotations

import collections
import dataclasses
import types
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

import lens_trace
from lens_trace._leaves import tensor_leaves
from tests.lens_trace.models import Calls, names, traced

X = torch.arange(6.0) + 1


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


@dataclasses.dataclass
class Record:
    logits: torch.Tensor
    extra: Any = None


class Custom:
    def __init__(self, tensor: torch.Tensor) -> None:
        self.inside = {"deep": [tensor]}
        self.again = self


def test_arguments_and_outputs_of_any_shape() -> None:
    def forward(pair: Pair, record: Record, custom: Custom, nested: Any) -> Any:
        total = pair.first + pair.second + record.logits + custom.inside["deep"][0] + nested["a"][0][1]
        return {"pair": Pair(total, total), "record": Record(total * 2, "text"), "custom": Custom(total * 3), "n": 3}

    a, b, c, d, e = (X + i for i in range(5))
    recording = traced(forward, Pair(a, b), Record(c), Custom(d), {"a": [(1, e)]})
    assert len(recording.trace.inputs) == 5
    assert [recording.trace.operations[i].address for i in recording.trace.outputs] == [
        "pair.0", "pair.1", "record.logits", "custom.inside.deep.0",
    ]  # fmt: skip
    assert "constant" not in names(recording)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: collections.deque([x]),
        lambda x: types.SimpleNamespace(x=x),
        lambda x: collections.UserDict(x=x),
        lambda x: collections.UserList([x]),
        lambda x: {"x": x}.values(),
        lambda x: types.MappingProxyType({"x": x}),
    ],
)
def test_containers_of_the_standard_library_are_looked_into(make: Any) -> None:
    recording = traced(lambda held: make(tensor_leaves(held)[0][1] * 2), make(X))
    assert names(recording) == ["input", "mul", "output"]


def test_a_container_that_contains_itself_is_walked_once() -> None:
    def forward(x: torch.Tensor) -> list[Any]:
        result: list[Any] = [x * 2]
        result += [result, result]
        return result

    assert names(lens_trace.trace(nn.Sequential(Calls(forward)), X)) == ["input", "mul", "output"]


def test_a_tensor_given_twice_is_one_input_but_each_output_leaf_is_one() -> None:
    recording = traced(lambda a, b: (a, a, None, "x"), X, X)
    assert names(recording) == ["input", "identity", "output", "output"]


def test_no_outputs_and_single_arguments() -> None:
    assert names(traced(lambda x: None, X)) == ["input"]
    assert names(lens_trace.trace(Calls(lambda pair: pair[0] + pair[1]), [X, X + 1])) == [
        "input",
        "input",
        "add",
        "output",
    ]
    assert names(lens_trace.trace(Calls(lambda pair: pair.first + pair.second), Pair(X, X + 1))) == [
        "input", "input", "add", "output",
    ]  # fmt: skip
    ordered = collections.OrderedDict(b=X, a=X + 1)
    operations = lens_trace.trace(Calls(lambda d: d["a"] + d["b"]), ordered).trace.operations
    assert [operation.address for operation in operations[:2]] == ["args.0.b", "args.0.a"]
