"""Small models that do what few models do: ragged, sparse, quantized and empty tensors, writes in turn, odd numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.lens_validate.small_models import Function

X = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
_torch: Any = torch  # the stubs of nested and foreach functions are incomplete


def _nested(x: Tensor) -> Tensor:
    parts = _torch.nested.nested_tensor([x[0, :2], x[1, :3]])
    return _torch.nested.to_padded_tensor(parts * 2, 0.0)


def _jagged(x: Tensor) -> Tensor:
    parts = _torch.nested.nested_tensor([x[0, :2, None], x[1, :3, None]], layout=torch.jagged)
    return (parts * 2 + 1).values().sum()


def _foreach(x: Tensor) -> Tensor:
    first, second = x * 1, x * 2
    _torch._foreach_add_([first, second], 1.0)
    _torch._foreach_zero_([second])
    return first + second


def _views_in_turn(x: Tensor) -> tuple[Tensor, Tensor]:
    y = x * 1
    top, rest = y[0], y[1:]
    top.mul_(2)
    rest.add_(top)
    y[:, 0] = 7
    top.zero_()
    return y.sum(), rest.clone()


def _overlapping(x: Tensor) -> Tensor:
    y = x.reshape(-1) * 1
    windows = y.unfold(0, 4, 2)
    windows.data.mul_(2)
    windows[1:3].data.add_(x[0, :4])
    return y + windows.sum()


def _swapped_through_views(x: Tensor) -> Tensor:
    y = x * 1
    first, second = y[0], y[1]
    kept = first.clone()
    first.copy_(second)
    second.copy_(kept)
    return y


def _written_by_data(x: Tensor) -> Tensor:
    y = x * 1
    y.data.mul_(2)
    y.data = y.data + 1
    return y * 3


def _turned_in_place(x: Tensor) -> Tensor:
    y = x * 1
    y.t_()
    y.unsqueeze_(0)
    y.add_(1)
    return y.squeeze_(0) @ x


def _into_given(x: Tensor) -> tuple[Tensor, Tensor]:
    target, pieces = torch.empty(3, 5), torch.empty(2, 5)
    torch.add(x, 1, out=target)
    torch.mul(target, 2, out=target)
    torch.cat([x[:1], target[:1]], out=pieces)
    return target, pieces


def _by_mask_and_index(x: Tensor) -> Tensor:
    y = x.clone()
    y[y < 0] = 0
    y[:, 1:3] = y[:, 2:4].clone()
    y[[0, 2], [1, 1]] = 5
    y[0] += y[1]
    y.index_put_((torch.tensor([0, 0, 1]), torch.tensor([1, 1, 2])), torch.ones(3), accumulate=True)
    return y.scatter_add_(1, torch.zeros(3, 2, dtype=torch.long), x[:, :2])


def _masks(x: Tensor) -> Tensor:
    seen = torch.ones(6, 6, dtype=torch.bool).tril()
    bias = torch.zeros(6, 6).masked_fill(~seen, float("-inf"))
    attend = F.scaled_dot_product_attention
    return attend(x, x * 2, x + 1, attn_mask=seen) + attend(x, x, x, attn_mask=bias)


def _random(x: Tensor) -> tuple[Tensor, ...]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        noise = torch.randn(3, 5)
    own = torch.Generator().manual_seed(1)
    drawn = torch.rand(3, 5, generator=own) + torch.bernoulli(x.sigmoid(), generator=own)
    return x + noise + drawn, torch.multinomial(x.exp(), 2), torch.poisson(x.exp()), F.dropout(x, 0.5)


def _dropped_in_place(x: Tensor) -> Tensor:
    y = x * 1
    F.dropout(y, 0.5, inplace=True)
    return y.mul_(3).relu_()


def _until_large(x: Tensor) -> Tensor:
    h = torch.zeros_like(x)
    while h.norm() < 3:
        h = torch.tanh(x + h) + 0.3
    return h


def _complex(x: Tensor) -> tuple[Tensor, ...]:
    z = torch.fft.fft2(x) * torch.complex(x, x.flip(0))
    return torch.view_as_real(z.conj().resolve_conj()).sum(-1), z.abs(), z.imag, z.mH @ z


def _whole_numbers(x: Tensor) -> tuple[Tensor, ...]:
    y = (x > 3) & (x < 8) | (x == 0)
    return y.any(1).sum() + (x // 2 % 3).bitwise_xor(x).sum(), y ^ True, ~y, x.to(torch.uint16).view(8, 2)


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([3, 2, 2, 1]), batch_first=True)
        return nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]


class Averaging(nn.Module):
    """A buffer that is replaced in each forward."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(5)
        self.register_buffer("mean", torch.zeros(3, 5))

    def forward(self, x: Tensor) -> Tensor:
        self.mean = self.mean * 0.9 + self.norm(self.norm(x) * 2) * 0.1
        return self.mean + 1


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            y = self.layer(x)
            z = y @ y.T
        return z.float().softmax(-1), self.layer(y.float())


class Large(nn.Module):
    """Large enough to be perturbed in its first row."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu_(self.norm(self.conv(x))), 2) + 1


_FUNCTIONS: dict[str, tuple[Callable[..., Any], Tensor]] = {
    "nested": (_nested, X),
    "jagged": (_jagged, X),
    "foreach": (_foreach, X),
    "overlapping memory": (_overlapping, X),
    "views in turn": (_views_in_turn, X),
    "swapped through views": (_swapped_through_views, X),
    "written by data": (_written_by_data, X),
    "turned in place": (_turned_in_place, X),
    "into given": (_into_given, X),
    "by mask and index": (_by_mask_and_index, X),
    "masks": (_masks, torch.randn(2, 2, 6, 8)),
    "random": (_random, X),
    "dropped in place": (_dropped_in_place, X),
    "until large": (_until_large, X),
    "complex": (_complex, torch.randn(4, 4)),
    "whole numbers": (_whole_numbers, torch.randint(0, 9, (4, 4))),
    "resized": (lambda x: (x * 1).resize_(4, 5)[:3] + 1, X),
    "sparse": (lambda x: x.relu().to_sparse().coalesce().indices().sum() + torch.sparse.sum(x.to_sparse()), X),
    "quantized": (lambda x: torch.quantize_per_tensor(x, 0.1, 10, torch.quint8).dequantize() + 1, X),
    "nothing": (lambda x: torch.cat([F.linear(x, torch.ones(2, 5)), torch.ones(1, 2)]), torch.zeros(0, 5)),
    "odd numbers": (
        lambda x: (x + 1, x * 0, torch.nan_to_num(x), x.isnan(), 1 / x, x.clamp(0, 2)),
        torch.tensor([1.0, float("inf"), float("nan"), -0.0]),
    ),
    "eight bits": (lambda x: (x.to(torch.float8_e4m3fn).float() * 2, x.half() @ x.half().T), X),
    "shared results": (lambda x: ([y := x.relu(), y], {"a": [y, x]}, x), X),
}


def odd_models() -> dict[str, tuple[nn.Module, Any]]:
    """Returns each model with its argument."""
    torch.manual_seed(0)
    return {
        **{name: (Function(function), x) for name, (function, x) in _FUNCTIONS.items()},
        "packed": (Packed(), torch.randn(4, 3, 8)),
        "averaging": (Averaging(), X),
        "mixed": (Mixed(), X),
        "large": (Large(), torch.randn(8, 8, 40, 40)),
        "large in evaluation": (Large().eval(), torch.randn(8, 8, 40, 40)),
    }
