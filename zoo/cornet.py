"""Recurrent models of the visual system, written here after the published descriptions of the CORnet family.

*Z* is feed-forward; *R* repeats each area on its own input; *RT* lets activity flow for some steps in biological
time, so that every area runs at every step on what the area before had a step ago; *S* repeats a bottleneck with a
skip inside each area, with batch norms of its own for every repetition.  Source: Kubilius et al., "Brain-like object
recognition with high-performing shallow recurrent ANNs" (2019).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zoo._catalogue import Case, Entry

_AREAS = {"V1": (3, 16), "V2": (16, 24), "V4": (24, 32), "IT": (32, 48)}


def entries() -> Iterator[Entry]:
    """The four models, and two smaller recurrent ones."""
    for build in (_z, _r, _rt, _s, _feedback, _gated):
        yield Entry(f"cornet/{build.__name__.removeprefix('_')}", "recurrent vision models", "torch", build)
    yield Entry("cornet/s.train", "recurrent vision models", "torch", _s, "train")


def _case(model: Any) -> Case:
    import torch

    return model, (torch.rand(2, 3, 64, 64),), {}


def _decoder(torch: Any) -> Any:
    nn = torch.nn
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(_AREAS["IT"][1], 10))


def _area(torch: Any, seen: int, made: int) -> Any:
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(seen, made, 3, stride=2, padding=1), nn.GroupNorm(4, made), nn.ReLU(inplace=True))


def _z() -> Case:
    import torch

    areas = [_area(torch, *widths) for widths in _AREAS.values()]
    return _case(torch.nn.Sequential(*areas, _decoder(torch)))


def _r() -> Case:
    import torch

    class Area(torch.nn.Module):
        def __init__(self, seen: int, made: int, steps: int = 4) -> None:
            super().__init__()
            self.enter = torch.nn.Conv2d(seen, made, 3, stride=2, padding=1)
            self.again = torch.nn.Conv2d(made, made, 3, padding=1)
            self.norm = torch.nn.GroupNorm(4, made)
            self.steps = steps

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            driven = self.enter(x)
            state = torch.zeros_like(driven)
            for _ in range(self.steps):
                state = torch.relu(self.norm(self.again(driven + state)))
            return state

    return _case(torch.nn.Sequential(*(Area(*widths) for widths in _AREAS.values()), _decoder(torch)))


def _rt() -> Case:
    import torch

    class Timed(torch.nn.Module):
        def __init__(self, steps: int = 5) -> None:
            super().__init__()
            self.enter = torch.nn.ModuleDict(
                {n: torch.nn.Conv2d(*widths, 3, stride=2, padding=1) for n, widths in _AREAS.items()}
            )
            self.again = torch.nn.ModuleDict(
                {n: torch.nn.Conv2d(made, made, 3, padding=1) for n, (_, made) in _AREAS.items()}
            )
            self.decoder = _decoder(torch)
            self.steps = steps

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            states: dict[str, torch.Tensor] = {}
            width = image.shape[-1]
            for name, (_, made) in _AREAS.items():
                width //= 2
                states[name] = image.new_zeros(len(image), made, width, width)
            for _ in range(self.steps):
                before = {"V1": image, "V2": states["V1"], "V4": states["V2"], "IT": states["V4"]}
                states = {n: torch.relu(self.enter[n](before[n]) + self.again[n](states[n])) for n in _AREAS}
            return self.decoder(states["IT"])

    return _case(Timed())


def _s() -> Case:
    import torch

    class Area(torch.nn.Module):
        def __init__(self, seen: int, made: int, times: int) -> None:
            super().__init__()
            self.enter = torch.nn.Conv2d(seen, made, 1, bias=False)
            self.skip = torch.nn.Conv2d(made, made, 1, stride=2, bias=False)
            self.norm_skip = torch.nn.BatchNorm2d(made)
            self.widen = torch.nn.Conv2d(made, 4 * made, 1, bias=False)
            self.mix = torch.nn.Conv2d(4 * made, 4 * made, 3, padding=1, bias=False)
            self.mix_first = torch.nn.Conv2d(4 * made, 4 * made, 3, stride=2, padding=1, bias=False)
            self.narrow = torch.nn.Conv2d(4 * made, made, 1, bias=False)
            self.norms = torch.nn.ModuleList(
                torch.nn.ModuleList(torch.nn.BatchNorm2d(n) for n in (4 * made, 4 * made, made)) for _ in range(times)
            )
            self.relu = torch.nn.ReLU(inplace=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.enter(x)
            for time, (first, second, third) in enumerate(self.norms):
                skip = self.norm_skip(self.skip(x)) if time == 0 else x
                y = self.relu(first(self.widen(x)))
                y = self.relu(second((self.mix_first if time == 0 else self.mix)(y)))
                x = self.relu(third(self.narrow(y)) + skip)
            return x

    times = {"V1": 1, "V2": 2, "V4": 4, "IT": 2}
    areas = [Area(*_AREAS[name], times[name]) for name in _AREAS]
    return _case(torch.nn.Sequential(*areas, _decoder(torch)))


def _feedback() -> Case:
    import torch

    class TopDown(torch.nn.Module):
        """Two areas; the higher one speaks back to the lower one until an answer is certain."""

        def __init__(self) -> None:
            super().__init__()
            self.low = torch.nn.Conv2d(3, 8, 5, stride=2, padding=2)
            self.high = torch.nn.Conv2d(8, 16, 3, stride=2, padding=1)
            self.back = torch.nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1)
            self.answer = torch.nn.Linear(16, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen = self.low(x)
            low = torch.relu(seen)
            for _ in range(6):
                high = torch.relu(self.high(low))
                answer = self.answer(high.mean((2, 3))).softmax(-1)
                if answer.max() > 0.9:
                    break
                low = torch.relu(seen + self.back(high))
            return answer

    return _case(TopDown())


def _gated() -> Case:
    import torch

    class Gated(torch.nn.Module):
        """A convolutional gated recurrent unit over the rows of an image."""

        def __init__(self) -> None:
            super().__init__()
            self.gates = torch.nn.Conv1d(3 + 8, 16, 3, padding=1)
            self.candidate = torch.nn.Conv1d(3 + 8, 8, 3, padding=1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            state = image.new_zeros(len(image), 8, image.shape[-1])
            for row in image[:, :, ::8].unbind(2):
                reset, update = self.gates(torch.cat([row, state], 1)).sigmoid().chunk(2, 1)
                proposed = self.candidate(torch.cat([row, reset * state], 1)).tanh()
                state = torch.lerp(state, proposed, update)
            return state

    return _case(Gated())
