"""How do weights from a file enter a model?

`.safetensors`, or what `torch.save(model.state_dict())` wrote, read without running code.  Names must match: a weight
that is silently left random makes every activation wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from lens_cli._errors import FileError
from lens_cli._pickles import load_tensors
from lens_cli._safetensors import read_safetensors

_TOLD = 3


def load_weights(model: torch.nn.Module, path: Path) -> None:
    """Loads the weights of a file into a model.

    Raises:
        FileError: The file holds no weights, or not those of this model.
    """
    weights = _weights(path)
    state: Mapping[str, Any] = model.state_dict()
    mine = {name: tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}
    # Of tied weights a file may hold one: it is the same memory.
    given = {_memory(mine[name]) for name in weights if name in mine}
    wrong = [
        *(f"{name} is missing" for name in mine if name not in weights and _memory(mine[name]) not in given),
        *(f"{name} is not in the model" for name in weights if name not in mine),
        *(
            f"{name} is {tuple(weights[name].shape)}, in the model {tuple(mine[name].shape)}"
            for name in mine
            if name in weights and mine[name].shape != weights[name].shape
        ),
    ]
    if wrong:
        more = f"; and {len(wrong) - _TOLD:,} more" if len(wrong) > _TOLD else ""
        raise FileError(f"{str(path)!r} does not fit the model: {'; '.join(wrong[:_TOLD])}{more}.")
    model.load_state_dict(weights, strict=False)


def _memory(tensor: torch.Tensor) -> tuple[int, tuple[int, ...]]:
    return tensor.data_ptr() or id(tensor), tuple(tensor.shape)


def _weights(path: Path) -> dict[str, torch.Tensor]:
    if path.suffix.lower() == ".safetensors":
        return read_safetensors(path)
    found: Any = load_tensors(path)
    # Training scripts put the weights into a larger dictionary under this name.
    items = cast("Mapping[Any, Any]", found if isinstance(found, Mapping) else {})
    items = cast("Mapping[Any, Any]", items["state_dict"]) if "state_dict" in items else items
    if items and all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in items.items()):
        return dict(items)
    raise FileError(f"{str(path)!r} holds no weights, expected tensors by name as model.state_dict() gives them.")
