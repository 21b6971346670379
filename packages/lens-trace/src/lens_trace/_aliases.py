"""Which tensors share memory, and who wrote it last?

Every tensor object that the pass meets has an `Owner`: the operation whose value it held when last seen.  Objects are
known by identity in a side table (weak references; nothing is hung on the tensors), memory by the key of its storage
(`lens_trace._storages`).

Each storage has a log of writes.  An owner remembers how long the log was when it took its value; later entries that
overlap the tensor are *overlays*: values that reached it through another view.  Whether two views overlap is decided
exactly for strided tensors of one element size (a bounded search over the strides), else by their byte ranges.
"""

from __future__ import annotations

import math
import weakref
from typing import Any

import torch

from lens_trace._records import Geometry
from lens_trace._rows import Held, Owner, Owning, Reference, Seen, Written, owner_like
from lens_trace._storages import Storages, is_alone, storage_key, storage_keys

_SEARCH_LIMIT = 2000


class Memory:
    """Owners by object, logs by storage."""

    def __init__(
        self,
        parameters: list[torch.Tensor] | None = None,
        buffers: list[torch.Tensor] | None = None,
        outside: set[int] | None = None,
    ) -> None:
        self.owners: dict[int, Owning] = {}
        self.first_owner: dict[int, Owning] = {}
        self.logs: dict[int, list[Written]] = {}
        self.storages: Storages = {}
        self.rewrites: dict[int, int] = {}
        """Writes by storage that only the tensor written could see, so that nobody needs them in a log."""
        self.inner: set[int] = set()
        """Storages known through a tensor around their own (compressed sparse, vmap): no count tells of that one."""
        self._outside = set[int]() if outside is None else outside
        self._rest = parameters
        """Parameters that have no owner yet."""
        self.buffer_keys = storage_keys(buffers or [], self.storages, self.inner)
        self._outside.update([key for key in self.buffer_keys if key is not None])

    def storage_key(self, tensor: torch.Tensor) -> int | None:
        """Returns the key of a tensor's storage, None where it has none."""
        return storage_key(tensor, self.storages, self.inner)

    def find(self, tensor: torch.Tensor) -> Owning | None:
        """Returns the owner of a tensor object, or of the memory it looks at; None where nobody has seen it."""
        owner = self.owners.get(id(tensor))
        if owner is not None and owner.reference() is tensor:
            return owner
        if self._rest is not None:
            self.own_rest()
            return self.find(tensor)  # it may be a parameter that has its owner only now
        key = self.storage_key(tensor)
        first = self.first_owner.get(key) if key is not None else None
        if first is None:
            return None
        owner = Owner(weakref.ref(tensor), first.operation, key, first.write, first.seen, first.parameter,
                      first.buffer, True)  # fmt: skip
        self.owners[id(tensor)] = owner
        return owner

    def covers(self, stray: Owning, tensor: torch.Tensor) -> bool:
        """Tells whether a view that nobody recorded may show no more than the tensor whose memory it looks at.

        What an operation returned is taken for all of its memory.  A tensor that lived before the pass may show less:
        of a table's two halves neither is seen in the other.
        """
        first = self.first_owner.get(stray.storage) if stray.storage is not None else None
        is_source = first is not None and (type(first) is Owner or first.role is None)  # pyright: ignore[reportAttributeAccessIssue] - a row has a role
        shown = first.reference() if first is not None and is_source else None
        return shown is None or includes(geometry_of(shown), geometry_of(tensor))

    def tell_apart(self, storage: Any) -> None:
        """Finds out which memory lived before the pass, unless this memory cannot be of that kind: it is new."""
        if self._rest is not None and not is_alone(storage):
            self.own_rest()

    def own_rest(self) -> None:
        """Gives every parameter its owner, and tells which memory they have.

        This waits until a tensor turns up that might look at such memory; parameters that are used get their owners
        one by one.
        """
        if self._rest is None:
            return
        parameters, self._rest = self._rest, None
        for index, parameter in enumerate(parameters):
            key = self.storage_key(parameter)
            if key is None:
                continue
            self._outside.add(key)
            owner = self.owners.get(id(parameter))
            if owner is None or owner.reference() is not parameter:
                self.owners[id(parameter)] = owner = Owner(Held(parameter), -1, key, None, 0, index)
            self.locate(parameter, owner)

    def swap(self, one: torch.Tensor, other: torch.Tensor) -> None:
        """Exchanges what two tensor objects hold."""
        a, b = self.owners[id(one)], self.owners[id(other)]
        self.owners[id(one)], self.owners[id(other)] = owner_like(b, a.reference), owner_like(a, b.reference)

    def locate(self, parameter: torch.Tensor, owner: Owning) -> None:
        """Notes where a parameter lies; it, and of several the first, owns that memory rather than any view of it."""
        key = owner.storage = self.storage_key(parameter)
        if key is None or owner.operation >= 0 or owner.parameter is None:
            return
        first = self.first_owner.get(key)
        if first is None or first.operation >= 0 or first.parameter is None or first.parameter > owner.parameter:
            self.first_owner[key] = owner

    def own(self, tensor: torch.Tensor, owner: Owning) -> None:
        """Makes `owner` the owner of a tensor object, and of its memory if nobody has it yet."""
        self.owners[id(tensor)] = owner
        key = owner.storage
        if key is not None and key not in self.first_owner:
            self.first_owner[key] = owner

    def reference(self, tensor: torch.Tensor, owner: Owning) -> Reference:
        """Returns the owner, together with the overlays that reached the tensor since."""
        log = self.logs.get(owner.storage) if owner.storage is not None else None
        if log is None or len(log) <= owner.seen:
            return owner if not owner.is_stray else Seen(owner, (), geometry_of(tensor))
        here = geometry_of(tensor)
        overlays = tuple(w for w in log[owner.seen :] if overlaps(here, w.geometry))
        if not overlays and not owner.is_stray:
            return owner
        return Seen(owner, overlays, here)

    def log_length(self, key: int | None) -> int:
        """Returns how long the log of a storage is."""
        log = self.logs.get(key) if key is not None else None
        return len(log) if log is not None else 0

    def epoch(self, key: int | None) -> int:
        """Returns how often the content of a storage has changed."""
        return 0 if key is None else self.log_length(key) + self.rewrites.get(key, 0)

    def alive(self) -> list[tuple[torch.Tensor, int | None]]:
        """Returns the tensor objects of the pass that are still there, each with its storage."""
        return [
            (tensor, owner.storage)
            for owner in self.owners.values()
            if type(owner.reference) is not Held and (tensor := owner.reference()) is not None
        ]


