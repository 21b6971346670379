"""How do arrays get into safetensors files one by one, as they are made?

A safetensors file begins with a list of what is in it, and that is known at its end.  So room is left for the list, the
arrays are written behind it, and the list is filled in when the file is closed (the format allows blanks after it).  A
file is closed when it has reached its size or the room is used up.  Each file holds elements of one size only: then all
of them lie where their type needs them, without gaps.

An array that is there already, bit for bit, is not written again.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import sys
from typing import Any, BinaryIO

import torch
from msgspec import Struct
from msgspec.structs import replace

from lens_graph import FolderWriter, SaveError, StoredPart
from lens_torch._encodings import CODES

SHARD_NBYTES = 64 << 20
"""A file is closed when it has reached this size; a larger array has a file of its own."""
_FIRST_ROOM, _LARGEST_ROOM = 1 << 12, 1 << 20


class _Shard(Struct):
    """A file that is being written."""

    name: str
    file: BinaryIO
    room: int
    """Bytes before the first array."""
    entries: list[str]
    """What is in it, in the words of its list."""
    header_nbytes: int = 2
    offset: int = 0


class ShardWriter:
    """Writes arrays to the files of one folder."""

    def __init__(self, folder: FolderWriter, shard_nbytes: int = SHARD_NBYTES) -> None:
        if sys.byteorder != "little":
            raise SaveError("safetensors files are little-endian; this machine is not.")
        self.shard_nbytes = shard_nbytes
        self._folder = folder
        self._open: dict[int, _Shard] = {}
        self._counts: dict[int, int] = {}
        self._known: dict[tuple[str, tuple[int, ...], str], StoredPart] = {}

    def add(self, name: str, tensor: torch.Tensor, role: str = "") -> StoredPart:
        """Writes a plain CPU tensor in rows; returns where it is, in the role it plays."""
        data = bytes_of(tensor)
        code, shape, digest = CODES[tensor.dtype], tuple(tensor.shape), hashlib.sha256(data).hexdigest()
        known = self._known.get((code, shape, digest))
        if known is not None:
            return replace(known, role=role)
        nbytes = len(data)
        shard = self._shard_for(nbytes, tensor.dtype.itemsize, _listed(name, code, shape, 1 << 60, 1 << 60))
        listed = _listed(name, code, shape, shard.offset, shard.offset + nbytes)
        shard.file.write(data)
        shard.entries.append(listed)
        shard.header_nbytes += len(listed) + 1
        shard.offset += nbytes
        part = self._known[code, shape, digest] = StoredPart(role, shard.name, name, code, shape, digest)  # pyright: ignore[reportArgumentType] - one of CODES
        return part

    def close(self) -> None:
        """Closes what is open."""
        for itemsize in list(self._open):
            self._seal(itemsize)

    def _shard_for(self, nbytes: int, itemsize: int, listed: str) -> _Shard:
        shard = self._open.get(itemsize)
        if shard is not None and (
            (shard.offset and shard.offset + nbytes > self.shard_nbytes)
            or shard.header_nbytes + len(listed) > shard.room - 8
        ):
            self._seal(itemsize)
            shard = None
        if shard is None:
            count = self._counts[itemsize] = self._counts.get(itemsize, 0) + 1
            room = min(_FIRST_ROOM << (count - 1), _LARGEST_ROOM)
            while len(listed) + 2 > room - 8:  # thousands of dimensions
                room *= 2
            place = f"tensors/{itemsize}-{count:05}.safetensors"
            shard = self._open[itemsize] = _Shard(place, self._folder.create(place), room, [])
            shard.file.write(b" " * room)
        return shard

    def _seal(self, itemsize: int) -> None:
        shard = self._open.pop(itemsize)
        text = ("{" + ",".join(shard.entries) + "}").encode()
        header = (shard.room - 8).to_bytes(8, "little") + text.ljust(shard.room - 8)
        assert len(header) == shard.room
        shard.file.seek(0)
        shard.file.write(header)
        self._folder.seal(shard.name, hashlib.sha256(header).hexdigest())


def bytes_of(tensor: torch.Tensor) -> memoryview:
    """The bytes of a plain CPU tensor in rows, where they lie; valid while the tensor is."""
    nbytes = tensor.numel() * tensor.element_size()
    if not nbytes:
        return memoryview(b"")
    return memoryview((ctypes.c_char * nbytes).from_address(_address(tensor))).cast("B")


def _address(tensor: torch.Tensor) -> int:
    # Asking for the pointer of a lazy clone would copy it; it is only read here.
    core: Any = torch._C  # pyright: ignore[reportPrivateUsage] - looking without copying has no public name
    if hasattr(core, "_is_cow_tensor") and hasattr(core, "_data_address") and core._is_cow_tensor(tensor):
        return core._data_address(tensor) + tensor.storage_offset() * tensor.element_size()
    return tensor.data_ptr()


def _listed(name: str, code: str, shape: tuple[int, ...], start: int, end: int) -> str:
    entry = {"dtype": code, "shape": shape, "data_offsets": (start, end)}
    return f"{json.dumps(name)}:{json.dumps(entry, separators=(',', ':'))}"
