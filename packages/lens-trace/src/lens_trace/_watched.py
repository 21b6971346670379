"""Who else hears of a kept value while the model runs?

A *store* takes values away as they are made, so that nothing is held in memory: streaming to files is built on it.  A
*watch* is shown the tensors of the pass themselves, as autograd knows them: gradients are built on it.  Both are the
caller's; a pass without them pays nothing.
"""

from __future__ import annotations

from typing import Protocol

import torch

from lens_trace._pending import settle
from lens_trace._saving import Saver
from lens_trace._stored_form import Key
from lens_trace._tensors import Tensors

_quiet = torch._C.DisableTorchFunction


class Store(Protocol):
    """Takes kept values away as they are made."""

    def put(self, key: Key, tensor: torch.Tensor) -> None:
        """Takes a value, which may be written as soon as this returns.

        Args:
            key: The operation's id; with a number behind it, what the operation wrote beside its output.
            tensor: The value in its stored form: detached, device and type as asked for.
        """
        ...


class Watch(Protocol):
    """Is shown the tensors of the pass."""

    def made(self, operation: int, tensor: torch.Tensor, storage: int | None, *, is_outside: bool) -> None:
        """An operation whose value is kept made this tensor, in this memory.

        `is_outside` says that something outside the pass can reach the memory: an input, a constant, a view of one.
        """
        ...

    def written(self, operation: int, tensor: torch.Tensor, storage: int | None) -> None:
        """An operation wrote this tensor's memory, kept or not; comes before its `made`."""
        ...

    def returned(self, operation: int, tensor: torch.Tensor) -> None:
        """The model returned this tensor, kept or not."""
        ...


class WatchedSaver(Saver):
    """A saver with a store or a watch beside it."""

    is_watched = True

    _store: Store | None = None
    _watch: Watch | None = None
    _error: BaseException | None = None

    def tell(self, store: Store | None, watch: Watch | None) -> None:
        """Sets who hears of kept values."""
        self._store, self._watch = store, watch
        self._detach = self._detach or store is not None

    def save(self, key: Key, tensor: torch.Tensor, storage: int | None, epoch: int) -> None:
        """Shows a value to the watch, and gives it to the store or keeps it."""
        with _quiet():
            self._show(key, tensor, storage)
            if self._store is None:
                super().save(key, tensor, storage, epoch)
            else:
                self._hand_over(self._store, key, tensor, storage, is_state=False)

    def save_new(self, key: int, tensor: torch.Tensor, storage: int, epoch: int) -> None:
        """The same for the value of an ordinary call."""
        self.save(key, tensor, storage, epoch)

    def save_state(self, key: Key, tensor: torch.Tensor, storage: int | None, epoch: int) -> None:
        """The same for what is no activation and not transformed."""
        with _quiet():
            self._show(key, tensor, storage)
            if self._store is not None:
                self._hand_over(self._store, key, tensor, storage, is_state=True)
            elif self._form.transform is None:
                super().save(key, tensor, storage, epoch)
            else:
                super().save_state(key, tensor, storage, epoch)

    def wrote(self, operation: int, tensor: torch.Tensor, storage: int | None) -> None:
        """Tells the watch of a write."""
        if self._watch is not None:
            with _quiet():
                self._watch.written(operation, tensor, storage)

    def returned(self, operation: int, tensor: torch.Tensor) -> None:
        """Shows the watch what the model returned."""
        if self._watch is not None:
            with _quiet():
                self._watch.returned(operation, tensor)

    def check(self) -> None:
        """Raises what the store failed with, if the model swallowed it."""
        if self._error is not None:
            raise self._error

    def finish(self) -> Tensors:
        """Returns what is held: nothing, when there is a store."""
        return super().finish() if self._store is None else Tensors({})

    def _show(self, key: Key, tensor: torch.Tensor, storage: int | None) -> None:
        if self._watch is not None and not isinstance(key, tuple):
            self._watch.made(key, tensor, storage, is_outside=storage is None or storage in self.outside)

    def _hand_over(self, store: Store, key: Key, tensor: torch.Tensor, storage: int | None, *, is_state: bool) -> None:
        try:
            if self._form.transform is not None and not is_state:
                value = self._formed(key, tensor, storage)
            else:
                settle(tensor)
                value = self._form.converted(tensor) if self._form.is_own else tensor.detach()
            with torch.no_grad():
                store.put(key, value)
        except BaseException as error:
            # A model may well go on after any exception, so it is remembered.
            self._error = error
            raise
        self._put(key, _TAKEN)


_TAKEN = torch.empty(0)
