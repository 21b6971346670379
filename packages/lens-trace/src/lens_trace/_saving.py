"""How are values saved, exactly and without needless copies?

Memory born in the pass is saved with torch's lazy clone (`lens_trace._lazy`), so the value stays exact whatever writes
the original later, seen by torch or not.  Where a write is seen coming the value gets its copy before, for what the
allocator does is done by one thread.  Memory of a device is referred to and copied before a write, which is seen coming
there; nothing waits for the device.  Memory that lived before the pass or that something outside can reach (inputs,
parameters, buffers, arrays of numpy) is only referred to; it is copied before the first write that is about to touch
it, and in any case at the end.  Views of one such storage are copied together.

A value in a form of one's own (`lens_trace._stored_form`) is a copy from the start.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch

from lens_trace._lazy import lazy_clone, own_memory
from lens_trace._pending import is_pinned, settle
from lens_trace._storages import is_functorch_wrapped, storage_nbytes, value_nbytes
from lens_trace._stored_form import Key, StoredForm
from lens_trace._tensors import Tensors
from lens_trace._unseen import dispatch_depth, unseen

_strided = torch.strided
_storage_of = torch._C.TensorBase.untyped_storage
_WORTH_SEVERAL_THREADS = 2**17
"""Bytes from which torch copies in all its threads, while the copy behind a lazy clone is made by one of them."""


class Saver:
    """Collects values while the model runs."""

    is_watched = False
    """Whether somebody wants to know of writes."""

    def __init__(
        self,
        *,
        detach: bool,
        device: torch.device | None,
        dtype: torch.dtype | None,
        transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        self.payloads: dict[int, torch.Tensor] = {}
        self.written: dict[tuple[int, int], torch.Tensor] = {}
        self.outside: set[int] = set()
        """Storages that something outside the pass can reach."""
        self.foreign: set[int] = set()
        """Storages that something outside may write without torch noticing: values are copied at once."""
        self.borrowed: dict[int, list[Key]] = {}
        """Values by storage that are referred to, not cloned."""
        self._lazy: dict[int, list[Key]] = {}
        self._sizes: dict[tuple[int | None, int], int] = {}
        self._copied: dict[int, int] = {}
        self._detach = detach
        self._form = StoredForm(detach, device, dtype, transform)
        self._waits = False
        self._is_plain = detach and not self._form.is_own and lazy_clone is not None

    def save_new(self, key: int, tensor: torch.Tensor, storage: int, epoch: int) -> None:
        """Saves the value of an ordinary call, as `save` does, in as few steps as can be."""
        if (
            not self._is_plain
            or dispatch_depth()
            or storage in self.outside
            or not tensor.is_cpu
            or tensor.is_quantized
        ):
            if not tensor.is_cuda or not self._is_plain or dispatch_depth() or storage in self.outside:
                self.save(key, tensor, storage, epoch)
                return
            self.payloads[key] = tensor.detach()
            self.borrowed.setdefault(storage, []).append(key)
            if (storage, epoch) not in self._sizes:
                self._sizes[(storage, epoch)] = _storage_of(tensor).nbytes()
            return
        try:
            self.payloads[key] = lazy_clone(tensor.detach() if tensor.requires_grad else tensor)  # pyright: ignore[reportOptionalCall]
        except RuntimeError:
            self.save(key, tensor, storage, epoch)
            return
        nbytes = tensor.nbytes
        if nbytes >= _WORTH_SEVERAL_THREADS:
            self._lazy.setdefault(storage, []).append(key)
        place = (storage, epoch)
        if place not in self._sizes:
            self._sizes[place] = _storage_of(tensor).nbytes()

    @unseen
    def save(self, key: Key, tensor: torch.Tensor, storage: int | None, epoch: int) -> None:
        """Saves a value; `storage` and `epoch` (writes it has had) tell which memory it shares."""
        if self._is_plain and storage is not None and storage not in self.outside and type(tensor) is torch.Tensor:
            if tensor.layout is _strided and tensor.is_cpu and not tensor.is_quantized:  # those crash when cloned so
                try:
                    saved = lazy_clone(tensor.detach() if tensor.requires_grad else tensor)  # pyright: ignore[reportOptionalCall]
                    self._put(key, saved)
                    if tensor.nbytes >= _WORTH_SEVERAL_THREADS:
                        self._lazy.setdefault(storage, []).append(key)
                except RuntimeError:
                    if is_pinned(tensor):  # what a device is still to write may not be there yet
                        self._borrow(key, tensor, storage)
                    else:  # mapped or shared memory, memory of numpy: anybody may write it at any time
                        self.foreign.add(storage)
                        self._put(key, self._copy(tensor))
            else:
                self._borrow(key, tensor, storage)
        elif self._form.is_own:
            self._put(key, self._formed(key, tensor, storage))
            self._count(self._get(key), None, epoch)
            return
        else:
            self._save_slowly(key, tensor, storage)
        self._count(tensor, storage, epoch)

    @unseen
    def save_state(self, key: Key, tensor: torch.Tensor, storage: int | None, epoch: int) -> None:
        """Saves what is no activation, a buffer or what a call wrote beside its result: it is not transformed."""
        if self._form.transform is None:
            self.save(key, tensor, storage, epoch)
        else:
            self._put(key, self._form.converted(tensor))
            self._count(self._get(key), None, epoch)

    def wrote(self, operation: int, tensor: torch.Tensor, storage: int | None) -> None:
        """An operation wrote a tensor's memory; of interest to those who watch (`lens_trace._watched`)."""

    def returned(self, operation: int, tensor: torch.Tensor) -> None:
        """The model returned a tensor; likewise."""

    @unseen
    def before_write(self, storage: int) -> None:
        """Copies what was borrowed from a storage that is about to be written."""
        borrowed = self.borrowed.pop(storage, None)
        if borrowed and storage in self.outside:  # a cache may be large, and what is saved of it small
            for key in borrowed:
                self._put(key, self._copy(self._get(key)))
        elif borrowed:
            self._copy_together(borrowed, as_they_lie=True)
        lazy = self._lazy.pop(storage, ())
        if len(lazy) == 1:  # several views would be copied one by one: torch copies their memory once
            saved = self._get(lazy[0])
            if saved.nbytes == storage_nbytes(saved):
                self._put(lazy[0], saved.clone())

    def escape(self, storage: int) -> None:
        """A raw handle on this memory has left torch: it may be written without notice from now on."""
        self.outside.add(storage)
        self.foreign.add(storage)
        self.before_write(storage)

    def before_move(self, tensor: torch.Tensor) -> None:
        """A tensor is about to show its memory in another way: a value that is this very tensor gets its copy."""
        if not self._detach:
            for key, saved in self.payloads.items():
                if saved is tensor:
                    self.payloads[key] = self._copy(saved)

    def swap(self, one: torch.Tensor, other: torch.Tensor, is_put_back: Callable[[torch.Tensor], bool]) -> None:
        """Two tensors have exchanged what they hold: a value that is one of them is the other from now on."""
        for key, saved in self.payloads.items():
            if saved is one or saved is other:
                now = other if saved is one else one
                self.payloads[key] = now.clone() if is_put_back(now) else now

    @unseen
    def seal(
        self,
        find_alive: Callable[[], list[tuple[torch.Tensor, int | None]]],
        will_change_back: Callable[[torch.Tensor], bool],
        *,
        has_failed: bool,
    ) -> None:
        """Parts the saved values from what something else can still reach.

        Values that keep their graph (`detach=False`) are the tensors of the pass themselves, since a copy would not be
        part of the graph: there the version counter tells when one was written.  Only those are copied that would
        change as inputs, parameters and buffers are put back.

        Args:
            find_alive: Returns the tensors of the pass that somebody still holds, each with its storage.
            will_change_back: Tells whether a tensor will hold again what it held before the pass.
            has_failed: Whether the model raised: then nobody goes on with its tensors, and there may be no memory for
                copies.  (torch ends the process when it cannot part a lazy clone for lack of memory.)
        """
        if self._waits and not has_failed:
            torch.cuda.synchronize()
        if not self._detach:
            for key in [*self.payloads, *self.written]:
                if will_change_back(value := self._get(key)):
                    self._put(key, self._copy(value))
            return
        if not (self.payloads or self.written):
            return
        alive = find_alive()
        held = {storage for _, storage in alive}
        for storage in list(self.borrowed):
            if storage in self.outside or storage in held:
                keys = self.borrowed.pop(storage)
                if keys:  # an interrupt may have come before the first was noted
                    self._copied[storage] = self._copy_together(keys)
        for tensor, storage in () if has_failed else alive:
            if storage not in self.outside and type(tensor) is torch.Tensor:
                own_memory(tensor)

    def finish(self) -> Tensors:
        """Returns what was saved."""
        latest = {storage: nbytes for (storage, _), nbytes in self._sizes.items() if storage in self._copied}
        copied = sum(self._copied.values()) - sum(latest.values())
        return Tensors(self.payloads, self.written, sum(self._sizes.values()) + copied)

    def _save_slowly(self, key: Key, tensor: torch.Tensor, storage: int | None) -> None:
        if storage is None or storage in self.foreign:
            self._put(key, self._copy(tensor) if _has_values(tensor) else tensor.detach())
        else:
            self._borrow(key, tensor, storage)

    def _formed(self, key: Key, tensor: torch.Tensor, storage: int | None) -> torch.Tensor:
        if self._form.transform is None:
            return self._form.converted(tensor)
        return self._form.transformed(key, tensor, is_ours=storage is not None and storage not in self.outside)

    def _borrow(self, key: Key, tensor: torch.Tensor, storage: int) -> None:
        self._waits = self._waits or is_pinned(tensor)
        self._put(key, tensor.detach() if self._detach else tensor)
        if not tensor.is_meta:
            self.borrowed.setdefault(storage, []).append(key)

    def _copy(self, tensor: torch.Tensor) -> torch.Tensor:
        settle(tensor)
        if not self._detach:
            with contextlib.suppress(
                RuntimeError
            ):  # a view whose base was written in a way that autograd cannot follow
                return tensor.clone()
        return tensor.detach().clone()

    def _copy_together(self, keys: list[Key], *, as_they_lie: bool = False) -> int:
        """Copies values that share a storage and returns the bytes that this took.

        Args:
            keys: The values.
            as_they_lie: Copy all of the storage, so that they lie in the copy as in it, as lazy clones do.
        """
        tensors = [self._get(key) for key in keys]
        first = tensors[0]
        if (
            not self._detach
            or not all(type(t) is torch.Tensor and t.layout is _strided and not t.is_quantized for t in tensors)
            or (len(keys) == 1 and (not as_they_lie or first.nbytes == first.untyped_storage().nbytes()))
            or (not as_they_lie and sum(t.nbytes for t in tensors) <= first.untyped_storage().nbytes())
        ):
            copies = [self._copy(tensor) for tensor in tensors]
            nbytes = sum(map(value_nbytes, tensors))
        else:
            settle(first)
            memory = first.untyped_storage().clone()
            nbytes = memory.nbytes()
            copies = [_view_of(memory, t) for t in tensors]
            copies = [_with_bits_of(copy, t) for copy, t in zip(copies, tensors, strict=True)]
        for key, copy in zip(keys, copies, strict=True):
            self._put(key, copy)
        return nbytes

    def _count(self, tensor: torch.Tensor, storage: int | None, epoch: int) -> None:
        if storage is None:
            self._sizes[(None, len(self._sizes))] = 0 if not _has_values(tensor) else value_nbytes(tensor)
        elif (storage, epoch) not in self._sizes:
            self._sizes[(storage, epoch)] = storage_nbytes(tensor)

    def _put(self, key: Key, tensor: torch.Tensor) -> None:
        if isinstance(key, tuple):
            self.written[key] = tensor
        else:
            self.payloads[key] = tensor

    def _get(self, key: Key) -> torch.Tensor:
        return self.written[key] if isinstance(key, tuple) else self.payloads[key]


def _view_of(memory: Any, like: torch.Tensor) -> torch.Tensor:
    empty = torch.empty(0, dtype=like.dtype, device=like.device)
    return empty.set_(memory, like.storage_offset(), like.shape, like.stride())


def _with_bits_of(copy: torch.Tensor, original: torch.Tensor) -> torch.Tensor:
    # Conjugate and negative are bits on the tensor, not values in memory.
    if original.is_conj():
        copy = copy.conj()
    return torch._neg_view(copy) if original.is_neg() else copy  # pyright: ignore[reportPrivateImportUsage] - no public name


def _has_values(tensor: torch.Tensor) -> bool:
    return not tensor.is_meta and not is_functorch_wrapped(tensor)
