"""What of the code for devices can be seen without one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lens_trace import trace
from lens_validate import validate, validate_while_running
from lens_validate._domains import refusal
from tests.lens_validate.small_models import Function


def test_a_default_device_of_the_callers_takes_no_part() -> None:
    model, x = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).train(), torch.rand(3, 4)
    recording = trace(model, x, seed=1)
    with torch.device("meta"):
        report = validate(recording, model, x)
        assert report, str(report)
        assert validate_while_running(model, x, seed=1)


def test_factories_are_run_again_on_the_default_device_of_the_pass() -> None:
    x = torch.rand(3)
    with torch.device("cpu"):
        recording = trace(Function(lambda x: x * torch.arange(3)), (x,))
    with torch.device("meta"):
        report = validate(recording)
    assert report, str(report)


def test_a_default_device_holds_where_no_mode_acts() -> None:
    with torch.device("meta"):
        report = validate_while_running(Function(lambda x: x * torch.arange(3)), torch.rand(3, device="meta"))
    assert not report.counts["failed"], str(report)


def test_attention_is_replayed_by_the_kernels_that_were_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    q = torch.randn(2, 2, 16, 8)

    def forward(q: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return nn.functional.scaled_dot_product_attention(q * 1, q * 2, q)

    recording = trace(Function(forward), (q,))
    allowed: list[list[SDPBackend]] = []

    def spy(kernels: list[SDPBackend], **options: Any) -> Any:
        allowed.append(kernels)
        return sdpa_kernel(kernels, **options)

    monkeypatch.setattr("torch.nn.attention.sdpa_kernel", spy)
    report = validate(recording)
    assert report, str(report)
    assert allowed
    assert all(kernels == [SDPBackend.MATH] for kernels in allowed)
    assert torch.backends.cuda.flash_sdp_enabled()
    allowed.clear()
    plain = trace(Function(lambda q: nn.functional.scaled_dot_product_attention(q, q, q)), (q,))
    assert validate(plain)
    assert not allowed


def test_placing_that_adds_up_is_held_to_the_tolerance_of_sums() -> None:
    index, x = torch.randint(0, 3, (20_000,), generator=torch.Generator().manual_seed(0)), torch.randn(20_000)

    def forward(x: Tensor) -> Tensor:
        return torch.zeros(3).index_put((index,), x * 1, accumulate=True)

    recording = trace(Function(forward), (x,))
    placed = next(o.id for o in recording.trace.operations if o.function is not None and o.function.name == "index_put")
    other = torch.zeros(3).index_put((index.flip(0),), x.flip(0), accumulate=True)
    assert not torch.equal(other, recording.tensors[placed])
    output = recording.trace.outputs[0]
    reordered = recording.replace(tensors=recording.tensors.replace({placed: other, output: other}))
    report = validate(reordered)
    assert report, str(report)
    false = recording.replace(tensors=recording.tensors.replace({placed: other * 1.01, output: other * 1.01}))
    assert not validate(false)
    plain = trace(Function(lambda x: torch.zeros(3).index_put((torch.arange(3),), x * 1)), (x[:3],))
    placed, output = plain.trace.outputs[0] - 1, plain.trace.outputs[0]
    near = torch.nextafter(plain.tensors[placed], torch.ones(3) * 9)  # pyright: ignore[reportArgumentType]
    assert not validate(plain.replace(tensors=plain.tensors.replace({placed: near, output: near})))


X = torch.tensor([[0.1, 0.4], [0.5, 0.9]])
I = torch.tensor([1, 0])  # noqa: E741


@pytest.mark.parametrize(
    ("name", "path", "value", "args", "kwargs", "is_refused"),
    [
        ("bernoulli", (0,), X * 3, [X], {}, True),
        ("bernoulli", (0,), X * 0.5, [X], {}, False),
        ("bernoulli", (1,), X * 3, [X, X], {}, True),
        ("binary_cross_entropy", (0,), -X, [X, X], {}, True),
        ("binary_cross_entropy", (1,), -X, [X, X], {}, True),
        ("binary_cross_entropy", (2,), -X, [X, X, X], {}, False),
        ("multinomial", (0,), X * 0, [X, 1], {}, True),
        ("multinomial", (0,), X * 9, [X, 1], {}, False),
        ("poisson", (0,), X * float("nan"), [X], {}, True),
        ("add", (0,), -X, [X, X], {}, False),
        ("index_select", (2,), I + 1, [X, 0, I], {}, True),
        ("index_select", (2,), I - 1, [X, 0, I], {}, True),
        ("index_select", (2,), I * 0, [X, 0, I], {}, False),
        ("getitem", (1,), I - 2, [X, I], {}, False),
        ("getitem", (1,), I - 3, [X, I], {}, True),
        ("nll_loss", (1,), I - 101 * I, [X, I], {}, False),
        ("nll_loss", (1,), I - 7 * I, [X, I, None, 1, -6], {}, False),
        ("nll_loss", (1,), I - 7 * I, [X, I, None, 1, -100], {}, True),
        ("one_hot", (0,), I + 1, [I, 2], {}, True),
        ("one_hot", (0,), I + 1, [I, -1], {}, False),
        ("masked_scatter", (1,), X > 0, [X, X > 0.4, X[0]], {}, True),
        ("masked_scatter", (1,), X > 0.8, [X, X > 0.4, X[0]], {}, False),
        ("repeat_interleave", (1,), I + 1, [X, I, 0], {"output_size": 1}, True),
        ("repeat_interleave", (1,), I.flip(0), [X, I, 0], {"output_size": 1}, False),
        ("repeat_interleave", (1,), I - 1, [X, I, 0], {}, True),
    ],
)
def test_what_a_function_would_refuse_is_known_beforehand(
    name: str, path: Any, value: Tensor, args: list[Any], kwargs: dict[str, Any], is_refused: bool
) -> None:
    args[path[0]] = value
    assert (refusal(name, {path: value}, args, kwargs) is not None) is is_refused
