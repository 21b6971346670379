"""A transform changes what is saved, and nothing else."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

from lens_trace import everything, nothing, only, trace

X = torch.linspace(-1, 1, 24).reshape(2, 3, 4)


class InPlace(nn.Module):
    """A value that is written after it was saved."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.linear(x)
        return y.relu_() + 1


def test_what_the_transform_returns_is_saved() -> None:
    recording = trace(nn.ReLU(), X, transform=lambda t: t.mean(-1))
    assert torch.equal(recording.tensors[1], X.relu().mean(-1))


def test_the_transform_sees_the_value_before_dtype_and_device_apply() -> None:
    seen: list[torch.dtype] = []

    def note(value: torch.Tensor) -> torch.Tensor:
        seen.append(value.dtype)
        return value.double() + 1e-9

    recording = trace(nn.ReLU(), X, keep=only([1]), transform=note, dtype=torch.float16, device="cpu")
    assert seen == [torch.float32]
    assert recording.tensors[1].dtype == torch.float16


def test_nothing_that_the_transform_does_is_recorded() -> None:
    pool = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())
    plain = trace(InPlace(), X, keep=nothing).trace
    transformed = trace(InPlace(), X, transform=lambda t: pool(t) * torch.ones(1)).trace
    assert [o.function for o in transformed.operations] == [o.function for o in plain.operations]
    assert len(transformed.module_calls) == len(plain.module_calls)


def test_nothing_is_recorded_by_a_trace_around_it_either() -> None:
    class Outer(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            inner = trace(nn.ReLU(), x, transform=lambda t: nn.functional.softmax(t, -1).cos())
            return inner.tensors[1] + 1

    assert not {"softmax", "cos"} & {o.function.name for o in trace(Outer(), X).trace.operations if o.function}


@pytest.mark.parametrize(
    "transform",
    [lambda t: t, lambda t: t[:, 0], lambda t: t.view(2, -1), lambda t: t.flatten(), lambda t: t.detach()],
    ids=["itself", "a part", "a view", "flattened", "detached"],
)
def test_a_later_write_does_not_reach_what_was_saved(transform: object) -> None:
    model = InPlace()
    expected = transform(model.linear(X).detach())  # type: ignore[operator]
    assert torch.equal(trace(model, X, transform=transform).tensors[1], expected)  # type: ignore[arg-type]


def test_a_caller_that_writes_its_input_later_changes_nothing() -> None:
    x = X.clone()
    recording = trace(nn.ReLU(), x, transform=lambda t: t)
    x.zero_()
    assert torch.equal(recording.tensors[0], X)


def test_a_transform_that_writes_its_argument_does_not_disturb_the_model() -> None:
    model = InPlace()
    recording = trace(model, X, transform=lambda t: t.zero_())
    assert not recording.tensors[0].any()
    assert recording.trace.operations[-1].kind == "output"
    assert torch.equal(trace(model, X).tensors[4], model(X).detach())
    seen = trace(model, X, keep=lambda o: o.kind == "output", transform=lambda t: t)
    assert torch.equal(seen.tensors[4], model(X).detach())


def test_a_buffer_that_the_transform_uses_again_is_no_trap() -> None:
    out = torch.zeros(2)

    def summed(value: torch.Tensor) -> torch.Tensor:
        return torch.sum(value, (1, 2), out=out)

    recording = trace(InPlace(), X, transform=summed)
    assert torch.allclose(recording.tensors[0], X.sum((1, 2)))


def test_a_part_does_not_hold_the_whole() -> None:
    recording = trace(nn.ReLU(), torch.ones(1000, 1000), transform=lambda t: t[:2])
    assert recording.tensors[1].untyped_storage().nbytes() == 8000
    assert recording.tensors.nbytes == 3 * 8000


def test_random_numbers_of_the_transform_are_not_missing_to_the_model() -> None:
    model = nn.Sequential(nn.Dropout(), nn.Dropout()).train()
    plain = trace(model, X, seed=1).tensors
    noisy = trace(model, X, seed=1, keep=lambda o: o.kind != "input", transform=lambda t: t + 0 * torch.rand(1))
    assert all(torch.equal(noisy.tensors[i], plain[i]) for i in noisy.tensors)


def test_the_graph_is_kept_where_it_was_asked_for() -> None:
    model = InPlace()
    trace(model, X, detach=False, transform=lambda t: t.mean()).tensors[3].backward()
    assert model.linear.weight.grad is not None
    assert not trace(model, X, transform=lambda t: t @ model.linear.weight).tensors[0].requires_grad


def test_buffers_are_no_activations() -> None:
    model = nn.BatchNorm1d(3).eval()
    recording = trace(model, X, transform=lambda t: t.flatten(1))
    kinds = {o.id: o.kind for o in recording.trace.operations}
    shapes = {kinds[i]: tuple(tensor.shape) for i, tensor in recording.tensors.items()}
    assert shapes == {"input": (2, 12), "buffer": (3,), "call": (2, 12), "output": (2, 12)}


def test_a_transform_that_fails_keeps_its_error_and_says_at_which_value() -> None:
    with pytest.raises(IndexError) as caught:
        trace(nn.ReLU(), X, transform=lambda t: t.flatten(5))
    assert "transform= was given the value of operation 0, float32[2, 3, 4]" in " ".join(caught.value.__notes__)
    with pytest.raises(TypeError, match="has to return a tensor; it returned ndarray"):
        trace(nn.ReLU(), X, transform=lambda t: t.numpy())  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="cannot be called"):
        trace(nn.ReLU(), X, transform="mean")  # type: ignore[arg-type]


def test_full_values_are_let_go() -> None:
    gc.collect()
    model = nn.Sequential(*[nn.ReLU() for _ in range(20)])
    recording = trace(model, torch.ones(1000, 100), keep=everything, transform=lambda t: t.mean())
    held = sum(tensor.untyped_storage().nbytes() for tensor in recording.tensors.values())
    assert held == 22 * 4
