"""How does a value become an entry in the list of tensors?

It is taken apart by its encoding, its arrays go to the files, and what is needed to put it together again is noted.
Values may come from several threads.
"""

from __future__ import annotations

import threading

import torch

from lens_graph import FolderWriter, SaveError, StoredTensor, TensorIndex
from lens_torch._encodings import encode
from lens_torch._shards import SHARD_NBYTES, ShardWriter


class TensorWriter:
    """Writes values to a folder and lists them."""

    def __init__(self, folder: FolderWriter, shard_nbytes: int = SHARD_NBYTES) -> None:
        self._shards = ShardWriter(folder, shard_nbytes)
        self._listed: list[StoredTensor] = []
        self._lock = threading.Lock()

    def add(
        self, tensor: torch.Tensor, operation: int, *, write: int | None = None, backward: int | None = None
    ) -> None:
        """Writes one value.

        Args:
            tensor: The value.
            operation: Whose it is.
            write: For what the operation wrote beside its output, which of its writes.
            backward: For a gradient, which backward pass it came from.

        Raises:
            SaveError: No encoding fits.
        """
        name = f"{operation}" + (f".w{write}" if write is not None else "") + (f".g{backward}" if backward else "")
        try:
            encoded = encode(tensor)
        except SaveError as error:
            raise SaveError(f"The value of operation {operation} cannot be stored. {error}") from None
        with self._lock:
            parts = tuple(
                self._shards.add(f"{name}.{role}" if role else name, part, role) for role, part in encoded.parts.items()
            )
            settings = tuple(encoded.settings.items())
            self._listed.append(
                StoredTensor(
                    operation, write, backward, encoded.encoding, encoded.dtype, encoded.shape, nbytes_of(tensor),
                    parts, settings,
                )
            )  # fmt: skip

    def finish(
        self, *, has_gradients: bool = False, backward_passes: int = 0, unreached: tuple[tuple[int, str], ...] = ()
    ) -> TensorIndex:
        """Closes the files and returns the list."""
        self._shards.close()
        return TensorIndex(tuple(self._listed), self._shards.shard_nbytes, has_gradients, backward_passes, unreached)


def nbytes_of(tensor: torch.Tensor) -> int:
    """Elements times bytes an element."""
    try:
        return int(tensor.numel() * tensor.element_size())
    except (RuntimeError, NotImplementedError):
        return 0
