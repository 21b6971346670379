"""How is one tiny model of diffusers built, and what do the words in its row stand for?"""

from __future__ import annotations

import math
from typing import Any

import diffusers
import torch

from zoo._catalogue import Case


def build(name: str, sizes: dict[str, Any], inputs: dict[str, Any]) -> Case:
    """The model with random weights, and values of the shapes and kinds that its row asks for."""
    torch.manual_seed(0)
    model = getattr(diffusers, name)(**sizes)
    return (
        model,
        (),
        {key: torch.randn(what) if isinstance(what, tuple) else _value(what) for key, what in inputs.items()},
    )


def _value(word: str) -> Any:
    kind = word.rstrip("0123456789x")
    sizes = [int(n) for n in word.removeprefix(kind).split("x") if n]
    rows = sizes[0] if len(sizes) > 1 else 2
    match kind:
        case "time":
            return torch.tensor([7, 3][: sizes[0] if sizes else 2])
        case "part":
            return torch.tensor([0.7, 0.3])
        case "classes":
            return torch.tensor([1, 2])
        case "codes":
            return torch.randint(0, 32, (2, 4, 4))
        case "mask":
            return torch.ones(rows, sizes[-1])
        case "true":
            return torch.ones(rows, sizes[-1], dtype=torch.bool)
        case "places":
            return torch.cat([torch.zeros(sizes[0], 1), torch.arange(2.0 * sizes[0]).view(-1, 2) % 4], dim=1)
        case "rotation":
            angles = torch.rand(*sizes) * 2 * math.pi
            return angles.cos(), angles.sin()
        case "shapes":
            return [[(1, 4, 4)]] * 2
        case "encoded":
            return [(torch.randn(2, 6, 32), torch.ones(2, 6))]
        case "two" | "four":
            return {"two": 2, "four": 4}[kind]
        case _:
            return {"resolution": None, "aspect_ratio": None}
