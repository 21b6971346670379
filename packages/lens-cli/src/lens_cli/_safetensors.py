"""How is a `.safetensors` file read?"""

from __future__ import annotations

from pathlib import Path

import safetensors.torch
import torch

from lens_cli._errors import FileError


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """Returns the tensors of a file by name.

    Raises:
        FileError: There is no such file, or it is damaged.
    """
    if not path.is_file():
        raise FileError(f"There is no file {str(path)!r}.")
    try:
        return safetensors.torch.load_file(path)  # pyright: ignore[reportUnknownMemberType] - its paths are untyped
    except Exception as error:
        raise FileError(f"{str(path)!r} cannot be read as safetensors: {error}") from error
