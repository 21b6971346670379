"""What a forward registers, unregisters and flags is as it was; what it remembers in plain attributes stays true."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
from torch import nn

import lens_trace
from lens_trace import Snapshot
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


class Switches(nn.Module):
    """Attention that takes another form for short inputs, as BigBird's does."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = "sparse"
        self.attention: nn.Module = nn.Bilinear(6, 6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "sparse":
            self.attention = nn.Linear(6, 6)
            self.kind = "full"
        return self.attention(x)


class SwitchesInList(nn.Module):
    def __init__(self, parts: nn.ModuleList | nn.Sequential) -> None:
        super().__init__()
        self.kind = "sparse"
        self.parts = nn.Sequential(parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = self.parts[0]
        assert isinstance(parts, nn.ModuleList | nn.Sequential)
        if self.kind == "sparse":
            if parts:
                parts[0] = nn.Linear(6, 6)
            else:
                parts.append(nn.Linear(6, 6))
            self.kind = "full"
        return parts[0](x)


class GrowsTable(nn.Module):
    """A table as long as the longest input so far, as rotary embeddings keep it."""

    def __init__(self, *, persistent: bool) -> None:
        super().__init__()
        self.length = 2
        self.register_buffer("table", torch.ones(2), persistent=persistent)
        self.register_buffer("empty", None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > self.length:
            self.length = len(x)
            self.table = torch.rand(len(x))
            self.empty = torch.rand(len(x))
        return x * self.table + self.empty


class TakesTurns(nn.Module):
    """A buffer of no state_dict that is exchanged, and a module that notes it: rotary embeddings for long inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.is_long = False
        self.register_buffer("scale", torch.ones(6), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.is_long:
            self.register_buffer("scale", torch.rand(6), persistent=False)
            self.is_long = True
        return x * self.scale


class Transposes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.is_transposed = False
        self.weight = nn.Parameter(torch.rand(6, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.is_transposed:
            self.weight = nn.Parameter(self.weight.detach().t())
            self.is_transposed = True
        return self.weight @ x


class Collects(nn.Module):
    """Lists that know by themselves what they hold."""

    def __init__(self) -> None:
        super().__init__()
        self.scales, self.named = nn.ParameterList(), nn.ParameterDict()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not len(self.scales):
            self.scales.append(nn.Parameter(torch.rand(6)))
            self.named["shift"] = nn.Parameter(torch.rand(6))
        return x * self.scales[0] + self.named["shift"]


_REMEMBERING = {
    "a part in the place of another": Switches,
    "in a list": lambda: SwitchesInList(nn.ModuleList([nn.Bilinear(6, 6, 6)])),
    "in a sequence": lambda: SwitchesInList(nn.Sequential(nn.Bilinear(6, 6, 6))),
    "new in a list": lambda: SwitchesInList(nn.ModuleList()),
    "a longer buffer of no state_dict": lambda: GrowsTable(persistent=False),
    "another buffer of no state_dict": TakesTurns,
    "parameters in lists": Collects,
}


@pytest.mark.parametrize("make", _REMEMBERING.values(), ids=_REMEMBERING.keys())
def test_what_is_remembered_to_have_been_exchanged_stays_exchanged(make: Callable[[], nn.Module]) -> None:
    model = make()
    first = lens_trace.trace(model, X)
    assert torch.equal(model(X), first.tensors[first.trace.outputs[0]])
    model = make()
    assert torch.equal(lens_trace.run_plain(model, X), model(X))


@pytest.mark.parametrize("make", _REMEMBERING.values(), ids=_REMEMBERING.keys())
def test_a_snapshot_puts_back_what_a_trace_leaves_exchanged(make: Callable[[], nn.Module]) -> None:
    model = make()
    before = dict(model.named_parameters()) | dict(model.named_buffers()) | dict(model.named_modules())
    snapshot = Snapshot(model)
    lens_trace.trace(model, X, snapshot=snapshot)
    snapshot.restore()
    after = dict(model.named_parameters()) | dict(model.named_buffers()) | dict(model.named_modules())
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


@pytest.mark.parametrize(
    "make", [lambda: GrowsTable(persistent=True), Transposes], ids=["a longer buffer", "a transposed parameter"]
)
@pytest.mark.parametrize("run", [lens_trace.trace, lens_trace.run_plain], ids=["trace", "plain"])
def test_what_a_state_dict_has_is_put_back_whatever_is_remembered(
    run: Callable[..., object], make: Callable[[], nn.Module]
) -> None:
    model = make()
    before = {name: (tensor.data_ptr(), tensor.tolist()) for name, tensor in model.state_dict().items()}
    run(model, X)
    after = model.state_dict()
    assert {name: (after[name].data_ptr(), after[name].tolist()) for name in before} == before


def test_a_buffer_that_every_forward_exchanges_is_put_back_though_forwards_are_counted() -> None:
    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.forwards = 0
            self.register_buffer("mean", torch.zeros(6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.forwards += 1
            self.mean = self.mean + 1
            return x + self.mean

    model = Counts()
    before = model.mean
    lens_trace.trace(model, X)
    assert model.mean is before
    assert torch.equal(before, torch.zeros(6))


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
