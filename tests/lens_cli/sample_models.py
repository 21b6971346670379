"""Small things that a MODEL argument can name."""

from __future__ import annotations

import torch
from torch import nn


class Small(nn.Module):
    """Two layers that want 4 features."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.first(x))


class Wide(nn.Module):
    """A model that cannot be made without an argument."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(4, width)


class Words(nn.Module):
    """Integer input."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(2, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.embedding(x)


instance = Small()
number = 3


def no_model() -> int:
    """Returns what is no model."""
    return 3


def broken() -> nn.Module:
    """Fails by itself."""
    raise RuntimeError("the weights are elsewhere")
