"""A part of a call is only believed for what holds of the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import lens_trace
from lens_validate import validate, validate_while_running
from lens_validate._check import find_edges
from lens_validate._conclusion import by_id
from lens_validate._part import _RULES, Part, first_row  # pyright: ignore[reportPrivateUsage]
from lens_validate._perturb import Noise
from lens_validate._replay import prepare, run
from lens_validate._values import SavedValues

X, ROWS, IMAGE = torch.randn(4, 20, 30, 40), torch.randn(4, 200, 128), torch.randn(4, 16, 40, 40)
W = torch.randn(128, 128) / 11
CALLS: dict[str, Callable[[], Tensor]] = {
    "add": lambda: X + X.flip(0),
    "add of another shape": lambda: X + X[:1],
    "addcmul": lambda: torch.addcmul(X, X.flip(0), X[0, 0]),
    "lerp": lambda: torch.lerp(X, X.flip(0), 0.3),
    "prelu": lambda: F.prelu(X, torch.rand(20)),
    "clamp": lambda: X.clamp(-0.5, 0.5),
    "conv1d": lambda: F.conv1d(X.flatten(1, 2)[:, :64], torch.randn(700, 64, 3)),
    "conv2d": lambda: F.conv2d(IMAGE, torch.randn(16, 8, 3, 3), padding=1, groups=2),
    "conv_transpose2d": lambda: F.conv_transpose2d(IMAGE, torch.randn(16, 16, 3, 3)),
    "max_pool2d": lambda: F.max_pool2d(IMAGE, 3, 1),
    "avg_pool2d": lambda: F.avg_pool2d(IMAGE, 3, 1),
    "linear": lambda: F.linear(ROWS, W, W[0]),
    "batch_norm": lambda: F.batch_norm(IMAGE, torch.randn(16), torch.rand(16) + 0.5, torch.rand(16)),
    "group_norm": lambda: F.group_norm(IMAGE, 4, torch.rand(16)),
    "layer_norm": lambda: F.layer_norm(ROWS, (128,), W[0]),
    "matmul": lambda: ROWS @ W,
    "bmm": lambda: torch.bmm(ROWS, ROWS.transpose(1, 2)),
}


def part_of(function: Callable[[], Tensor]) -> tuple[Any, Part | None]:
    recording = lens_trace.trace(_Model(function), ())
    known = by_id(recording.trace)
    last = next(o for o in reversed(recording.trace.operations) if o.kind == "call")
    call = prepare((last,), SavedValues(recording), recording, known)
    with torch.no_grad():
        return call, first_row(call, run(call))


class _Model(nn.Module):
    def __init__(self, function: Callable[[], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self) -> Tensor:
        return self.function()


@pytest.mark.parametrize("name", CALLS)
def test_the_first_row_alone_gives_the_first_row_of_the_whole(name: str) -> None:
    call, part = part_of(CALLS[name])
    assert part is not None
    assert call.name in _RULES
    torch.testing.assert_close(run(part.call).outputs[0], part.before[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "function",
    [
        lambda: F.batch_norm(IMAGE, torch.zeros(16), torch.ones(16), training=True),
        lambda: F.layer_norm(ROWS, (4, 200, 128)),
        lambda: F.dropout(X, 0.5),
        lambda: F.linear(ROWS[0, 0], torch.randn(70_000, 128)),
        lambda: F.conv2d(IMAGE[0], torch.randn(64, 16, 3, 3)),
        lambda: X.softmax(0),
        lambda: X[0, 0] + 1,
    ],
    ids=["statistics", "the whole normalised", "dropout", "no rows", "no batch", "across rows", "small"],
)
def test_rows_that_hang_together_are_not_parted(function: Callable[[], Tensor]) -> None:
    assert part_of(function)[1] is None


def test_an_argument_without_effect_is_proven_so_and_not_passed_by_a_part() -> None:
    call, part = part_of(lambda: F.conv2d(IMAGE, torch.zeros(64, 16, 3, 3), torch.ones(64)))
    assert part is not None
    edges = list(find_edges(call, run(call), SavedValues(call.recording), Noise(0)))
    verdicts = {edge.path: edge.verdict for edge in edges}
    assert verdicts == {(0,): "exempt", (1,): "passed", (2,): "passed"}


def test_large_batches_have_the_same_verdicts_in_both_modes() -> None:
    model = nn.Sequential(nn.Conv2d(16, 32, 3), nn.BatchNorm2d(32), nn.ReLU(inplace=True), nn.MaxPool2d(2)).eval()
    full, windowed = validate(lens_trace.trace(model, IMAGE), model, IMAGE), validate_while_running(model, IMAGE)
    assert full and windowed
    assert [o.verdict for o in full.operations] == [o.verdict for o in windowed.operations]
    recording = lens_trace.trace(model, IMAGE)
    recording.tensors[1][3, 5, 2, 2] += 1e-2
    assert 1 in validate(recording).causes
