"""Nothing is lost: references held anywhere, composites, transforms, custom operators, threads."""

from __future__ import annotations

import dataclasses
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lens_trace
from tests.lens_trace.models import edges, find, names, traced

X = torch.arange(6.0) + 1
captured_sin = torch.sin


def _default(x: torch.Tensor, function: Any = torch.cos) -> torch.Tensor:
    return function(x)


@dataclasses.dataclass
class Holder:
    function: Any = torch.tanh


class ClassAttribute:
    function = staticmethod(torch.sigmoid)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: captured_sin(x), "sin"),
        (_default, "cos"),
        (functools.partial(torch.add, alpha=2, other=X), "add"),
        (lambda x: [torch.exp][0](x), "exp"),
        (lambda x: {"f": torch.log}["f"](x), "log"),
        (lambda x: Holder().function(x), "tanh"),
        (lambda x: ClassAttribute.function(x), "sigmoid"),
        (lambda x: torch.ops.aten.mul(x, 2), "mul"),
        (lambda x: torch.ops.aten.mul.Tensor(x, x), "mul"),
        (lambda x: torch._C._nn.gelu(x), "gelu"),
        (lambda x: 2 - x, "rsub"),
        (lambda x: x[None].T, "T"),
        (lambda x: x.mT if x.dim() > 1 else x[None].mT, "mT"),
        (lambda x: torch.autograd.grad((x.requires_grad_() * 2).sum(), x)[0], "grad"),
    ],
)
def test_functions_captured_anywhere_are_recorded(call: Any, name: str) -> None:
    recording = traced(call, X.clone())
    assert name in names(recording)
    assert all(o.kind != "constant" or o.address is None for o in recording.trace.operations)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: F.normalize(x, dim=0), ["linalg_vector_norm", "clamp_min", "expand_as", "div"]),
        (lambda x: x.norm(), ["linalg_vector_norm"]),
        (lambda x: F.gumbel_softmax(x), ["empty_like", "exponential_", "log", "neg", "add", "div", "softmax"]),
        (lambda x: F.max_pool1d(x[None], 2), ["__getitem__", "max_pool1d"]),
        (lambda x: torch.einsum("i,j->ij", x, x), ["einsum"]),
        (lambda x: torch.stft(x.repeat(20), 16, window=torch.ones(16), return_complex=True),
         ["repeat", "ones", "view", "pad", "view", "stft"]),
        (lambda x: x.unflatten(0, (2, 3)), ["unflatten"]),
        (lambda x: nn.init.uniform_(torch.empty(3)) + x[:3], ["empty", "uniform_", "__getitem__", "add"]),
        (lambda x: F.interpolate(x[None, None], scale_factor=2), ["__getitem__", "upsample_nearest1d"]),
    ],
)  # fmt: skip
def test_composites_are_opened(call: Any, expected: list[str]) -> None:
    assert names(traced(call, X))[1:-1] == expected


def test_the_composite_is_kept_on_the_record() -> None:
    recording = traced(lambda x: F.normalize(x, dim=0), X)
    assert find(recording, "div").called_through[0] == "torch.nn.functional.normalize"


@pytest.mark.parametrize("needs_weights", [True, False])
@torch.no_grad()
def test_attention_is_opened_also_where_torch_has_a_fast_path(needs_weights: bool) -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    q = torch.rand(2, 3, 8)
    recording = lens_trace.trace(attention, (q, q, q), {"need_weights": needs_weights})
    assert ("softmax" if needs_weights else "scaled_dot_product_attention") in names(recording)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    assert names(lens_trace.trace(encoder, q)).count("linear") == 2 * 4
    assert torch.backends.mha.get_fastpath_enabled()


def test_checkpoint_bodies_are_recorded() -> None:
    from torch.utils.checkpoint import checkpoint

    for reentrant in (True, False):
        recording = traced(
            lambda x, r=reentrant: checkpoint(lambda a: torch.sin(a) * 2, x, use_reentrant=r),
            X.clone().requires_grad_(),
        )
        assert {"sin", "mul"} <= set(names(recording))
        assert "constant" not in names(recording)


def test_autograd_functions_are_recorded_inside() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return torch.exp(x)

        @staticmethod
        def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
            return g

    recording = traced(lambda x: Double.apply(x) + 1, X.clone().requires_grad_())
    assert edges(recording) == [("input", []), ("exp", [0]), ("add", [1]), ("output", [2])]


def test_vmap_and_grad_interiors_are_recorded_with_their_edges() -> None:
    assert edges(traced(lambda x: torch.vmap(lambda a: a * 2 + 1)(x), X)) == [
        ("input", []), ("mul", [0]), ("add", [1]), ("output", [2]),
    ]  # fmt: skip
    inside = edges(traced(lambda x: torch.func.grad(lambda a: (a**2).sum())(x), X))
    assert ("pow", [1]) in inside or ("pow", [0]) in inside


def test_custom_operators_are_recorded() -> None:
    @torch.library.custom_op("lens_tests::triple", mutates_args=())
    def triple(x: torch.Tensor) -> torch.Tensor:
        return x * 3

    recording = traced(lambda x: triple(x) + 1, X)
    assert names(recording)[-3:-1] == ["triple", "add"] or "mul" in names(recording)
    assert "constant" not in names(recording)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_scripted_functions_and_modules_are_one_operation_each() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(6, 6), nn.ReLU()))
    model = nn.Sequential(nn.Linear(6, 6), scripted, nn.Tanh())
    recording = lens_trace.trace(model, X)
    assert [o.function.kind for o in recording.trace.operations if o.function] == ["function", "scripted", "function"]
    assert [len(o.parents) for o in recording.trace.operations] == [0, 1, 1, 1, 1]


def test_fx_and_export_modules_are_recorded() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
    expected = ["input", "linear", "relu", "output"]
    assert names(lens_trace.trace(torch.fx.symbolic_trace(model), X)) == expected
    exported = torch.export.export(model, (X,)).module()
    assert [n for n in names(lens_trace.trace(exported, X)) if n in ("linear", "relu")] == ["linear", "relu"]


def test_an_operation_decorator_makes_one_operation() -> None:
    @lens_trace.operation
    def blur(x: torch.Tensor) -> torch.Tensor:
        return (x + x.roll(1)) / 2

    assert names(traced(lambda x: blur(x) * 2, X)) == ["input", "blur", "mul", "output"]
    assert torch.equal(blur(X), (X + X.roll(1)) / 2)


def test_threads_that_the_model_starts_are_recorded() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        results: dict[int, torch.Tensor] = {}
        workers = [threading.Thread(target=lambda i=i: results.update({i: x * (i + 1)})) for i in range(4)]
        [w.start() for w in workers]
        [w.join() for w in workers]
        with ThreadPoolExecutor(2) as pool:
            more = list(pool.map(torch.sin, [x, x]))
        return sum(results.values()) + more[0] + more[1]

    recording = traced(forward, X)
    assert names(recording).count("mul") == 4
    assert names(recording).count("sin") == 2
    assert "constant" not in names(recording)
    assert all(p.operation < o.id for o in recording.trace.operations for p in o.parents)
