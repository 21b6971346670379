"""A call written down the short way is on record as it would be the long way.

A trace with a sink takes the long way for every call, so each program runs both ways and the two are compared.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import FunctionType
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import lens_trace
from tests.lens_trace.models import Calls, find

X = torch.arange(6.0) + 1

STEPS: dict[str, Callable[[torch.Tensor, torch.Tensor], Any]] = {
    "mul": lambda a, b: a * 2,
    "add": lambda a, b: a + b,
    "view": lambda a, b: a.reshape(-1, 3),
    "flat": lambda a, b: a.reshape(-1),
    "half": lambda a, b: a.reshape(-1)[:3],
    "detach": lambda a, b: a.detach(),
    "same": lambda a, b: a.contiguous(),
    "add_": lambda a, b: a.add_(1),
    "iadd": lambda a, b: a.__iadd__(b),
    "double_": lambda a, b: a.add_(a),
    "relu_": lambda a, b: torch.relu_(a),
    "copy_": lambda a, b: a.copy_(b),
    "zero_": lambda a, b: a.zero_(),
    "setitem": lambda a, b: a.reshape(-1).__setitem__(0, 5.0),
    "out": lambda a, b: torch.mul(a, 3, out=a),
    "transpose_": lambda a, b: a.t_() if a.dim() == 2 else a,
    "numpy": lambda a, b: a.numpy() is None,
    "item": lambda a, b: a.sum().item() > 3,
}


def program(steps: list[tuple[str, int, int, bool]]) -> Callable[[torch.Tensor], torch.Tensor]:
    """A forward: each step works on one of the tensors so far, with another, and may let go of what it worked on."""

    def forward(x: torch.Tensor) -> torch.Tensor:
        held = [x * 1, x + 0]
        for name, one, other, lets_go in steps:
            a = held[one % len(held)]
            b = next((t for t in reversed(held[: other % len(held) + 1]) if t.shape == a.shape), a)
            result = STEPS[name](a, b)
            if lets_go and len(held) > 1:
                del held[one % len(held)]
            if isinstance(result, torch.Tensor):
                held.append(result)
            del a, b, result
        return torch.cat([t.reshape(-1) for t in held])

    return forward


def both_ways(model: nn.Module, x: torch.Tensor, **options: Any) -> tuple[lens_trace.Recording, lens_trace.Recording]:
    short, long = (lens_trace.trace(model, (x,), sink=sink, **options) for sink in (None, lambda *_: None))
    return short, long


def assert_same(short: lens_trace.Recording, long: lens_trace.Recording) -> None:
    def shown(recording: lens_trace.Recording) -> list[Any]:
        return [msgspec.structs.replace(o, elapsed_s=0.0) for o in recording.trace.operations]

    assert shown(short) == shown(long)
    calls = [[msgspec.structs.replace(c, elapsed_s=0.0) for c in r.trace.module_calls] for r in (short, long)]
    assert calls[0] == calls[1]
    assert list(short.tensors) == list(long.tensors)
    for operation in short.tensors:
        assert torch.equal(short.tensors[operation], long.tensors[operation]), operation
    assert short.tensors.nbytes == long.tensors.nbytes


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 5), st.integers(0, 5), st.booleans()),
                max_size=9))  # fmt: skip
def test_any_program_of_writes_and_views(steps: list[tuple[str, int, int, bool]]) -> None:
    assert_same(*both_ways(Calls(program(steps)), X))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(sorted(set(STEPS) - {"numpy", "out"})), st.integers(0, 5), st.integers(0, 5),
                          st.booleans()), max_size=7))  # fmt: skip
def test_any_such_program_with_a_graph(steps: list[tuple[str, int, int, bool]]) -> None:
    def run(model: nn.Module) -> str:
        try:
            model(X.clone().requires_grad_())
        except RuntimeError as error:
            return str(error)
        return ""

    model = Calls(program(steps))
    if not run(model):  # autograd refuses some
        assert_same(*both_ways(model, X.clone().requires_grad_()))


@pytest.mark.parametrize("training", [False, True])
def test_a_network_of_in_place_activations_and_batch_norms(training: bool) -> None:
    block = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(inplace=True))
    model = nn.Sequential(block, nn.Dropout(0.5), nn.Sequential(nn.BatchNorm2d(2), nn.Hardswish(True))).train(training)
    assert_same(*both_ways(model, torch.rand(2, 2, 5, 5), seed=0))


HANDED_ON: dict[str, Callable[[torch.Tensor], Any]] = {
    "float": lambda w: w.float(),
    "contiguous": lambda w: w.contiguous(),
    "dropout": lambda w: nn.functional.dropout(w, training=False),
    "module": lambda w: nn.Identity()(w),
    "several": lambda w: torch.broadcast_tensors(w, torch.ones(6))[0],
    "twice": lambda w: w.float().contiguous(),
    "used before": lambda w: (w + 1, w.float())[1],
    "no grad needed": lambda w: w.requires_grad_(),
}


@pytest.mark.parametrize("name", HANDED_ON)
def test_a_parameter_handed_on_is_still_the_parameter(name: str) -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.rand(6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            weight = HANDED_ON[name](self.weight)
            return x * torch.exp(weight) + self.weight

    short, long = both_ways(Weighted(), X)
    assert_same(short, long)
    reference = find(short, "exp").args[0]
    assert isinstance(reference, lens_trace.TensorRef)
    assert reference.parameter == 0


def test_what_a_saved_value_held_before_an_in_place_write_is_counted_and_exact() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        y.add_(1)
        return y.view(2, 3).neg_()

    short, long = both_ways(Calls(forward), X)
    assert_same(short, long)
    assert short.tensors.nbytes == 24 * 4
    assert short.tensors[1].tolist() == (X * 2).tolist()
    assert short.tensors[find(short, "add_").id].tolist() == (X * 2 + 1).tolist()


def test_a_write_seen_by_a_view_outside_the_model_is_no_short_one() -> None:
    kept: list[torch.Tensor] = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        kept.append(y[:2])
        y.add_(1)
        return kept.pop() * 3

    recording = lens_trace.trace(Calls(forward), (X,))
    add = find(recording, "add_").id
    assert add in [p.operation for p in find(recording, "mul", 1).parents]


def test_module_calls_are_seen_where_somebody_has_replaced_how_modules_are_called() -> None:
    before = nn.Module._call_impl
    seen: list[str] = []

    def counting(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        seen.append(type(self).__name__)
        return before(self, *args, **kwargs)

    linear, relu = nn.Linear(6, 2), nn.ReLU()
    model = Calls(lambda x: relu(linear(x)))
    plain = lens_trace.trace(model, (X,))
    nn.Module._call_impl = counting
    try:
        recording = lens_trace.trace(model, (X,))
        assert nn.Module._call_impl is counting
    finally:
        nn.Module._call_impl = before
    assert seen == ["Calls", "Linear", "ReLU"]
    assert len(recording.trace.module_calls) == 3
    lines = [[o.user_call_site for o in r.trace.operations if o.function is not None] for r in (plain, recording)]
    assert lines[0] == lines[1] and None not in lines[0]


def test_how_modules_are_called_stays_as_somebody_has_left_it_during_a_trace() -> None:
    before = nn.Module._call_impl

    def passing_on(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return before(self, *args, **kwargs)

    def forward(x: torch.Tensor) -> torch.Tensor:
        nn.Module._call_impl = before
        return x * 1

    nn.Module._call_impl = passing_on
    try:
        lens_trace.trace(Calls(forward), (X,))
        assert nn.Module._call_impl is before
    finally:
        nn.Module._call_impl = before


def test_how_modules_are_called_is_the_same_function_with_the_same_code_afterwards() -> None:
    function: Any = nn.Module._call_impl
    assert isinstance(function, FunctionType)
    code = function.__code__
    lens_trace.trace(nn.ReLU(), (X,))
    assert nn.Module._call_impl is function
    assert function.__code__ is code


def in_compressed_sparse(x: torch.Tensor) -> torch.Tensor:
    values = x * 2
    rows, columns = torch.tensor([0, 3, 6]), torch.tensor([0, 1, 2, 0, 1, 2])
    sparse = torch.sparse_csr_tensor(rows, columns, values, (2, 3), check_invariants=True)
    values.add_(1)
    return sparse.to_dense()


def in_vmap(x: torch.Tensor) -> torch.Tensor:
    y = x * 2

    def inside(row: torch.Tensor) -> torch.Tensor:
        before = row * 1
        y.add_(1)
        return row * 2 + before

    return torch.vmap(inside)(y)


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
@pytest.mark.parametrize("forward", [in_compressed_sparse, in_vmap])
def test_a_write_seen_by_a_tensor_around_the_one_written_is_no_short_one(forward: Callable[..., torch.Tensor]) -> None:
    # That tensor holds the other as it is, so that its memory is not referred to once more.
    model = Calls(forward)
    model(X)  # the first vmap of a process makes tensors of its own
    short, long = both_ways(model, X, keep=lens_trace.nothing)
    assert_same(short, long)
    reader = find(short, "to_dense" if forward is in_compressed_sparse else "mul", -1)
    assert find(short, "add_").id in [p.operation for p in reader.parents]


def test_a_batch_norm_in_eval_that_writes_its_results_somewhere_is_no_short_one() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        results = [torch.zeros(2, 3), torch.zeros(3), torch.zeros(3)]
        statistics = torch.zeros(3), torch.ones(3)
        torch.native_batch_norm(x.view(2, 3), None, None, *statistics, False, 0.1, 1e-5, out=results)
        return results[0] * 1

    short, long = both_ways(Calls(forward), X)
    assert_same(short, long)
    assert find(short, "native_batch_norm").is_inplace


class SavesWhatItWrote(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        y.mul_(3)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return gradient * ctx.saved_tensors[0]


def test_memory_that_comes_back_as_another_tensor_descends_from_the_last_write_to_all_of_it() -> None:
    def shallow(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        y.add_(1)
        return copy.copy(y) * 2

    def saved(x: torch.Tensor) -> torch.Tensor:
        return torch.autograd.grad(SavesWhatItWrote.apply(x).sum(), x)[0]  # pyright: ignore[reportUnknownMemberType]

    short, long = both_ways(Calls(shallow), X)
    assert_same(short, long)
    assert find(short, "mul").id not in [p.operation for p in find(short, "set_").parents]
    short, long = both_ways(Calls(saved), X.clone().requires_grad_())
    assert_same(short, long)
    assert find(short, "mul_").id in [p.operation for p in find(short, "mul", 1).parents]
