"""Small models whose layers are known by hand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Figure3A(nn.Module):
    """One linear layer applied twice, among functions that come again."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cos(x)
        x = self.fc(x)
        x = x + 1
        x = torch.sin(x)
        x = torch.cos(x)
        x = self.fc(x)
        return x + 1


class Figure3B(nn.Module):
    """A block of three functions twice in a row, and once more after another function."""

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(2):
            x = torch.cos(x)
            x = torch.relu(x)
            x = x * 2
        x = torch.tan(x)
        x = torch.cos(x)
        x = torch.relu(x)
        return x * 2


class Function(nn.Module):
    """Any function as a model without parameters."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs)


class CellLoop(nn.Module):
    """A recurrent cell unrolled over time."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell
        self.readout = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = None
        outputs: list[Tensor] = []
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
            outputs.append(self.readout(state[0] if isinstance(state, tuple) else state))
        return torch.stack(outputs, dim=1)


class HandWrittenLSTM(nn.Module):
    """The gates written out, with a call that returns four tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.from_input = nn.Linear(5, 32)
        self.from_state = nn.Linear(8, 32)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(x.shape[0], 8)
        c = torch.zeros(x.shape[0], 8)
        for step in range(x.shape[1]):
            gates = self.from_input(x[:, step]) + self.from_state(h)
            i, f, n, o = gates.chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(n)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h


class Block(nn.Module):
    """A transformer block."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class Albert(nn.Module):
    """One block, applied again and again."""

    def __init__(self, depth: int = 6) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.block = Block()
        self.depth = depth

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        for _ in range(self.depth):
            x = self.block(x)
        return x @ self.embed.weight.T


class Stack(nn.Module):
    """Different blocks, one after the other."""

    def __init__(self, depth: int = 6) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class Siamese(nn.Module):
    """Two inputs through one tower."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 8))

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return (self.tower(a) - self.tower(b)).abs().sum(1)


class Cornet(nn.Module):
    """Two areas, each recurrent, joined by lateral and feedback connections."""

    def __init__(self, steps: int = 4) -> None:
        super().__init__()
        self.into, self.up, self.down = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.lateral1, self.lateral2 = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        drive = self.into(x)
        v1 = torch.zeros_like(drive)
        v2 = torch.zeros_like(drive)
        for _ in range(self.steps):
            v1 = self.relu(drive + self.lateral1(v1) + self.down(v2))
            v2 = self.relu(self.up(v1) + self.lateral2(v2))
        return v2.mean((2, 3))


class UNet(nn.Module):
    """Down, up and a skip connection, told the time."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.out = nn.Conv2d(1, 4, 3, 2, 1), nn.ConvTranspose2d(4, 4, 2, 2), nn.Conv2d(5, 1, 1)
        self.time = nn.Linear(1, 4)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = F.silu(self.down(x) + self.time(t)[:, :, None, None])
        return self.out(torch.cat([self.up(h), x], dim=1))


class Sampler(nn.Module):
    """A diffusion sampler around a U-Net."""

    def __init__(self, steps: int = 50) -> None:
        super().__init__()
        self.unet = UNet()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        for step in reversed(range(self.steps)):
            noise = self.unet(x, torch.full((x.shape[0], 1), step / self.steps))
            x = x - 0.02 * noise
            x = x + 0.01 * torch.randn_like(x)
        return x


class FixedPoint(nn.Module):
    """Iterate until it stands still, or to the limit."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        nn.init.constant_(self.fc.weight, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        z = torch.zeros_like(x)
        for _ in range(30):
            following = torch.tanh(self.fc(z) + x)
            if (following - z).norm() < 1e-4:
                break
            z = following
        return z


class EarlyExit(nn.Module):
    """Stop as soon as the classifier is sure; only the last pass is returned."""

    def __init__(self) -> None:
        super().__init__()
        self.step, self.classifier = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores = x
        for step in range(5):
            x = torch.relu(self.step(x))
            scores = self.classifier(x)
            if step == 3 or scores.softmax(-1).max() > 0.999:
                break
        return scores


class SharedHead(nn.Module):
    """A detection head over five levels of a pyramid."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(nn.Conv2d(4, 4, 3, 2, 1) for _ in range(5))
        self.head = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        levels: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            levels.append(self.head(x).flatten(2))
        return torch.cat(levels, dim=2)


class TwoAddresses(nn.Module):
    """One module under two names, and one activation in and out of the loop."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = self.a
        self.relu = nn.ReLU()
        self.last = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.a(x))
        x = self.relu(self.b(x))
        return self.relu(self.last(x))


class TwoFunctions(nn.Module):
    """One weight used by an embedding and by a matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 6)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.linear(self.embed(tokens), self.embed.weight)


class Residuals(nn.Module):
    """A loop over different convolutions: no loop in the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(6))

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = x + F.relu(conv(x))
        return x


class InnerLoop(nn.Module):
    """A loop without parameters inside a module that is called in a loop."""

    class Smooth(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            for _ in range(3):
                x = torch.exp(x)
                x = torch.tanh(x)
            return x

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.smooth = self.Smooth()

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(4):
            x = self.fc(x)
            x = self.smooth(x)
        return x


class Experts(nn.Module):
    """Slices of one parameter at different indices."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.rand(3, 4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weights[0] + x @ self.weights[1] + x @ self.weights[2]


class CachedAttention(nn.Module):
    """Greedy decoding with keys and values that grow by one each step."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        keys = self.k(x)
        values = self.v(x)
        for _ in range(4):
            x = torch.softmax(self.q(x[:, -1:]) @ keys.transpose(1, 2), dim=-1) @ values
            keys = torch.cat([keys, self.k(x)], dim=1)
            values = torch.cat([values, self.v(x)], dim=1)
        return x
