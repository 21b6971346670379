"""Small models of the gallery, for what no library has: loops, an IF, noise, a U-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SimpleRNN(nn.Module):
    """A cell applied to four steps of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.from_input, self.from_state, self.head = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, sequence: Tensor) -> Tensor:
        state = torch.zeros(sequence.shape[0], 16)
        for step in sequence.unbind(1):
            state = torch.tanh(self.from_input(step) + self.from_state(state))
        return self.head(state)


class Figure3(nn.Module):
    """The recurrent model of the paper's Figure 3A."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = torch.cos(x)
            x = self.fc(x)
            x = x + 1
            x = torch.sin(x)
        return x


class Gate(nn.Module):
    """A model that decides."""

    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        if (x - 5).mean() > 3:
            return self.high(x) / (x + 1)
        return self.low(x) / (x + 1)


class NoisyNorm(nn.Module):
    """Noise made inside the model, and buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.register_buffer("mask", torch.ones(8, 16, 16))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.conv(x)))
        noise = torch.randn(x.shape) * 0.1
        return (x + noise) / (self.mask + 1)


class Twice(nn.Sequential):
    """Two convolutions, each with a rectifier."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__(
            nn.Conv2d(inside, outside, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(outside, outside, 3, padding=1),
            nn.ReLU(),
        )


class UNet(nn.Module):
    """Down, up, and the bridges between."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2, self.bottom = Twice(3, 16), Twice(16, 32), Twice(32, 64)
        self.pool = nn.MaxPool2d(2)
        self.up2, self.up1 = nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)
        self.merge2, self.merge1 = Twice(64, 32), Twice(32, 16)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.down1(x)
        coarse = self.down2(self.pool(fine))
        x = self.up2(self.bottom(self.pool(coarse)))
        x = self.merge2(torch.cat([coarse, x], 1))
        x = self.merge1(torch.cat([fine, self.up1(x)], 1))
        return self.head(x)
