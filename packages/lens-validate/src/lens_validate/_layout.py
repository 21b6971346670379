"""How did a value lie in memory, and what of it was written over before it was read?

Views of one storage are laid out again, byte for byte, in fresh memory: the base value first, then each write that
reached it, oldest first, and the argument is the view of the result.  Laying out small numbers instead of values tells
for every element of the argument whose value it holds: that is the proof that an edge matters, or that it does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lens_trace import Geometry

_ALIGNMENT = 16  # the largest element that torch has, so that offsets can be shifted by whole elements of any dtype


class Layout:
    """Fresh memory wide enough for some views, and those views of it."""

    def __init__(self, geometries: Sequence[Geometry], device: torch.device) -> None:
        spans = [_span(geometry) for geometry in geometries]
        self._low = min(low for low, _ in spans) // _ALIGNMENT * _ALIGNMENT
        self._size = max(high for _, high in spans) - self._low
        self._device = device
        self._storage = torch.UntypedStorage(max(self._size, 0), device=device)

    @property
    def nbytes(self) -> int:
        """Size of the memory."""
        return self._size

    def view(self, geometry: Geometry) -> Tensor:
        """Returns the view of the memory that lies like this."""
        dtype = dtype_named(geometry.dtype)
        offset = geometry.offset - self._low // dtype.itemsize
        view = torch.empty(0, dtype=dtype, device=self._device).set_(
            self._storage, offset, geometry.shape, geometry.stride
        )
        if geometry.is_conj:
            view = view.conj()
        return torch._neg_view(view) if geometry.is_neg else view  # pyright: ignore[reportPrivateImportUsage] - no public name

    def bytes_of(self, geometry: Geometry, marks: Tensor) -> Tensor:
        """Returns the view of `marks`, one per byte of this memory, that lies like this; bytes come last."""
        size = dtype_named(geometry.dtype).itemsize
        stride = (*(step * size for step in geometry.stride), 1)
        return marks.as_strided((*geometry.shape, size), stride, geometry.offset * size - self._low)


def dtype_named(name: str) -> torch.dtype:
    """Returns the dtype with this name (`float32`)."""
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{name!r} is no dtype of this torch.")
    return dtype


def dtype_name(tensor: Tensor) -> str:
    """Returns the name of a tensor's dtype, as records write it."""
    return str(tensor.dtype).removeprefix("torch.")


def geometry_of(tensor: Tensor) -> Geometry:
    """Returns how a strided tensor lies in its storage."""
    return Geometry(tuple(tensor.shape), tuple(tensor.stride()), int(tensor.storage_offset()), dtype_name(tensor))


def home_of(value: Tensor, seen_as: Geometry) -> Geometry:
    """Returns where the saved value of an argument's operation lay, given how the argument lay.

    The two are the same, but for a view that nobody recorded (made where torch dispatches nothing): then the argument
    has another shape or dense layout than the saved value, which is laid where it says itself.
    """
    own = geometry_of(value)
    if own.shape != seen_as.shape or own.dtype != seen_as.dtype:
        return own
    return own if own.stride != seen_as.stride and _is_dense(seen_as) and _is_dense(own) else seen_as


def compose(base: tuple[Geometry, Tensor], overlays: Sequence[tuple[Geometry, Tensor]], seen_as: Geometry) -> Tensor:
    """Returns an argument as it was: the base value under the writes that reached it, seen through its own view."""
    layout = Layout([base[0], seen_as, *(geometry for geometry, _ in overlays)], base[1].device)
    for geometry, value in (base, *overlays):
        view = layout.view(geometry)
        if view.numel():
            writable_copy(view, value)
    return layout.view(seen_as)


def overlaps_itself(geometry: Geometry) -> bool:
    """Whether some elements may share memory, as those of the windows that `unfold` returns do."""
    reach = 1
    for step, size in sorted((s, n) for s, n in zip(geometry.stride, geometry.shape, strict=True) if n > 1):
        if step < reach:
            return True
        reach += (size - 1) * step
    return False


def laid_as(value: Tensor, geometry: Geometry) -> Tensor:
    """Returns a copy of a value that lies like this in fresh memory."""
    view = Layout([geometry], value.device).view(geometry)
    if view.numel():
        writable_copy(view, value)
    return view


def owners(base: Geometry, overlays: Sequence[Geometry], seen_as: Geometry, device: torch.device) -> Tensor:
    """Returns, for every byte of every element of an argument, who wrote it last.

    Returns:
        int16, the argument's shape plus a last dimension of bytes: 0 for the base, k for the k-th overlay (from 1), -1
        for memory that nothing on record has written.
    """
    layout = Layout([base, seen_as, *overlays], device)
    marks = torch.full((max(layout.nbytes, 1),), -1, dtype=torch.int16, device=device)
    for number, geometry in enumerate((base, *overlays)):
        if 0 not in geometry.shape:
            layout.bytes_of(geometry, marks).fill_(number)
    if 0 in seen_as.shape:
        return torch.empty((*seen_as.shape, 1), dtype=torch.int16, device=device)
    return layout.bytes_of(seen_as, marks)


def writable_copy(view: Tensor, value: Tensor) -> None:
    """Copies a value into a view, element by element where the view overlaps itself (expanded tensors)."""
    for dimension, (size, step) in enumerate(zip(view.shape, view.stride(), strict=True)):
        if size > 1 and step == 0:
            view, value = view.narrow(dimension, 0, 1), value.narrow(dimension, 0, 1)
    if view.dtype == value.dtype:
        view.copy_(value)
    else:  # a write of another dtype through the same memory keeps its own geometry, so this is a wrong record
        raise ValueError(f"a value of {value.dtype} was recorded where {view.dtype} lies")


def _span(geometry: Geometry) -> tuple[int, int]:
    size = dtype_named(geometry.dtype).itemsize
    if 0 in geometry.shape:
        return geometry.offset * size, geometry.offset * size
    last = sum((n - 1) * step for n, step in zip(geometry.shape, geometry.stride, strict=True))
    return geometry.offset * size, (geometry.offset + last + 1) * size


def _is_dense(geometry: Geometry) -> bool:
    pairs = sorted((step, n) for n, step in zip(geometry.shape, geometry.stride, strict=True) if n > 1)
    expected = 1
    for step, n in pairs:
        if step != expected:
            return False
        expected *= n
    return True
