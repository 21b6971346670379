"""Torch, the model and the process are left as they were, whatever happens, and nothing is kept alive."""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo
import torch._inductor
from torch import nn

import lens_trace
from tests.lens_trace.models import Calls, find, names, traced

X = torch.arange(6.0) + 1


def _snapshot() -> dict[str, Any]:
    import concurrent.futures

    module = torch.nn.modules.module
    compile_marks = ("__init__", "__setstate__")
    return {
        **{f"torch.{key}": value for key, value in vars(torch).items() if key != "_thread_safe_fork"},
        # Where Python keeps what it found out about the slots of a class, for torch's own `swap_tensors`.
        **{f"Tensor.{key}": value for key, value in vars(torch.Tensor).items() if key != "__slotnames__"},
        **{f"F.{key}": value for key, value in vars(torch.nn.functional).items()},
        **{f"functional.{key}": value for key, value in vars(torch.functional).items()},
        **{f"_tensor.{key}": value for key, value in vars(torch._tensor).items()},
        **{f"nested.{key}": value for key, value in vars(torch.nested).items()},
        # torch.compile itself leaves its marks on Module.
        **{
            f"Module.{key}": value
            for key, value in vars(nn.Module).items()
            if key not in compile_marks and not key.startswith("___")
        },
        "script": vars(torch._C.ScriptFunction).get("__call__"),
        "method": vars(torch._C.ScriptMethod).get("__call__"),
        "start": threading.Thread.start,
        "submit": concurrent.futures.ThreadPoolExecutor.submit,
        "modes": torch._C._len_torch_function_stack(),
        "fastpath": torch.backends.mha.get_fastpath_enabled(),
        "gc": gc.isenabled(),
        "recursion": sys.getrecursionlimit(),
        "hooks": (len(module._global_forward_hooks), len(module._global_forward_pre_hooks)),
    }


@pytest.fixture(autouse=True)
def unchanged() -> Iterator[None]:
    """Compares torch before and after each test here."""
    traced(lambda x: x + 1, X)
    before = _snapshot()
    yield
    after = _snapshot()
    assert after.keys() == before.keys()
    assert [key for key, value in before.items() if after[key] is not value and after[key] != value] == []


class Fails(nn.Module):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.inner = nn.Sequential(Calls(self.explode))
        self.error = error

    def explode(self, x: torch.Tensor) -> torch.Tensor:
        x.mul_(0)
        raise self.error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.linear(x))


class Unusual(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), GeneratorExit(), Unusual(), SystemExit(3)])
def test_exceptions_keep_their_type_and_carry_the_partial_recording(error: BaseException) -> None:
    model = Fails(error)
    with pytest.raises(type(error)) as caught:
        lens_trace.trace(model, X)
    assert caught.value is error
    assert "module inner.0 (Calls)" in error.__notes__[0]
    assert f"at {__file__.removeprefix(os.getcwd() + os.sep)}:" in error.__notes__[0]
    assert len(error.__notes__) == 2
    recording: lens_trace.Recording = error.lens_recording  # pyright: ignore[reportAttributeAccessIssue]
    assert names(recording) == ["input", "linear", "mul_"]
    assert not recording.trace.is_complete
    assert torch.equal(recording.tensors[1], model.linear(X))


def test_a_failing_operation_is_named_with_its_shapes_and_module() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.Sequential(nn.Linear(5, 5)))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as caught:
        lens_trace.trace(model, torch.rand(2, 6))
    note = caught.value.__notes__[0]
    assert "linear(float32[2, 6], float32[5, 5], float32[5])" in note
    assert "module 1.0 (Linear)" in note
    assert ".py:" not in note, "no line of the model led there, and who called Lens is not to blame"


def test_a_failing_operation_is_named_with_the_line_of_the_model() -> None:
    class Model(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.normalize(x, dim=5)

    with pytest.raises(IndexError) as caught:
        lens_trace.trace(Model(), X)
    line = Model.forward.__code__.co_firstlineno + 1
    assert f"{Path(__file__).name}:{line}" in caught.value.__notes__[0]


def test_a_model_that_catches_its_own_exception_goes_on() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        try:
            x.reshape(7)
        except RuntimeError:
            return x + 1
        return x

    assert names(traced(forward, X)) == ["input", "add", "output"]


def test_wrong_arguments_raise_what_the_model_raises() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        lens_trace.trace(nn.Linear(6, 6), (X, X, X))


def test_nested_traces_both_see_everything_and_not_each_other() -> None:
    inner: list[lens_trace.Recording] = []
    part = nn.Sequential(nn.Linear(6, 6), nn.ReLU())

    def forward(x: torch.Tensor) -> torch.Tensor:
        inner.append(lens_trace.trace(part, x))
        return part(x) + 1

    outer = traced(forward, X)
    assert names(inner[0]) == ["input", "linear", "relu", "output"]
    assert names(outer) == ["input", "linear", "relu", "linear", "relu", "add", "output"]


def test_eight_threads_trace_at_once() -> None:
    models = [
        nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.ReLU(inplace=True)) for _ in range(8)
    ]
    x = torch.rand(4, 6)

    def work(index: int) -> list[list[str]]:
        found = []
        for _ in range(20):
            found.append(names(lens_trace.trace(models[index], x)))
            time.sleep(random.random() * 1e-3)
        return found

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    assert {tuple(run) for result in results for run in result} == {tuple(results[0][0])}


def test_other_threads_are_not_recorded() -> None:
    stop = threading.Event()

    def noise() -> None:
        while not stop.is_set():
            nn.Linear(2, 2)(torch.rand(2))

    worker = threading.Thread(target=noise)
    worker.start()
    try:
        for _ in range(20):
            assert names(traced(lambda x: x.sin(), X)) == ["input", "sin", "output"]
    finally:
        stop.set()
        worker.join()


