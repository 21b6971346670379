"""What of the code for devices can be seen without one: who waits, what is refused, how kernels are recorded."""

from __future__ import annotations

import copy
import sys
import time
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import lens_trace
from tests.lens_trace.models import Calls, edges, find, names, traced

X = torch.arange(6.0) + 1


def test_who_asks_for_it_is_called_around_each_operation_and_its_wait_is_measured() -> None:
    calls: list[float] = []

    def synchronize() -> None:
        calls.append(time.perf_counter())

    def slow(x: Tensor) -> Tensor:
        time.sleep(0.01)
        return x * 2

    recording = traced(lambda x: lens_trace.operation(slow)(x).relu_() + 1, X, synchronize=synchronize)
    assert names(recording) == ["input", "slow", "relu_", "add", "output"]
    assert len(calls) == 6
    assert 0.01 <= find(recording, "slow").elapsed_s < 1
    assert len(traced(lambda x: x + 1, X).trace.operations) == 3
    assert len(calls) == 6


def test_waiting_is_part_of_an_operations_time() -> None:
    recording = traced(lambda x: x + 1, X, synchronize=lambda: time.sleep(0.01))
    assert find(recording, "add").elapsed_s >= 0.01


def test_a_model_on_the_meta_device_is_told_at_once() -> None:
    ran: list[int] = []
    model = nn.Sequential(Calls(lambda x: ran.append(1) or x), nn.Linear(6, 6, device="meta"))
    with pytest.raises(lens_trace.MixedDevicesError, match=r"inputs\.to\('meta'\)"):
        lens_trace.trace(model, X)
    assert not ran


def test_refused_devices_are_told_when_the_model_does_not_cope(monkeypatch: pytest.MonkeyPatch) -> None:
    from lens_trace import _checks, _trace

    told = lens_trace.MixedDevicesError("The model is on a and the inputs are on b.")
    assert _trace.mixed_devices is _checks.mixed_devices
    monkeypatch.setattr(_trace, "mixed_devices", lambda *_: told)

    @lens_trace.operation
    def refuses(x: Tensor, y: Tensor) -> Tensor:
        raise RuntimeError(f"{x.device} and {y.device}")

    with pytest.raises(lens_trace.MixedDevicesError) as caught:
        traced(lambda x: refuses(x + 1, torch.ones(6, device="meta")), X)
    assert caught.value is told
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert names(caught.value.lens_recording)[:2] == ["input", "add"]  # pyright: ignore[reportAttributeAccessIssue]
    assert len(traced(lambda x: x + 1, X).trace.operations) == 3  # it copes
    with pytest.raises(ZeroDivisionError):  # what fails for another reason says so
        traced(lambda x: x + 1 / 0, X)


@pytest.mark.parametrize("how", ["replay", "capture_begin", "__enter__"])
def test_cuda_graphs_are_refused_for_the_length_of_a_trace(how: str) -> None:
    kind: Any = torch.cuda.graph if how == "__enter__" else torch.cuda.CUDAGraph
    before = getattr(kind, how), getattr(kind, how).__code__

    def forward(x: Tensor) -> Tensor:
        getattr(kind, how)(None)
        return x

    with pytest.raises(lens_trace.CudaGraphError, match="Trace it as it was"):
        traced(forward, X)
    assert (getattr(kind, how), getattr(kind, how).__code__) == before


class _Kernel:
    """Stands for a kernel: what Triton's class does beside launching it needs a device."""

    def __init__(self, function: Any) -> None:
        self.fn = function
        self.__name__ = function.__name__

    def run(self, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        with torch._C.DisableTorchFunction():
            self.fn(*args, **kwargs)
        return self

    def __getitem__(self, grid: Any) -> Any:
        return lambda *args, **kwargs: self.run(*args, grid=grid, warmup=False, **kwargs)


class _Tuner(_Kernel):
    def __init__(self, kernel: _Kernel) -> None:
        self.fn = kernel  # pyright: ignore[reportIncompatibleVariableOverride]

    def run(self, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
        for _ in range(3):
            self.fn.run(*args, grid=grid, warmup=warmup, **kwargs)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton.runtime.jit", type("jit", (), {"JITFunction": _Kernel}))  # pyright: ignore[reportArgumentType]
    monkeypatch.setitem(sys.modules, "triton.runtime.autotuner", type("tuner", (), {"Autotuner": _Tuner}))  # pyright: ignore[reportArgumentType]


def _fill(out: Tensor, x: Tensor, factor: float) -> None:
    out.data.numpy()[:] = x.detach().numpy() * factor


def _double(x: Tensor) -> None:
    x.data.numpy()[:] = 4.0


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.inference_mode])
def test_a_kernel_that_the_model_launches_is_one_operation_that_writes(mode: Any) -> None:
    fill, double, code = _Kernel(_fill), _Tuner(_Kernel(_double)), _Kernel.run.__code__

    def forward(x: Tensor) -> Tensor:
        y = x + 1
        out = torch.empty_like(y)
        fill[(1,)](out, y, 2.0)
        double[lambda meta: (1,)](out)
        return out * y

    with mode():
        recording = traced(forward, X)
    assert edges(recording) == [
        ("input", []), ("add", [0]), ("empty_like", [1]), ("_fill", [2, 1]), ("_double", [3]), ("mul", [4, 1]),
        ("output", [5]),
    ]  # fmt: skip
    assert torch.equal(recording.tensors[3], (X + 1) * 2)
    assert torch.equal(recording.tensors[4], torch.full((6,), 4.0))
    assert torch.equal(recording.tensors[1], X + 1)
    assert find(recording, "_fill").is_inplace
    assert _Kernel.run.__code__ is code


