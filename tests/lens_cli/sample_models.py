"""Small things that a MODEL argument, or another name of code, can lead to."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import nn


class Small(nn.Module):
    """Two layers that want 4 features."""

    def __init__(self, width: int = 3, act: str = "relu") -> None:
        super().__init__()
        self.first = nn.Linear(4, width)
        self.act = act

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(torch, self.act)(self.first(x))


class Failing(nn.Module):
    """Fails at its last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.last = nn.Linear(5, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.first(x)))


class Wide(nn.Module):
    """A model that cannot be made without an argument."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(4, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.first(x)


class Deep(nn.Module):
    """The model of `Small`, and one more block with a part of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)
        self.block = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.ReLU()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(torch.relu(self.first(x)))


class Words(nn.Module):
    """Integer input."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(2, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.embedding(x)


class Loop(nn.Module):
    """One layer with three passes, a buffer, and a tied parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(4, 4)
        self.again = nn.Linear(4, 4)
        self.again.weight = self.step.weight
        self.register_buffer("shift", torch.ones(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = torch.tanh(self.step(x))
        return self.again(x) + self.shift


class Named(nn.Module):
    """Keyword arguments, one of them a switch."""

    def forward(self, x: torch.Tensor, *, scale: torch.Tensor, negate: bool = False) -> torch.Tensor:
        return -x * scale if negate else x * scale


class Picture(nn.Module):
    """An image, 3 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).mean((2, 3))


class Mode(nn.Module):
    """Tells its mode, and speaks when it runs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print("running")
        return x.sin() if self.training else x.cos()


class Interrupted(nn.Module):
    """Somebody presses Ctrl-C while it runs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise KeyboardInterrupt


instance = Small()
number = 3


def no_model() -> int:
    """Returns what is no model."""
    return 3


def broken() -> nn.Module:
    """Fails by itself."""
    raise RuntimeError("the weights are elsewhere")


def one_input() -> torch.Tensor:
    """Returns the one argument."""
    return torch.ones(2, 4)


def keyword_inputs() -> dict[str, Any]:
    """Returns keyword arguments."""
    return {"x": torch.ones(2, 4), "scale": torch.ones(4), "negate": True}


def two_inputs() -> tuple[torch.Tensor, int]:
    """Returns positional arguments."""
    return torch.ones(2, 4), 5


def wants_one(x: Any) -> Any:
    """Returns its argument."""
    return x


def halved(image: Any) -> torch.Tensor:
    """Makes a PIL image of any size a tensor of 3x4x4."""
    import numpy as np

    return torch.as_tensor(np.array(image.resize((4, 4)))).permute(2, 0, 1) / 510


def shout(entry: Any) -> str:
    """Captions a node."""
    return f"CAPTION {entry.layer_type}" if hasattr(entry, "layer_type") else "CAPTION"


def page(entry: Any) -> str:
    """Links a node."""
    return "https://example.org/layer"


class Slow(nn.Module):
    """Takes a moment for each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.2)
        return self.first(x)


class Mixing(nn.Module):
    """Has a layer without a row for each stimulus."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.flatten().sin().reshape(x.shape)


class Forked(nn.Module):
    """Goes another way when the first number is large."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.sin() if x[0, 0] > 0.5 else x.cos().abs()
        return x + 1


def doubled(value: torch.Tensor) -> torch.Tensor:
    """Makes of a value what is stored."""
    return value * 2
