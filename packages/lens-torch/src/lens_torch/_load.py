"""How does a stored history come back with its values?

The structure is read by lens-graph; the values stay in their files and are read one by one when they are asked for.
"""

from __future__ import annotations

import os
from typing import Literal

import torch

from lens_graph import ModelHistory, open_folder, read_history, read_index
from lens_torch._history_files import HistoryFiles
from lens_torch._stored_tensors import StoredGradients, StoredTensors, StoredValues, check_places


def load(
    path: str | os.PathLike[str],
    *,
    device: torch.device | str | None = None,
    check: Literal["when read", "now"] = "when read",
) -> ModelHistory:
    """Reads a history that `history.save` or `save_to` wrote.  No model is needed and no code is run.

    Args:
        path: The folder.
        device: Where values go when they are read; None for the CPU.
        check: When the checksums of values are compared: "when read", each at its first reading, or "now", all of them.
            Those of everything else are compared now.

    Returns: The history.  Values are mapped from their files when asked for.  What is alive is not there: functions and
        random states (`NotStoredError`), objects among the arguments and parameters (their records stand for them).
    Raises: `LoadError`: the folder is no whole, unchanged history that this version can read; also later, when a value
        is read whose file is gone or was changed.

    Cost: a few microseconds an operation; with "now", reading every file once.
    """
    if check not in ("when read", "now"):
        raise ValueError(f"check is {check!r}; give 'when read' or 'now'.")
    folder = open_folder(path)
    index = read_index(folder)
    check_places(index, frozenset(entry.name for entry in folder.manifest.files), folder.path)
    values = StoredValues(folder.path, None if device is None else torch.device(device))
    tensors = StoredTensors(values, index)
    gradients = StoredGradients(values, index) if index.has_gradients else None
    if check == "now":
        values.check(index)
    return read_history(
        folder, index, tensors=tensors, gradients=gradients, tensor_files=HistoryFiles(tensors, gradients)
    )
