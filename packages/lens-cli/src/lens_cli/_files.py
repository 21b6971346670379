"""What tensor does a file hold?

    .npy                        one array
    .pt .pth                    what torch.save wrote: tensors, numbers, texts, plain containers; never code
    .safetensors                tensors by name; one alone needs no name
    .png .jpg .jpeg .bmp ...    an image, as 1x3xHxW of float32 from 0 to 1

A `Preparation` says what is done with images and stimuli before the model sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from lens_cli._errors import FileError, InputError
from lens_cli._pickles import load_tensors
from lens_cli._safetensors import read_safetensors

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")
ENDINGS = (".npy", ".pt", ".pth", ".safetensors", *IMAGES)
"""Endings that can be read."""
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preparation:
    """What is done with what a file holds."""

    size: tuple[int, int] | None = None
    """Height and width that images are resized to."""
    is_normalized: bool = False
    """Whether images are given the mean and deviation of ImageNet."""
    function: Callable[[Any], Any] | None = None
    """Called with the PIL image or with what another file holds, instead of all of this; returns a tensor."""


def read_input(path: Path, entry: str, preparation: Preparation) -> Any:
    """Returns what a file holds.

    Args:
        path: The file.
        entry: Name of one entry of a file of several; empty for what it holds as a whole.
        preparation: What is done with it.

    Raises:
        FileError: It cannot be read, or would run code.
        InputError: It has no such entry, or an image cannot be prepared as asked.
    """
    ending = path.suffix.lower()
    if ending in IMAGES:
        return _image(path, preparation)
    if ending == ".npy":
        found: Any = _array(path)
    else:
        found = read_safetensors(path) if ending == ".safetensors" else load_tensors(path)
        if ending == ".safetensors" and not entry and len(found) == 1:
            (found,) = found.values()
    if entry:
        found = _entry(found, entry, path)
    if preparation.function is None:
        return found
    return _prepared(preparation.function(found), path)


def _entry(found: Any, entry: str, path: Path) -> Any:
    known = cast("Mapping[str, Any]", found if isinstance(found, Mapping) else {})
    if entry not in known:
        names = ", ".join(map(str, list(known)[:10])) or "none"
        raise InputError(f"{str(path)!r} has no entry {entry!r}; it has {names}.")
    return known[entry]


def _array(path: Path) -> torch.Tensor:
    if not path.is_file():
        raise FileError(f"There is no file {str(path)!r}.")
    try:
        # Mapped, so that a header which promises more than the file holds is an error and not an allocation.
        array = np.lib.format.open_memmap(path, mode="r") if path.stat().st_size else np.load(path)
        return torch.as_tensor(np.array(array.astype(array.dtype.newbyteorder("="))))
    except Exception as error:
        text = " ".join(str(error).split())
        raise FileError(
            f"{str(path)!r} cannot be read as an array: {text} (pickled objects are never read)."
        ) from error


def _image(path: Path, preparation: Preparation) -> torch.Tensor:
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError as error:
        raise FileError("Reading an image needs the package 'pillow' (pip install pillow).") from error
    if not path.is_file():
        raise FileError(f"There is no file {str(path)!r}.")
    try:
        with Image.open(path) as opened:
            # As it was held when taken, not as the sensor lay.
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except Exception as error:
        raise FileError(f"{str(path)!r} cannot be read as an image: {' '.join(str(error).split())}") from error
    if preparation.function is not None:
        pixels = _prepared(preparation.function(image), path)
        # What prepares one picture returns one picture; the model wants a batch.
        return pixels[None] if pixels.ndim == 3 else pixels
    if preparation.size is not None:
        height, width = preparation.size
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = torch.as_tensor(np.array(image)).permute(2, 0, 1).to(torch.float32) / 255
    if preparation.is_normalized:
        pixels = (pixels - torch.tensor(_IMAGENET_MEAN)[:, None, None]) / torch.tensor(_IMAGENET_STD)[:, None, None]
    return pixels[None]


def _prepared(made: Any, path: Path) -> torch.Tensor:
    if not isinstance(made, torch.Tensor):
        raise InputError(f"--preprocess returned a {type(made).__name__} for {str(path)!r}, expected a tensor.")
    return made
