"""How is memory followed that others can write without torch noticing?

A raw handle (a numpy array, a dlpack capsule, a storage, an address) lets anybody write a tensor's memory.  From the
moment it is handed out the memory is *watched*: its content as torch last knew it is kept, and compared whenever a
tensor in it is about to be read.  The smallest box that holds every changed element becomes a source of its own, laid
over the memory like any other write, so that its readers descend from the tensor as well as from what was written.

A tensor made from such a handle has a storage of its own on the same memory (its *twin*): a write to one is a write to
the other.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch

from lens_trace._aliases import Memory
from lens_trace._records import Geometry
from lens_trace._rows import Written, owner_like
from lens_trace._storages import use_count
from lens_trace._unseen import unseen


class Watched(NamedTuple):
    """A piece of memory that somebody outside can write."""

    alias: torch.Tensor
    """A view of it, kept for as long as the pass."""
    copy: torch.Tensor
    """What torch last knew to be there."""


class Outside:
    """The memory of one pass that is watched."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._watched: dict[int, Watched] = {}
        self._ranges: list[tuple[int, int, torch.Tensor]] = []
        self._twins: dict[int, list[tuple[int, int]]] = {}
        self._handles: dict[int, tuple[Any, torch.Tensor]] = {}

    @unseen
    def watch(self, tensor: torch.Tensor, key: int, handle: Any = None) -> None:
        """Begins to watch a tensor's memory, and finds out whether it is the memory of one watched before.

        Args:
            tensor: The tensor.
            key: Its storage.
            handle: What was handed out, where it cannot be told by its address (a dlpack capsule).
        """
        alias = _whole(tensor)
        if alias is None:
            return
        known = self.at(tensor.data_ptr())
        if known is not None:
            self._pair(key, alias, known)
        self._watched[key] = Watched(alias, alias.clone())
        own = tensor.detach()
        owner = self._memory.owners.get(id(tensor))
        if owner is not None:
            self._memory.owners[id(own)] = owner_like(owner, lambda: own)
        start = alias.data_ptr()
        self._ranges.append((start, start + alias.untyped_storage().nbytes(), own))
        if handle is not None:
            self._handles[id(handle)] = (handle, own)

    def at(self, address: int) -> torch.Tensor | None:
        """Returns the tensor that was handed out with this address in its memory, the latest first."""
        for low, high, tensor in reversed(self._ranges):
            if low <= address < high:
                return tensor
        return None

    def behind(self, handle: Any) -> torch.Tensor | None:
        """Returns the tensor whose memory a capsule stands for."""
        found = self._handles.get(id(handle))
        return None if found is None else found[1]

    @unseen
    def same_as(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Returns the tensor handed out that looks at exactly the memory of this one."""
        if not self._ranges or not _has_addresses(tensor) or tensor.layout is not torch.strided or tensor.is_quantized:
            return None
        try:
            known = self.at(tensor.data_ptr())
        except RuntimeError:
            return None
        if known is None or known.data_ptr() != tensor.data_ptr():
            return None
        is_same = (known.shape, known.stride(), known.dtype) == (tensor.shape, tensor.stride(), tensor.dtype)
        return known if is_same else None

    def is_watched(self, key: int | None) -> bool:
        """Tells whether a storage is watched."""
        return key in self._watched

    @unseen
    def changed(self, key: int) -> list[torch.Tensor]:
        """Returns the parts of a storage that were written from outside since, and takes them for known."""
        alias, copy = self._watched[key]
        if not _fits(alias):  # the storage was made smaller: there is nothing to read
            return []
        differs = alias != copy
        if alias.is_floating_point() or alias.is_complex():
            differs &= ~((alias != alias) & (copy != copy))  # a NaN is itself
        if not bool(differs.any()):
            return []
        self.refresh(key)
        return [_box(alias, differs)]

    @unseen
    def refresh(self, key: int) -> None:
        """Takes what is in a storage, and in its twins, for known: torch itself has written it."""
        for known in (key, *(twin for twin, _ in self._twins.get(key, ()))):
            watched = self._watched.get(known)
            if watched is not None and _fits(watched.alias):
                self._watched[known] = watched._replace(copy=watched.alias.clone())

    def mirror(self, key: int, written: Written) -> None:
        """Notes a write in the twins of the storage that it went to."""
        for twin, shift in self._twins.get(key, ()):
            geometry = None if written.geometry is None else _shifted(written.geometry, shift)
            self._memory.logs.setdefault(twin, []).append(written._replace(geometry=geometry))

    def inherit(self, key: int, other: int) -> None:
        """Gives a storage the writes that its twin has had."""
        shift = next((shift for twin, shift in self._twins.get(other, ()) if twin == key), 0)
        log = self._memory.logs.get(other)
        if log is not None:
            self._memory.logs[key] = [
                w if w.geometry is None else w._replace(geometry=_shifted(w.geometry, shift)) for w in log
            ]

    def let_go(self) -> None:
        """Ends the watch over memory that nobody has any more but the watch itself."""
        for key, watched in list(self._watched.items()):
            storage = watched.alias.untyped_storage()
            ours = [entry for entry in self._ranges if entry[2].untyped_storage()._cdata == storage._cdata]
            if use_count(storage) == len(ours) + 2:  # the alias, the object of the storage itself
                del self._watched[key]
                for entry in ours:
                    self._memory.owners.pop(id(entry[2]), None)
                self._ranges = [entry for entry in self._ranges if all(entry is not gone for gone in ours)]

    def _pair(self, key: int, alias: torch.Tensor, known: torch.Tensor) -> None:
        other = self._memory.storage_key(known)
        if other is None or other == key:
            return
        shift = int(alias.data_ptr() - (known.data_ptr() - known.storage_offset() * known.element_size()))
        for twin, further in [(other, 0), *self._twins.get(other, [])]:
            if twin != key:
                self._twins.setdefault(key, []).append((twin, shift + further))
                self._twins.setdefault(twin, []).append((key, -shift - further))


def _whole(tensor: torch.Tensor) -> torch.Tensor | None:
    # The memory of the whole storage: the tensor itself where it covers it, else all of it in a row.
    if not _has_addresses(tensor) or tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
        return None
    if not _fits(tensor) or tensor.element_size() == 0:
        return None
    plain = tensor.detach()
    if type(plain) is not torch.Tensor or plain.is_conj() or plain.is_neg():
        return None
    nbytes = plain.untyped_storage().nbytes()
    if plain.numel() * plain.element_size() == nbytes and plain.is_contiguous():
        return plain
    whole = torch.empty(0, dtype=plain.dtype, device=plain.device)
    return whole.set_(plain.untyped_storage(), 0, (nbytes // plain.element_size(),), (1,))


def _has_addresses(tensor: torch.Tensor) -> bool:
    return tensor.is_cpu or tensor.is_cuda


def _fits(tensor: torch.Tensor) -> bool:
    last = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    needed = (tensor.storage_offset() + last + 1) * tensor.element_size() if tensor.numel() else 0
    return bool(tensor.untyped_storage().nbytes() >= needed)


def _box(alias: torch.Tensor, differs: torch.Tensor) -> torch.Tensor:
    if alias.dim() == 0:
        return alias
    places = differs.nonzero()
    low, high = places.amin(0).tolist(), places.amax(0).tolist()
    return alias[tuple([slice(a, b + 1) for a, b in zip(low, high, strict=True)])]


def _shifted(geometry: Geometry, nbytes: int) -> Geometry | None:
    size = getattr(torch, geometry.dtype).itemsize
    if math.fmod(nbytes, size):
        return None
    return Geometry(geometry.shape, geometry.stride, geometry.offset + nbytes // size, geometry.dtype,
                    geometry.is_conj, geometry.is_neg)  # fmt: skip
