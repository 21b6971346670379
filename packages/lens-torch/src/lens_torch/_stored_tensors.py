"""How are stored values read: each when it is asked for, and never a wrong one?

Only the list is in memory.  A value is mapped from its file when asked for, compared with its checksum, and put
together by its encoding.  A file that was checked is remembered by what the system says of it (number, size, time of
change), so that a large value is not summed up at each look while its file stays as it is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from lens_graph import LoadError, StoredPart, StoredTensor, TensorIndex
from lens_torch._decodings import decode
from lens_torch._encodings import CODES, Encoded
from lens_torch._shards import bytes_of
from lens_trace import NotSavedError, Operation, OperationId

_Stamp = tuple[int, int, int, int]
_open: Any = safe_open  # safetensors declares no types


class StoredValues:
    """Reads the arrays of a folder."""

    def __init__(self, folder: Path, device: torch.device | None = None) -> None:
        self.folder = folder
        self.device = device
        self._checked: dict[tuple[str, str], _Stamp] = {}

    def read(self, stored: StoredTensor) -> torch.Tensor:
        """Reads one value.

        Raises:
            LoadError: Its file is gone, was changed, or does not hold what is listed.
        """
        parts = {part.role: self._part(part) for part in stored.parts}
        tensor = decode(Encoded(stored.encoding, stored.dtype, stored.shape, parts, dict(stored.settings)))
        return tensor if self.device is None or tensor.is_meta else tensor.to(self.device)

    def check(self, index: TensorIndex) -> None:
        """Reads every value once.

        Raises:
            LoadError: One of them cannot be read, or was changed.
        """
        for stored in index.tensors:
            self.read(stored)

    def _part(self, part: StoredPart) -> torch.Tensor:
        place = self.folder / part.file
        try:
            stamp = _stamp(place)
            with _open(place, framework="pt") as file:
                found = file.get_slice(part.name)
                if found.get_dtype() != part.dtype or tuple(found.get_shape()) != part.shape:
                    raise LoadError(f"{part.name} in {place} is not {part.dtype}{list(part.shape)}.", path=place)
                tensor: torch.Tensor = file.get_tensor(part.name)
        except (OSError, SafetensorError, RuntimeError, ValueError, MemoryError) as error:
            if isinstance(error, LoadError):
                raise
            raise LoadError(f"{part.name} in {place} cannot be read: {error}", path=place) from error
        if CODES.get(tensor.dtype) != part.dtype or tuple(tensor.shape) != part.shape:
            raise LoadError(f"{part.name} in {place} is not {part.dtype}{list(part.shape)}.", path=place)
        if self._checked.get((part.file, part.name)) != stamp:
            if hashlib.sha256(bytes_of(tensor)).hexdigest() != part.sha256:
                raise LoadError(f"{part.name} in {place} was changed: its checksum is another one.", path=place)
            self._checked[part.file, part.name] = stamp
        return tensor


class StoredTensors(Mapping[OperationId, torch.Tensor]):
    """The values in a folder by operation id; each look reads one."""

    def __init__(self, values: StoredValues, index: TensorIndex) -> None:
        self._values = values
        self._outputs = {one.operation: one for one in index.tensors if one.write is None and one.backward is None}
        self._written = {(one.operation, one.write): one for one in index.tensors if one.write is not None}
        self.nbytes = sum(one.nbytes for one in self._outputs.values())
        """Bytes of all values; none of them is held in memory."""

    def __getitem__(self, key: OperationId | int | Operation) -> torch.Tensor:
        """Reads the value of an operation."""
        index = key.id if isinstance(key, Operation) else key
        stored = self._outputs.get(index)
        if stored is None:
            raise NotSavedError(f"The value of operation {index} was not kept.")
        return self._values.read(stored)

    def __contains__(self, key: object) -> bool:
        return (key.id if isinstance(key, Operation) else key) in self._outputs

    def __iter__(self) -> Iterator[OperationId]:
        return iter(self._outputs)  # pyright: ignore[reportReturnType] - the keys are operation ids

    def __len__(self) -> int:
        return len(self._outputs)

    @property
    def written_keys(self) -> tuple[tuple[int, int], ...]:
        """What operations wrote beside their outputs, as `written` takes it."""
        return tuple(self._written)  # pyright: ignore[reportReturnType] - None was left out

    def written(self, operation: OperationId | int, write: int) -> torch.Tensor:
        """Reads what an operation wrote beside its output."""
        stored = self._written.get((operation, write))
        if stored is None:
            raise NotSavedError(f"Write {write} of operation {operation} was not kept.")
        return self._values.read(stored)


class StoredGradients:
    """The gradients in a folder."""

    def __init__(self, values: StoredValues, index: TensorIndex) -> None:
        self._values = values
        self._found: dict[int, dict[int, StoredTensor]] = {}
        for one in index.tensors:
            if one.backward is not None:
                self._found.setdefault(one.operation, {})[one.backward] = one
        self.reasons = dict(index.unreached)
        """Operations whose gradient autograd does not tell."""
        self.passes = index.backward_passes
        """How many backward passes there were."""

    @property
    def operations(self) -> tuple[int, ...]:
        """Operations with a gradient."""
        return tuple(self._found)

    def of(self, operation: int) -> Mapping[int, torch.Tensor]:
        """The gradients of an operation's value by backward pass, each read when asked for."""
        return _Read(self._values, self._found.get(operation, {}))

    def spec(self, operation: int) -> tuple[tuple[int, ...], str, int] | None:
        """Shape, type and bytes of the latest."""
        found = self._found.get(operation)
        latest = found[max(found)] if found else None
        return None if latest is None else (latest.shape, latest.dtype, latest.nbytes)

    def reason(self, operation: int) -> str | None:
        """Why an operation's gradient cannot be told."""
        return self.reasons.get(operation)


class _Read(Mapping[int, torch.Tensor]):
    """Stored values under numbers, read when asked for."""

    def __init__(self, values: StoredValues, stored: Mapping[int, StoredTensor]) -> None:
        self._values = values
        self._stored = stored

    def __getitem__(self, key: int) -> torch.Tensor:
        return self._values.read(self._stored[key])

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._stored))

    def __len__(self) -> int:
        return len(self._stored)


def check_places(index: TensorIndex, files: frozenset[str], folder: Path) -> None:
    """Checks that values are listed in files that the manifest lists, once each.

    Raises:
        LoadError: They are not.
    """
    seen: set[tuple[int, int | None, int | None]] = set()
    for one in index.tensors:
        if (one.operation, one.write, one.backward) in seen:
            raise LoadError(f"{folder} lists a value of operation {one.operation} twice.", path=folder)
        seen.add((one.operation, one.write, one.backward))
        for part in one.parts:
            if part.file not in files or not part.file.startswith("tensors/"):
                raise LoadError(f"{folder} lists a value in {part.file!r}, which is no file of it.", path=folder)


def _stamp(place: Path) -> _Stamp:
    status = os.stat(place)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
