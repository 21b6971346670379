"""How is a `.pt` file read without running what it brings?

By `torch.load(weights_only=True)`: tensors, numbers, texts and plain containers, nothing else.  A pickle may ask for
any function to be called, so what is refused is named and said why.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import IO, Any

import torch

from lens_cli._errors import FileError

_ASKED = re.compile(r"GLOBAL ([\w.]+)|instance of (?:class )?[\"'`<]*(?:class ')?([\w.]+)")


def load_tensors(file: Path | IO[bytes], name: str | None = None) -> Any:
    """Returns what a file holds, on the CPU.

    Args:
        file: Written by `torch.save`.
        name: What to call it in an error; its path by default.

    Raises:
        FileError: There is no such file, it is no such file, or it asks for code.
    """
    name = str(file) if name is None else name
    if isinstance(file, Path) and not file.is_file():
        raise FileError(f"There is no file {name!r}.")
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = _ASKED.search(str(error))
        culprit = next(filter(None, asked.groups()), None) if asked else None
        wants = f"asks for {culprit}" if culprit else "is no pickle of tensors and plain containers"
        raise FileError(
            f"{name!r} is refused: it {wants}, and unpickling more than tensors can run any code that a file brings "
            "(it was opened with weights_only). If you trust it, load it in a function of your own and name that."
        ) from error
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise FileError(f"{name!r} cannot be read: {type(error).__name__}: {text}") from error
