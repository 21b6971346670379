"""How are values written while the model runs, so that memory holds none of them?

`save_to` opens a folder before the model runs; each kept value goes to it as it is made, and the history that comes
back reads it from there.  When the pass is over tables and records follow, and the manifest makes the folder a stored
history.  If anything fails in between, what was written is taken away again.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from msgspec import Struct

from lens_graph import (
    FolderWriter,
    ModelHistory,
    TensorIndex,
    encode_records,
    has_room_for_tables,
    write_structure,
    write_tables,
)
from lens_torch._shards import SHARD_NBYTES
from lens_torch._stored_tensors import StoredTensors, StoredValues
from lens_torch._tensor_writer import TensorWriter


class Destination(Struct, frozen=True):
    """A folder for the values of a pass, where `save_to` needs more than its path."""

    path: str | os.PathLike[str]
    """A folder that does not exist or is empty."""
    overwrite: bool = False
    """Replace a stored history that lies there, once the new one is whole."""
    shard_nbytes: int = SHARD_NBYTES
    """A file is closed when it has reached this size."""


class Stream:
    """Takes values away as they are made (`lens_trace.Store`)."""

    def __init__(self, destination: Destination) -> None:
        self.folder = FolderWriter(destination.path, overwrite=destination.overwrite)
        self._writer = TensorWriter(self.folder, destination.shard_nbytes)
        self._index: TensorIndex | None = None

    def put(self, key: int | tuple[int, int], tensor: torch.Tensor) -> None:
        """Writes a value."""
        operation, write = key if isinstance(key, tuple) else (key, None)
        self._writer.add(tensor, operation, write=write)

    def tensors(self, *, has_gradients: bool, device: torch.device | None) -> StoredTensors:
        """Closes the files and returns the values in them."""
        self._index = self._writer.finish(has_gradients=has_gradients)
        # Until the manifest is written they may lie beside the place where they will be; see `finish`.
        self._values = StoredValues(self.folder.root, device)
        return StoredTensors(self._values, self._index)

    def finish(self, history: ModelHistory) -> None:
        """Writes the records and makes the folder whole."""
        assert self._index is not None
        facts = history.interpretation
        if has_room_for_tables():
            write_tables(facts, self.folder)
        write_structure(facts, self.folder, self._index, encode_records(facts))
        self._values.folder = Path(self.folder.path)