def test_data_loader_workers_are_plain() -> None:
    loader = torch.utils.data.DataLoader(list(range(4)), num_workers=1)

    def forward(x: torch.Tensor) -> torch.Tensor:
        return x + sum(batch.sum() for batch in loader)

    assert names(traced(forward, X))[-1] == "output"


def test_seeds_are_restored() -> None:
    import numpy as np

    state, python_state, numpy_state = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # pyright: ignore

    def forward(x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand(6) + random.random() + float(np.random.rand())

    first, second = (traced(forward, X, seed=5) for _ in range(2))
    assert torch.equal(first.tensors[first.trace.outputs[0]], second.tensors[second.trace.outputs[0]])
    assert torch.equal(state, torch.get_rng_state())
    assert python_state == random.getstate()
    assert (numpy_state == np.random.get_state()[1]).all()  # pyright: ignore


def test_without_a_seed_random_numbers_go_on_as_in_a_plain_forward() -> None:
    model = nn.Dropout(0.5)
    torch.manual_seed(1)
    model(X)
    after_plain = torch.rand(3)
    torch.manual_seed(1)
    lens_trace.trace(model, X)
    assert torch.equal(torch.rand(3), after_plain)


def test_tensors_carry_no_marks() -> None:
    seen: list[torch.Tensor] = []
    model = nn.Linear(6, 6)

    def forward(x: torch.Tensor) -> torch.Tensor:
        y = model(x)
        seen.append(y)
        return y

    traced(forward, X)
    assert all(t.__dict__ == {} for t in (X, *model.parameters()))
    assert seen[0].__dict__ == {}


def test_user_hooks_stay_and_their_results_are_seen() -> None:
    model = nn.Sequential(nn.Linear(6, 6))
    model[0].register_forward_hook(lambda m, i, o: o * 100)
    model.register_forward_pre_hook(lambda m, i: (i[0] + 1,))
    recording = lens_trace.trace(model, X)
    assert names(recording) == ["input", "add", "linear", "mul", "output"]
    assert recording.trace.module_calls[1].outputs == (3,)
    assert len(model[0]._forward_hooks) == 1


def test_nothing_is_kept_alive_once_the_recording_is_gone() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(inplace=True))
    x = X.clone()
    reference, x_reference = weakref.ref(model), weakref.ref(x)
    gc.disable()
    try:
        recording = lens_trace.trace(model, x)
        saved = weakref.ref(recording.tensors[1])
        assert len(recording.trace.operations) == 4
        del model, x, recording
        assert reference() is None
        assert x_reference() is None
        assert saved() is None
    finally:
        gc.enable()


def test_a_recording_that_keeps_nothing_holds_no_activation() -> None:
    seen: list[weakref.ref[torch.Tensor]] = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        seen.append(weakref.ref(y))
        return y + 1

    recording = traced(forward, X, keep=lens_trace.nothing)
    assert seen[0]() is None
    assert len(recording.tensors) == 0


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # of torch's own modules
def test_a_compiled_model_is_seen_as_the_model_inside() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
    recording = lens_trace.trace(torch.compile(nn.Sequential(torch.compile(model), nn.Tanh())), X)  # pyright: ignore
    assert names(recording) == ["input", "linear", "relu", "tanh", "output"]
    assert not any("_orig_mod" in a for m in recording.trace.modules for a in m.addresses)
    assert not any("_orig_mod" in c.address for c in recording.trace.module_calls)
    assert not any("_orig_mod" in a for p in recording.trace.parameters for a in p.addresses)


def test_a_module_compiled_in_place_is_recorded() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
    model[0].compile(backend="eager")
    compiled = model[0]._compiled_call_impl
    recording = lens_trace.trace(model, X)
    assert [c.address for c in recording.trace.module_calls] == ["", "0", "1"]
    assert model[0]._compiled_call_impl is compiled


def test_printing_inside_the_forward_is_not_recorded() -> None:
    recording = traced(lambda x: (repr(x), f"{x}", x + 1)[2], X)
    assert names(recording) == ["input", "add", "output"]


def test_deepcopy_is_one_operation_with_its_edge() -> None:
    import copy

    recording = traced(lambda x: copy.deepcopy(x * 1) + 1, X)
    assert [int(p.operation) for p in find(recording, "add").parents] == [2]
    assert [int(p.operation) for p in find(recording, "__deepcopy__").parents] == [1]


@pytest.mark.parametrize(
    "move",
    [
        lambda t: t.unsqueeze_(0),
        lambda t: t.t_(),
        lambda t: t.transpose_(0, 1).mul_(2),
        lambda t: t.mul_(2).squeeze_(),
        lambda t: t.as_strided_((2,), (1,)),
        lambda t: setattr(t, "data", t.view(torch.int32)) or t,
    ],
)
def test_a_tensor_shown_in_another_way_lies_as_before(move: Any) -> None:
    class Moves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.buffer = nn.Buffer(torch.arange(4.0).view(2, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return move(x).sum() + move(self.buffer).sum()

    model, x = Moves(), torch.arange(4.0).view(2, 2)
    outputs = [float(r.tensors[r.trace.outputs[0]]) for r in (lens_trace.trace(model, x), lens_trace.trace(model, x))]
    assert outputs[0] == outputs[1]
    for tensor in (model.buffer, x):
        assert tensor.stride() == (2, 1)
        assert tensor.tolist() == [[0, 1], [2, 3]]


def test_values_are_put_back_though_a_flag_cannot_be() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            other = x * 2
        torch.utils.swap_tensors(x, other)
        return other + 1

    x = X.clone().requires_grad_()
    traced(forward, x)
    assert x.tolist() == X.tolist()
