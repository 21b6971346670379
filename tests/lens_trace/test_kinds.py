"""Tensors and modules of unusual kinds are recorded and can be read."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lens_trace
from tests.lens_trace.models import Calls, edges, names, traced

X = torch.arange(6.0) + 1


@pytest.mark.filterwarnings("ignore:.*quantiz.*")
def test_the_value_of_a_quantized_tensor_can_be_read() -> None:
    recording = traced(lambda x: torch.quantize_per_tensor(x, 0.5, 0, torch.quint8).dequantize() + 1, X)
    assert torch.equal(recording.tensors[1].dequantize(), X)
    assert recording.trace.operations[1].output.is_quantized


@pytest.mark.filterwarnings("ignore:.*nested tensors.*")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_nested_tensors_have_minus_one_where_they_are_ragged(layout: torch.layout) -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        nested = torch.nested.nested_tensor([x[:2], x[2:]], layout=layout)
        return torch.nested.to_padded_tensor(nested * 2, 0.0)

    recording = traced(forward, X.reshape(6, 1))
    made = next(o for o in recording.trace.operations if o.function and o.function.name == "mul")
    assert (made.output.shape, made.output.nbytes) == ((2, -1, 1), 24)
    assert recording.tensors[recording.trace.outputs[0]].flatten().tolist() == [2, 4, 0, 0, 6, 8, 10, 12]
    assert "constant" not in names(recording)


@pytest.mark.filterwarnings("ignore:.*nested tensors.*")
def test_a_nested_tensor_may_be_an_input_and_an_output() -> None:
    x = torch.nested.nested_tensor([X[:2], X[2:]])
    assert edges(traced(lambda t: t * 2, x)) == [("input", []), ("mul", [0]), ("output", [1])]
    assert lens_trace.run_plain(Calls(lambda t: t * 2), x).size(0) == 2


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_a_frozen_scripted_module_is_one_operation() -> None:
    frozen = torch.jit.freeze(torch.jit.script(nn.Sequential(nn.Linear(6, 6), nn.ReLU()).eval()))
    recording = lens_trace.trace(nn.Sequential(frozen, nn.Tanh()), X)
    assert len(names(recording)) == 4
    assert names(recording)[2] == "tanh"


def test_a_lazy_model_is_usable_after_its_first_pass_was_a_trace() -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
    x = torch.rand(4, 6)
    recording = lens_trace.trace(model, x)
    assert [tuple(p.shape) for p in model.parameters()] == [(3, 6), (3,), (3,), (3,)]
    assert torch.equal(recording.parameters[0], model[0].weight)
    assert [p.shape for p in recording.trace.parameters] == [(3, 6), (3,), (3,), (3,)]
    assert model(x).shape == (4, 3)


def test_meta_models_trace_without_memory() -> None:
    with torch.device("meta"):
        model = nn.Sequential(*[nn.Linear(50_000, 50_000) for _ in range(8)])
        x = torch.empty(64, 50_000)
    recording = lens_trace.trace(model, x)
    assert names(recording).count("linear") == 8
    assert recording.tensors.nbytes == 0
    assert sum(p.nbytes for p in recording.trace.parameters) > 70e9


@pytest.mark.filterwarnings("ignore:.*quantiz.*")
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.eye(6).to_sparse(),
        lambda: torch.complex(X, X),
        lambda: X > 2,
        lambda: torch.tensor(3.0),
        lambda: torch.empty(0),
        lambda: X.bfloat16(),
        lambda: X.half(),
        lambda: torch.quantize_per_tensor(X, 0.1, 0, torch.quint8),
        lambda: torch.arange(6),
        lambda: nn.Parameter(X),
    ],
)
def test_kinds_of_tensors(make: Any) -> None:
    x = make()
    recording = traced(lambda t: t.clone(), x)
    assert names(recording)[-2:] == ["clone", "output"]
    saved = recording.tensors[recording.trace.outputs[0]]
    assert saved.dtype == x.dtype and saved.shape == x.shape


def test_subclasses_keep_their_own_protocol() -> None:
    class Logged(torch.Tensor):
        calls: ClassVar[list[str]] = []

        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            cls.calls.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs or {})

    x = X.clone().as_subclass(Logged)
    recording = traced(lambda t: F.softmax(t, 0) + 1, x)
    assert "softmax" in Logged.calls
    assert names(recording)[-3:] == ["softmax", "add", "output"]
    assert isinstance(recording.tensors[recording.trace.outputs[0]], torch.Tensor)


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("make", [lambda x: x.to_sparse().coalesce(), lambda x: x.to_sparse_csr()])
def test_a_write_through_the_values_of_a_sparse_tensor_reaches_its_reader(make: Any) -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        sparse = make(x)
        sparse.values().mul_(2)
        return sparse.to_dense()

    recording = traced(forward, X.reshape(2, 3))
    reader = next(o for o in recording.trace.operations if o.function and o.function.name == "to_dense")
    written = next(o for o in recording.trace.operations if o.function and o.function.name == "mul_")
    assert [p.operation for p in reader.parents if p.is_overlay] == [written.id]
    saved = recording.tensors[reader.parents[0].operation]
    assert torch.equal(saved.to_dense(), X.reshape(2, 3))


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("run", [lens_trace.trace, lens_trace.run_plain])
@pytest.mark.parametrize("make", [lambda x: x.to_sparse().coalesce(), lambda x: x.to_sparse_csr()])
def test_a_sparse_input_that_the_forward_writes_is_put_back(run: Any, make: Any) -> None:
    x = make(torch.eye(3))
    run(Calls(lambda t: t.mul_(2).to_dense()), x)
    assert torch.equal(x.to_dense(), torch.eye(3))
