"""In what form is a value stored?

In a form of one's own it is made at once: the transform first, on the value as the model computed it, then the dtype,
where the value lives, then the device, so that as little as possible travels.  The full value is not held.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch

from lens_trace._lazy import cloned, is_lazy_kind
from lens_trace._notes import shown_tensor
from lens_trace._pending import settle
from lens_trace._storages import storage_nbytes, value_nbytes

Key = int | tuple[int, int]


class StoredForm:
    """How stored values differ from those computed.

    Attributes:
        detach: Whether they are cut off from autograd.
        is_own: Whether they are others than those computed.
        transform: What is made of each, None for nothing.
    """

    def __init__(
        self,
        detach: bool,
        device: torch.device | None,
        dtype: torch.dtype | None,
        transform: Callable[[torch.Tensor], torch.Tensor] | None,
    ) -> None:
        self.detach = detach
        self.is_own = device is not None or dtype is not None or transform is not None
        self.transform = transform
        self._device = device
        self._dtype = dtype

    def converted(self, tensor: torch.Tensor) -> torch.Tensor:
        """Returns a value in its dtype and on its device, not transformed."""
        dtype = self._dtype if self._dtype is not None and (tensor.is_floating_point() or tensor.is_complex()) else None
        if dtype is not None and tensor.is_complex() and not dtype.is_complex:
            dtype = None
        settle(tensor)
        source = tensor.detach() if self.detach else tensor
        return source.to(device=self._device, dtype=dtype, copy=True)

    def transformed(self, key: Key, tensor: torch.Tensor, *, is_ours: bool) -> torch.Tensor:
        """Returns what the transform makes of a value, in memory of its own.

        Args:
            key: Of the value, for the note on an exception.
            tensor: The value.
            is_ours: Whether its memory was made in the pass and nothing else can reach it.
        """
        given = self._handed_out(tensor, is_ours)
        try:
            assert self.transform is not None
            result = self.transform(given)
            if not isinstance(result, torch.Tensor):  # pyright: ignore[reportUnnecessaryIsInstance] - it is the user's
                raise TypeError(f"transform= has to return a tensor; it returned {type(result).__name__}.")
        except BaseException as error:
            error.add_note(f"Lens: transform= was given the value of operation {key}, {shown_tensor(tensor)}.")
            with contextlib.suppress(AttributeError):  # an exception with slots
                error.lens_operation = key  # pyright: ignore[reportAttributeAccessIssue]
            raise
        if self.detach:
            result = result.detach()
        stored = self._of_dtype(result)
        if self._device is not None:
            stored = stored.to(self._device)
        return stored if stored is not result else self._apart(result, given)

    def _handed_out(self, tensor: torch.Tensor, is_ours: bool) -> torch.Tensor:
        """Returns the value in memory that the model never sees: what a transform does to it in place is its own."""
        settle(tensor)
        if not self.detach or tensor.is_meta:
            return tensor.clone()
        plain = tensor.detach()
        return cloned(plain) if is_ours and is_lazy_kind(plain) else plain.clone()

    def _apart(self, result: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """Returns what a transform returned in memory of its own, and in no more than it needs."""
        if value_nbytes(result) < storage_nbytes(result):
            return result.clone()
        if not self.detach or _shares_memory(result, given):
            return result
        return cloned(result) if is_lazy_kind(result) else result.clone()  # the transform may hold it, too

    def _of_dtype(self, tensor: torch.Tensor) -> torch.Tensor:
        dtype = self._dtype
        if dtype is None or not (tensor.is_floating_point() or (tensor.is_complex() and dtype.is_complex)):
            return tensor
        return tensor.to(dtype)


def _shares_memory(one: torch.Tensor, other: torch.Tensor) -> bool:
    try:
        return one.untyped_storage()._cdata == other.untyped_storage()._cdata
    except (RuntimeError, NotImplementedError):
        return one is other