def geometry_of(tensor: torch.Tensor) -> Geometry | None:
    """Returns how a tensor lies in its storage, None for layouts without strides."""
    try:
        return Geometry(
            tuple(tensor.shape), tuple(tensor.stride()), int(tensor.storage_offset()), str(tensor.dtype)[6:],
            tensor.is_conj(), tensor.is_neg(),
        )  # fmt: skip
    except (RuntimeError, NotImplementedError, TypeError):
        return None


def includes(a: Geometry | None, b: Geometry | None) -> bool:
    """Returns whether every byte that one view shows certainly is shown by the other; True where none can be told."""
    if a is None or b is None or a == b:
        return True
    if 0 in a.shape or 0 in b.shape:
        return 0 in b.shape
    (low_a, high_a), (low_b, high_b) = _range(a), _range(b)
    is_dense = math.prod(a.shape) * _itemsize(a.dtype) == high_a - low_a
    return is_dense and low_a <= low_b and high_b <= high_a


def overlaps(a: Geometry | None, b: Geometry | None) -> bool:
    """Returns False only when two views of one storage certainly share no byte."""
    if a is None or b is None:
        return True
    if 0 in a.shape or 0 in b.shape:
        return False
    (low_a, high_a), (low_b, high_b) = _range(a), _range(b)
    if high_a <= low_b or high_b <= low_a:
        return False
    if _itemsize(a.dtype) != _itemsize(b.dtype):
        return True
    ranges: dict[int, list[int]] = {}
    for shape, stride, sign in ((a.shape, a.stride, 1), (b.shape, b.stride, -1)):
        for n, s in zip(shape, stride, strict=True):
            if n > 1 and s > 0:
                low_high = ranges.setdefault(s, [0, 0])
                low_high[1 if sign > 0 else 0] += sign * (n - 1)
    return _has_solution(sorted(ranges.items(), reverse=True), b.offset - a.offset)


def _has_solution(terms: list[tuple[int, list[int]]], total: int) -> bool:
    # Is there a choice of integers low <= x <= high with sum(step * x) == total?  Yes when the search grows too long.
    lows, highs = [0], [0]
    for step, (low, high) in reversed(terms):
        lows.append(lows[-1] + step * low)
        highs.append(highs[-1] + step * high)
    lows.reverse()
    highs.reverse()
    stack, visited = [(0, total)], 0
    while stack:
        depth, rest = stack.pop()
        visited += 1
        if visited > _SEARCH_LIMIT:
            return True
        if depth == len(terms):
            if rest == 0:
                return True
            continue
        step, (low, high) = terms[depth]
        first = max(low, -((highs[depth + 1] - rest) // step))
        last = min(high, (rest - lows[depth + 1]) // step)
        if last - first > _SEARCH_LIMIT:
            return True
        stack.extend((depth + 1, rest - step * x) for x in range(first, last + 1))
    return False


def _range(geometry: Geometry) -> tuple[int, int]:
    """Returns the first byte of a view and the one behind its last."""
    last = geometry.offset + sum((n - 1) * s for n, s in zip(geometry.shape, geometry.stride, strict=True))
    size = _itemsize(geometry.dtype)
    return geometry.offset * size, (last + 1) * size


_itemsizes: dict[str, int] = {}


def _itemsize(dtype: str) -> int:
    size = _itemsizes.get(dtype)
    if size is None:
        size = _itemsizes[dtype] = getattr(torch, dtype).itemsize
    return size
