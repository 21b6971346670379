"""More small models, for the kill rate: precisions, groups, writes by index, attention with masks, containers."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.lens_validate.small_models import Function


class Pair(NamedTuple):
    left: Tensor
    right: Tensor


class Deep(nn.Module):
    """Modules in modules, one of them shared and one the identity."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(6, 6), nn.ReLU(inplace=True))
        self.blocks = nn.ModuleList([nn.Sequential(self.shared, nn.Identity()), nn.Sequential(self.shared)])

    def forward(self, x: Tensor) -> Pair:
        for block in self.blocks:
            x = block(x) + x
        return Pair(x, x[:, ::2])


class Counted(nn.Module):
    """A loop whose length depends on the values."""

    def forward(self, x: Tensor) -> Tensor:
        while x.norm() > 1:
            x = x / 2
        return x


class Bags(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bag, self.words = nn.EmbeddingBag(9, 4), nn.Embedding(9, 4, padding_idx=0)

    def forward(self, tokens: Tensor) -> dict[str, Any]:
        return {"bag": self.bag(tokens), "parts": [self.words(tokens).mean(1), F.one_hot(tokens % 3, 3).sum(1)]}


def written_by_index(x: Tensor) -> Tensor:
    y = torch.zeros_like(x)
    y.index_put_((torch.tensor([0, 2]), torch.tensor([1, 3])), x[0, :2], accumulate=True)
    y.scatter_(1, torch.tensor([[1], [0], [2], [5]]), 2.5)
    y[x > 1] = x[x > 1] * 3
    return y.masked_scatter(x < -1, x.abs()) + torch.scatter_add(x, 0, torch.zeros(2, 6, dtype=torch.long), x[:2])


def logic(x: Tensor) -> Tensor:
    high, low = x > 0.5, x < -0.5
    either = (high | low) ^ (x.round() == 0)
    bits = (x * 8).int()
    return torch.where(either & ~high, (bits << 1) & 6, bits.bitwise_xor(3)) + either.logical_not().int().cumsum(-1)


def waves(x: Tensor) -> tuple[Tensor, Tensor]:
    z = torch.complex(x, x.flip(0))
    z = z * z.conj() + z.exp() / (2 - 1j)
    return torch.view_as_real(z.mH @ z), z.angle() * z.real


def halves(x: Tensor) -> Tensor:
    y = x.bfloat16()
    return (y @ y.t() + y.sum()).float() + x.half().float().softmax(-1) @ x.t()


def attended(x: Tensor) -> Tensor:
    q, k, v = (x * scale for scale in (1.0, 0.5, 2.0))
    mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask) + torch.baddbmm(v @ v.mT @ v, q @ k.mT, v)


def swapped(x: Tensor) -> Tensor:
    y = x.clone()
    y[0], y[1] = y[1].clone(), y[0].clone()
    y.t_().add_(1)
    y[..., None].squeeze(-1).mul_(2)
    return y.relu_().unbind(0)[2] + torch.stack(torch.chunk(x, 2, dim=1))[0].sum(0).repeat(2)[: y.shape[1]]


def pictures(x: Tensor) -> Tensor:
    y = F.pixel_shuffle(F.pad(x, (1, 1, 1, 1), mode="reflect").repeat(1, 4, 1, 1), 2)
    y = F.interpolate(F.avg_pool2d(y, 2), scale_factor=1.5, mode="bilinear")
    return F.instance_norm(y[:, :3]) * F.grid_sample(x, torch.rand(2, 7, 7, 2) * 2 - 1, align_corners=False).mean()


def losses(x: Tensor) -> Tensor:
    target = x.argmax(1)
    return (
        F.cross_entropy(x, target)
        + F.mse_loss(x, x * 0.5)
        + F.nll_loss(x.log_softmax(1), target)
        + x.logsumexp(1).sum()
    )


def more_models() -> dict[str, tuple[nn.Module, tuple[Tensor, ...]]]:
    """Returns models with inputs by name, made anew with the same numbers at every call."""
    torch.manual_seed(11)
    plane, image, rows = torch.randn(4, 6), torch.randn(2, 3, 6, 6), torch.randn(3, 4, 5)
    grouped = nn.Sequential(
        nn.Conv2d(3, 6, 3, groups=3), nn.PReLU(6), nn.Conv2d(6, 4, 2, stride=2, dilation=1), nn.Flatten(1)
    )
    normal = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Hardtanh(), nn.Dropout1d(0.3), nn.AlphaDropout(0.2))
    models: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {
        "deep": (Deep().eval(), (plane,)),
        "counted": (Counted(), (plane,)),
        "bags": (Bags().eval(), (torch.randint(1, 9, (4, 3)),)),
        "grouped": (grouped.eval(), (image,)),
        "normal": (normal.train(), (plane,)),
        "stacked lstm": (nn.LSTM(5, 3, num_layers=2, dropout=0.3, bidirectional=True).train(), (rows,)),
        "decoder": (nn.TransformerDecoderLayer(5, 1, 7, batch_first=True).eval(), (rows, rows.flip(0))),
        "pictures": (Function(pictures), (image,)),
        "attended": (Function(attended), (rows,)),
    }
    for function in (written_by_index, logic, waves, halves, swapped, losses):
        models[function.__name__] = (Function(function), (plane.clone(),))
    return models
