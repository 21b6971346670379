"""Which stimuli lie in a folder, and how do some of them become one batch?

Every file with an ending that can be read, in folders below too, in the order of their paths; files that begin with a
dot are left out.  A file is one stimulus: an image, or an array, tensor or entry of several without a dimension for the
batch, which is put in front.  Nothing is ever padded: the last batch is as large as what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from lens_cli._errors import FileError, InputError
from lens_cli._files import ENDINGS, IMAGES, Preparation, read_input


def find_stimuli(folder: Path) -> tuple[list[str], int]:
    """Returns the paths of the stimuli within a folder, in order, and how many files are left out.

    Raises:
        FileError: It is no folder, or holds no stimulus.
    """
    if not folder.is_dir():
        raise FileError(f"--inputs {str(folder)!r} is no folder.")
    files = [file.relative_to(folder) for file in folder.rglob("*") if file.is_file()]
    visible = [file for file in files if not any(part.startswith(".") for part in file.parts)]
    names = sorted(file.as_posix() for file in visible if file.suffix.lower() in ENDINGS)
    if not names:
        raise FileError(f"--inputs {str(folder)!r} holds no file that can be read ({' '.join(ENDINGS)}).")
    return names, len(visible) - len(names)


def read_batch(folder: Path, names: Sequence[str], preparation: Preparation) -> Any:
    """Returns some stimuli as one argument: a tensor, or tensors by name, each with a row for each stimulus.

    Raises:
        FileError: One of them cannot be read, or would run code.
        InputError: They do not fit together.
    """
    found = [_read(folder / name, preparation) for name in names]
    if all(isinstance(one, torch.Tensor) for one in found):
        return _joined(cast("list[torch.Tensor]", found), names, "")
    if all(isinstance(one, Mapping) for one in found):
        items = cast("list[Mapping[str, Any]]", found)
        keys = list(items[0])
        if all(list(one) == keys and all(isinstance(v, torch.Tensor) for v in one.values()) for one in items):
            return {key: _joined([one[key] for one in items], names, f", {key!r}") for key in keys}
    raise InputError(f"{names[0]!r} and those after it hold neither one tensor each nor tensors of the same names.")


def _read(path: Path, preparation: Preparation) -> Any:
    found = read_input(path, "", preparation)
    if path.suffix.lower() in IMAGES:
        return found  # a batch of one already
    if isinstance(found, torch.Tensor):
        return found[None]
    if isinstance(found, Mapping):
        items = cast("Mapping[str, Any]", found)
        return {key: value[None] if isinstance(value, torch.Tensor) else value for key, value in items.items()}
    return found


def _joined(tensors: list[torch.Tensor], names: Sequence[str], what: str) -> torch.Tensor:
    first = tensors[0]
    for tensor, name in zip(tensors, names, strict=True):
        if tensor.shape[0] != 1:
            raise InputError(f"{name!r}{what} is a batch of {tensor.shape[0]}, expected one stimulus a file.")
        if tensor.shape != first.shape or tensor.dtype != first.dtype:
            raise InputError(
                f"{name!r}{what} is {tuple(tensor.shape[1:])} of {tensor.dtype}, {names[0]!r} is "
                f"{tuple(first.shape[1:])} of {first.dtype}; make them alike (--image-size, --preprocess) or run them "
                "one at a time (--batch-size 1)."
            )
    return torch.cat(tensors)
