"""Small models that between them use every kind of record: views, writes, several outputs, random draws, modes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Function(nn.Module):
    """A model that is one function of its inputs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.norm = nn.Linear(6, 6), nn.Linear(6, 6), nn.LayerNorm(6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.second(torch.relu(self.first(x))))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = torch.tanh(self.cell(x) + x)
        return x


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.attention(x, x, x, need_weights=False)[0])


class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places, self.head = nn.Embedding(11, 6), nn.Embedding(7, 6), nn.Linear(6, 11)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.words(tokens) + self.places(torch.arange(tokens.shape[1])))


class Stateful(nn.Module):
    """Counts its calls: a second forward differs from the first."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


class Buffered(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor([1.5, -2.0, 0.5]))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.offset = torch.tensor([0.25, 0.5, 1.0])

    def forward(self, x: Tensor) -> Tensor:
        self.steps += 1
        return x * self.scale + self.offset * self.steps


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(6, 6, bias=False), nn.Linear(6, 6, bias=False)
        self.decoder.weight = self.encoder.weight

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = torch.sigmoid(self.encoder(x))
        return {"hidden": hidden, "output": self.decoder(hidden)}


class Autocast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.second(F.gelu(self.first(x))).float().softmax(-1)


def views(x: Tensor) -> Tensor:
    y = x * 1
    z = y[0:2]
    z.zero_()
    return y + 1


def several_views(x: Tensor) -> Tensor:
    y = x * 2
    y[:, 0] = x[:, 1]
    y[1].mul_(3)
    y.view(-1)[2:4] += 5
    return y.sin() + y.t().reshape(y.shape)


def shifted(x: Tensor) -> Tensor:
    y = x + 0
    y[1:].copy_(y[:-1].clone())
    y.add_(y)
    return y / 3


def several_outputs(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    values, indices = torch.topk(x, 3)
    low, high = torch.split(values, [1, 2], dim=-1)
    return low * 2, high - indices[..., 1:], torch.sort(x, descending=True).values


def masked(x: Tensor) -> Tensor:
    mask = x > 0
    y = torch.where(mask, x, x * 0.1)
    return y.masked_fill(mask & (x > 1), 7.0) - torch.clamp(x, -0.5, 0.5)


def scores(x: Tensor) -> Tensor:
    causal = torch.tril(torch.ones(x.shape[0], x.shape[0], dtype=torch.bool))
    weights = (x @ x.t() / math.sqrt(x.shape[1])).masked_fill(~causal, float("-inf"))
    return weights.softmax(-1) @ x


def spectrum(x: Tensor) -> Tensor:
    y = torch.fft.fft(x)
    return (y * torch.polar(torch.ones_like(x), x)).abs() + y.imag + torch.fft.ifft(y).real


def scattered(x: Tensor, index: Tensor) -> Tensor:
    sums = torch.zeros(4, x.shape[1]).index_add(0, index, x)
    picked = torch.gather(x, 1, index[:, None].clamp(max=x.shape[1] - 1))
    return sums.sum(0) + picked + x[index].cumsum(0)


def into(x: Tensor) -> Tensor:
    target = torch.empty_like(x)
    torch.mul(x, 3, out=target)
    return torch.einsum("ij,kj->ik", target, x) - torch.addmm(x @ x.t(), x, x.t(), beta=0.5, alpha=2)


def noise(x: Tensor) -> Tensor:
    return F.dropout(x, 0.5) - x + torch.randn_like(x) * torch.bernoulli(torch.full_like(x, 0.3))


def decisions(x: Tensor) -> Tensor:
    if x.sum() > 0:
        x = x * 2
    return x - x.mean() if x.max().item() > 0.1 else x + x.std()


def integers(x: Tensor) -> Tensor:
    y = (x * 10).long()
    return (y % 3) + (y // 2) * (y > 1) - y.argmax(-1, keepdim=True) + F.one_hot(y.abs() % 4, 4).sum(-1)


def subtraction(x: Tensor, y: Tensor) -> Tensor:
    return (
        (x - y) / (1 + y.abs()) + torch.pow(x.abs() + 1, y) + torch.stack([x, y]).sum(0) + torch.cat([x, y], 0).mean(0)
    )


def small_models() -> dict[str, tuple[nn.Module, tuple[Tensor, ...]]]:
    """Returns models with inputs by name, made anew with the same numbers at every call."""
    torch.manual_seed(7)
    plane, image, rows = torch.randn(4, 6), torch.randn(2, 3, 8, 8), torch.randn(4, 5)
    convolutional = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 5)
    )
    training = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.4)).train()
    scaled = nn.Sequential(
        nn.ConvTranspose2d(3, 4, 2, stride=2),
        nn.GroupNorm(2, 4),
        nn.SiLU(),
        nn.AvgPool2d(2),
        nn.Upsample(scale_factor=2),
    )
    models: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {
        "perceptron": (nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 6), nn.Softmax(-1)).eval(), (plane,)),
        "convolutional": (convolutional.eval(), (image,)),
        "training": (training, (image,)),
        "scaled": (scaled.eval(), (image,)),
        "residual": (Residual().eval(), (plane,)),
        "recurrent": (Recurrent().eval(), (rows,)),
        "lstm": (nn.LSTM(5, 4, batch_first=True).eval(), (rows[None],)),
        "gru": (nn.GRU(5, 4, bidirectional=True).eval(), (rows[:, None],)),
        "attention": (Attention().eval(), (torch.randn(2, 3, 8),)),
        "transformer": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).train(), (torch.randn(2, 3, 8),)),
        "embedded": (Embedded().eval(), (torch.randint(0, 11, (2, 5)),)),
        "buffered": (Buffered().eval(), (torch.randn(2, 3),)),
        "tied": (Tied().eval(), (plane,)),
        "autocast": (Autocast().eval(), (torch.randn(3, 8),)),
        "scattered": (Function(scattered), (torch.randn(4, 5), torch.tensor([0, 2, 1, 2]))),
        "subtraction": (Function(subtraction), (torch.randn(3, 4), torch.randn(3, 4))),
    }
    for function in (
        views,
        several_views,
        shifted,
        several_outputs,
        masked,
        scores,
        spectrum,
        into,
        noise,
        decisions,
        integers,
    ):
        models[function.__name__] = (Function(function), (plane.clone(),))
    return models
