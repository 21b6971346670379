"""How do the rows of one batch of stimuli lie in a file?

A safetensors file with one tensor a layer; its metadata tell the stimuli and a checksum of each layer's rows.  It
appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch

from lens_torch._errors import StimuliError


def write_rows(path: Path, names: Sequence[str], values: Mapping[str, torch.Tensor]) -> None:
    """Writes the rows of each layer.

    Raises:
        StimuliError: A layer has not exactly one row for each stimulus, or values that no file can hold.
    """
    rows = {layer: _rows(layer, value, len(names)) for layer, value in values.items()}
    try:
        # Memory of their own, whatever views the values were.
        owned = {layer: value.detach().to("cpu").contiguous().clone() for layer, value in rows.items()}
        told = {"stimuli": list(names), "sha256": {layer: _checksum(value) for layer, value in owned.items()}}
        data = safetensors.torch.save(owned, {name: _json(value) for name, value in told.items()})
    except Exception as error:
        raise StimuliError(f"These values cannot be written as safetensors: {error}. Transform them first.") from error
    write_whole(path, data)


def read_rows(path: Path, layer: str) -> torch.Tensor:
    """Returns the rows of a layer.

    Raises:
        StimuliError: There is no such layer, or the file is damaged.
    """
    with _opened(path) as file:
        known = list(file.keys())
        if layer not in known:
            raise StimuliError(f"{path.parent.parent} has no layer {layer!r}; it has {', '.join(known)}.")
        rows: torch.Tensor = file.get_tensor(layer)
        if _checksums(file).get(layer) != _checksum(rows):
            raise _damaged(path, f"the rows of {layer!r} do not have their checksum")
        return rows


def layers_in(path: Path) -> list[str]:
    """Returns the names of the layers in a file."""
    with _opened(path) as file:
        return list(file.keys())


def check_rows(path: Path, names: Sequence[str]) -> None:
    """Sees that a file holds the rows of these stimuli.

    Raises:
        StimuliError: It is damaged, or holds those of others.
    """
    with _opened(path) as file:
        told: dict[str, str] = file.metadata() or {}
        if told.get("stimuli") != _json(list(names)):
            raise StimuliError(
                f"{path} holds other stimuli than {names[0]!r} to {names[-1]!r}: stimuli were added, removed or "
                "renamed. Write to another folder."
            )
        for layer in list(file.keys()):
            if file.get_slice(layer).get_shape()[0] != len(names):
                raise StimuliError(f"{path} has not one row of {layer!r} for each stimulus.")


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file that appears with all of its content or not at all."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _rows(layer: str, value: torch.Tensor, count: int) -> torch.Tensor:
    if value.ndim and value.shape[0] == count:
        return value
    if count == 1:
        return value[None]  # all of it belongs to the one stimulus
    raise StimuliError(
        f"{layer!r} has shape {tuple(value.shape)} for {count} stimuli, so its rows cannot be told apart; "
        "run one stimulus at a time (batch size 1), or choose another layer."
    )


def _opened(file: Path) -> Any:
    try:
        opened: Any = safetensors.safe_open
        return opened(file, "pt")
    except Exception as error:
        raise _damaged(file, str(error)) from error


def _damaged(file: Path, reason: str) -> StimuliError:
    return StimuliError(f"{file} is missing or damaged: {reason}. Delete it, and the batch is made again.")


def _checksums(file: Any) -> dict[str, str]:
    told: dict[str, str] = file.metadata() or {}
    try:
        return msgspec.json.decode(told.get("sha256", "{}"), type=dict[str, str])
    except msgspec.MsgspecError:
        return {}


def _checksum(value: torch.Tensor) -> str:
    return hashlib.sha256(value.reshape(-1).view(torch.uint8).numpy().data).hexdigest()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
