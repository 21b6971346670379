"""Models whose histories are hard to keep: recurrent, branching, writing, partial, with many kinds of layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Loop(nn.Module):
    """A recurrent model with a buffer, noise, and a decision."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(4, 4)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = torch.tanh(self.step(x)) + 0 * torch.rand(4)
        self.count.add_(1)
        if x.sum() > 100:
            x = -x
        return x + self.count


class Branches(nn.Module):
    """Several inputs and outputs, views, one call with several results."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.GELU())

    def forward(self, x: torch.Tensor, *, scale: torch.Tensor) -> dict[str, Any]:
        first, second = self.left(x).chunk(2, -1)
        top = torch.topk(self.right(x), 2, -1)
        return {"sum": first + second + top.values * scale, "places": [top.indices, first], "same": x}


class Writes(nn.Module):
    """Writes in place, through views, into its buffer and its input."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.add_(1)
        y = self.norm(x) * 2
        y[0].zero_()
        view = y[1]
        view += 1
        y.mul_(3)
        y[:, 0] = x[:, 1]
        return self.act(y)


class Objects(nn.Module):
    """Arguments of many kinds, a constant, a list of modules and one that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv1d(2, 2, 3, padding=1), nn.MaxPool1d(2)])
        self.never = nn.Linear(1, 1)
        self.table = torch.linspace(0, 1, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        x = torch.einsum("bct,t->bc", x[..., :2], self.table[1:3])
        x = torch.where(x > float("-inf"), x, torch.full_like(x, float("-inf")))
        return x.to(torch.float64, copy=True).clamp(min=-1e300)[None, ..., ::1].masked_fill(x.isnan(), 2**60)


def _simple(model: Callable[[], nn.Module], shape: tuple[int, ...]) -> Callable[[], tuple[nn.Module, Any, Any]]:
    def make() -> tuple[nn.Module, Any, Any]:
        torch.manual_seed(0)
        return model(), torch.randn(shape), None

    return make


def _branches() -> tuple[nn.Module, Any, Any]:
    torch.manual_seed(0)
    return Branches(), torch.randn(2, 4), {"scale": torch.tensor(2.0)}


def _lstm() -> nn.Module:
    return nn.LSTM(4, 3, num_layers=2)


def _transformer() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()


MODELS: dict[str, Callable[[], tuple[nn.Module, Any, Any]]] = {
    "loop": _simple(Loop, (2, 4)),
    "branches": _branches,
    "writes": _simple(Writes, (3, 4)),
    "objects": _simple(Objects, (2, 2, 6)),
    "lstm": _simple(_lstm, (5, 2, 4)),
    "transformer": _simple(_transformer, (2, 5, 8)),
    "identity": _simple(nn.Identity, (2,)),
}
"""Ways to make a model and its arguments."""
