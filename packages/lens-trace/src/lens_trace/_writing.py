"""What becomes of memory that is written?

Everything that lies there is protected before, and the write is noted: in the log of the storage, or, where nobody but
the tensor looks at it, with the operation alone.  Memory with a raw handle abroad is written without torch noticing;
`lens_trace._outside` finds out, and what it finds is noted here too.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch

from lens_trace._aliases import Memory, geometry_of
from lens_trace._lazy import own_memory
from lens_trace._outside import Outside
from lens_trace._rows import Owner, Owning, Reference, Row, Written
from lens_trace._saving import Saver
from lens_trace._state import ModelState
from lens_trace._storages import is_alone

_Tensor = torch.Tensor
_storage_of = torch._C.TensorBase.untyped_storage


class Writing:
    """Protects memory and notes writes."""

    state: ModelState
    saver: Saver
    memory: Memory
    outside: Outside
    has_escaped: bool
    """Whether a raw handle on some memory is abroad."""

    def __init__(self) -> None:
        self.has_escaped = False
        self.outside = Outside(self.memory)
        self._alone: set[int] = set()

    def reference(self, tensor: torch.Tensor) -> Reference:
        """Returns what a tensor refers to."""
        raise NotImplementedError

    def describe_buffers(self) -> None:
        """Notes what the buffers met look like."""
        raise NotImplementedError

    def add_source(self, kind: str, tensor: torch.Tensor, key: int | None) -> int:
        """Notes a value that no call made."""
        raise NotImplementedError

    def has_alone(self, tensor: torch.Tensor, owner: Owning) -> bool:
        """Tells whether a tensor's memory was made in this pass and nobody but the tensor looks at it.

        Asked before a write.
        """
        key = owner.storage
        if (
            type(tensor) is not _Tensor
            or owner.reference() is not tensor
            or key is None
            or key in self.saver.outside
            or key in self.memory.inner
        ):
            return False
        if key in self.saver.borrowed:  # saved by reference, which does not count: it gets its copy, as it must anyway
            self.saver.before_write(key)
        try:
            return is_alone(_storage_of(tensor))
        except (RuntimeError, NotImplementedError):
            return False

    def before_writes(self, targets: list[tuple[tuple[int | str, ...], torch.Tensor]], resizes: bool = False) -> None:
        """Protects what lies in memory that is about to be written."""
        for path, tensor in targets:
            key = self.memory.storage_key(tensor)
            if key is None:
                continue
            owner = self.memory.owners.get(id(tensor))
            (self._alone.add if owner is not None and self.has_alone(tensor, owner) else self._alone.discard)(
                id(tensor)
            )
            self.state.before_write(tensor, key)
            self.saver.before_write(key)
            if resizes or type(path[0]) is str:  # `out=`
                own_memory(tensor)

    def log_write(self, tensor: torch.Tensor, operation: int, write: int | None) -> None:
        """Notes that an operation wrote a tensor's memory; the tensor object is its value from now on."""
        key = self.memory.storage_key(tensor)
        previous = self.memory.owners.get(id(tensor))
        seen = 0
        if key is not None:
            seen = self._log(key, Written(operation, write, geometry_of(tensor)))
        if previous is not None and previous.reference() is tensor:
            owner = Owner(previous.reference, operation, key, write, seen, previous.parameter, previous.buffer)
        else:
            owner = Owner(weakref.ref(tensor), operation, key, write, seen)
        self.memory.own(tensor, owner)
        if id(tensor) in self._alone and key is not None:  # who meets this memory anew finds nothing older in it
            self.memory.first_owner[key] = owner
        self.saver.wrote(operation, tensor, key)

    def rewrite(self, row: Row, tensor: torch.Tensor, key: int) -> int:
        """Notes that an operation wrote a tensor that nobody else shares memory with: the row owns all of it.

        Returns:
            How often the content has changed.
        """
        memory = self.memory
        log = memory.logs.get(key) if memory.logs else None
        row.is_inplace = True
        row.seen = seen = 0 if log is None else len(log)
        memory.first_owner[key] = row
        rewrites = memory.rewrites[key] = memory.rewrites.get(key, 0) + 1
        if self.saver.is_watched:
            self.saver.wrote(row.operation, tensor, key)
        return seen + rewrites

    def before_swap(self, *tensors: torch.Tensor) -> None:
        """Protects two tensors whose contents are about to be exchanged, and sees to it that both are known."""
        for tensor in tensors:
            self.reference(tensor)
        self.describe_buffers()
        for tensor in tensors:
            self.state.before_write(tensor, self.memory.storage_key(tensor))
            self.state.before_flag(tensor)
        self.state.before_backward()
        self.outside.let_go()

    def after_swap(self, one: torch.Tensor, other: torch.Tensor) -> None:
        """Notes that two tensors have exchanged what they hold."""
        self.memory.swap(one, other)
        self.saver.swap(one, other, self.state.is_given)

    def _log(self, key: int, written: Written) -> int:
        log = self.memory.logs.setdefault(key, [])
        log.append(written)
        if self.has_escaped and self.outside.is_watched(key):
            self.outside.mirror(key, written)
            self.outside.refresh(key)
        return len(log)

    def escape(self, tensor: torch.Tensor, handle: Any = None) -> None:
        """Notes that a raw handle on a tensor's memory is abroad."""
        key = self.memory.storage_key(tensor)
        if key is None:
            return
        self.state.before_write(tensor, key)
        own_memory(tensor)
        self.saver.escape(key)
        self.outside.watch(tensor, key, handle)
        self.has_escaped = True

    def _see_outside_writes(self, key: int) -> None:
        for part in self.outside.changed(key):
            self._log(key, Written(self.add_source("constant", part, key), None, geometry_of(part)))
