"""A catalogue of models that do to the runner what real ones do."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator

import torch

from zoo._catalogue import Case, Entry


class Linear(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.linear(x))


class Crashing(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ctypes.string_at(0)
        return x


class Leaving(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        os._exit(0)


class Hanging(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(600)
        return x


class Greedy(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones(1 << 34) + x.sum()


class Raising(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("this model never runs")


class Counting(Linear):
    """Answers otherwise from one forward to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(x) * self.calls


class Loud(Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        print('{"name": "nonsense"}', flush=True)
        os.write(1, b"not json\n")
        return super().forward(x)


def entries() -> Iterator[Entry]:
    for model in (Linear, Crashing, Leaving, Hanging, Greedy, Raising, Counting, Loud):
        yield Entry(f"trouble/{model.__name__.lower()}", "trouble", "torch", lambda model=model: _case(model))
    yield Entry("trouble/broken", "trouble", "torch", _broken)
    yield Entry("trouble/absent", "absent", "no_such_library", _broken)
    yield Entry("trouble/large", "trouble", "torch", _broken, on_request=True)


def _case(model: type[torch.nn.Module]) -> Case:
    return model(), (torch.randn(2, 3),), {}


def _broken() -> Case:
    raise ValueError("no such architecture")