@pytest.mark.usefixtures("kernels")
def test_what_a_kernel_wrote_is_found_though_it_writes_what_the_memory_held_by_chance() -> None:
    fill, memory = _Kernel(_fill), torch.full((6,), 3.0)

    def empty_of_before(x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        with torch._C.DisableTorchFunction():
            out.copy_(x * 2)  # what the allocator gave out again
        fill[(1,)](out, x, 2.0)
        return out

    assert edges(traced(empty_of_before, X))[-2:] == [("_fill", [1, 0]), ("output", [2])]
    recording = traced(lambda x: (fill[(1,)](memory, x * 0 + 1, 3.0), memory + x)[1], X)
    assert "_fill" not in names(recording)  # what it wrote was there


def test_the_kernels_of_attention_that_are_allowed_are_noted_with_each_call() -> None:
    q = torch.rand(1, 2, 8, 4)

    def forward(q: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            a = nn.functional.scaled_dot_product_attention(q, q, q)
        return a + nn.functional.scaled_dot_product_attention(q, q, q) + nn.functional.dropout(q)

    recording = traced(forward, q)
    noted = [recording.rng_states[find(recording, "scaled_dot_product_attention", i).id].attention for i in range(2)]  # pyright: ignore[reportArgumentType]
    assert noted[0] == (int(SDPBackend.MATH),)
    assert noted[1] is not None
    assert set(noted[1]) > {int(SDPBackend.MATH), int(SDPBackend.FLASH_ATTENTION)}
    assert recording.rng_states[find(recording, "dropout").id].attention is None  # pyright: ignore[reportArgumentType]


def test_the_state_of_the_generators_is_kept_once_where_nothing_was_drawn() -> None:
    recording = traced(lambda x: nn.functional.dropout(x, 0.0) + torch.rand(6) + torch.rand(6), X)
    states = [
        recording.rng_states[find(recording, name, i).id] for name, i in (("dropout", 0), ("rand", 0), ("rand", 1))
    ]  # pyright: ignore[reportArgumentType]
    assert states[0] is states[1]
    assert states[2].cpu is not states[1].cpu
    assert torch.equal(lens_trace.RngState.now().cpu, torch.get_rng_state())


def test_the_default_device_of_the_caller_is_on_record() -> None:
    def forward(x: Tensor) -> Tensor:
        with torch.device("meta"):
            inner = torch.ones(3)
        return inner + x

    with torch.device("meta"):
        around = traced(lambda x: x + torch.ones(3), torch.rand(3))
        nested = traced(lambda x: (traced(lambda y: y + 1, x), x + torch.ones(3))[1], torch.rand(3))
    for recording in (around, nested):
        assert {o.context.default_device for o in recording.trace.operations if o.context is not None} == {"meta"}
    inside = traced(forward, torch.rand(3, device="meta"))
    assert {o.context.default_device for o in inside.trace.operations if o.context is not None} == {None}
    assert [str(value) for key, value in find(inside, "ones").kwargs if key == "device"]


def test_what_is_saved_by_reference_changes_nothing_in_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(x: Tensor) -> Tensor:
        y = x * 2
        y.add_(1)
        z = copy.copy(y) * 2
        z.view(-1)[:2].mul_(3).relu_()
        return z.relu_().sub_(1)

    none = traced(forward, X, keep=lens_trace.nothing)
    lazy = traced(forward, X)
    monkeypatch.setattr("lens_trace._saving.lazy_clone", None)  # as on a device
    referred = traced(forward, X)
    assert edges(referred) == edges(lazy) == edges(none)
    assert [o.args for o in referred.trace.operations] == [o.args for o in none.trace.operations]
    assert all(torch.equal(referred.tensors[i], lazy.tensors[i]) for i in lazy.tensors)


def test_what_is_saved_by_reference_lies_in_its_copy_as_it_lay(monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(x: Tensor) -> Tensor:
        y = x * 2
        part = y[2:4]
        turned = y.view(2, 3).t()
        y.add_(1)
        return y + part.sum() + turned.sum()

    lazy = traced(forward, X)
    monkeypatch.setattr("lens_trace._saving.lazy_clone", None)  # as on a device
    referred = traced(forward, X)
    part, turned = (find(referred, name).id for name in ("__getitem__", "t"))
    assert torch.equal(referred.tensors[part], X[2:4] * 2)
    assert torch.equal(referred.tensors[turned], (X * 2).view(2, 3).t())
    assert (referred.tensors[part].storage_offset(), referred.tensors[turned].stride()) == (2, (1, 3))
    assert referred.tensors.nbytes == lazy.tensors.nbytes
