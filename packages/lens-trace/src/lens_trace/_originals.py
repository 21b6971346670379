"""What was in memory before it was written, and how is it put back?

Several passes over one model share a copy (`lens_trace._state`).
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import torch

from lens_trace._lazy import cloned, is_lazy_kind

_C: Any = torch._C  # it has no stub for these two
_address_of, _is_lazy_copy = _C._data_address, _C._is_cow_tensor


class Before(NamedTuple):
    """A tensor as it was."""

    alias: torch.Tensor
    """Its memory, which `.data = ...` does not take away."""
    copy: torch.Tensor
    address: int | None = None
    """Where the memory was, if the copy is a lazy one: it moves when it is written."""

    def is_touched(self) -> bool:
        """Tells whether it may have been written."""
        return self.address is None or _address_of(self.alias) != self.address


def lazily(tensor: torch.Tensor) -> Before | None:
    """Notes a tensor as it is, so that nothing is copied unless it is written; None where torch cannot do that."""
    alias = tensor.data
    copy = cloned(alias) if is_lazy_kind(alias) else None
    return Before(alias, copy, _address_of(alias)) if copy is not None and _is_lazy_copy(copy) else None


class _Shared(NamedTuple):
    """A copy that several passes over one model share."""

    tensor: torch.Tensor
    copy: torch.Tensor
    users: set[int]
    """Ids of the states that may need it."""


_lock = threading.Lock()
_copies: dict[int, _Shared] = {}


def shared_copy(tensor: torch.Tensor, user: int) -> torch.Tensor:
    """Returns a copy of a tensor as it was before the first of all passes that write it."""
    with _lock:
        known = _copies.get(id(tensor))
        if known is None:
            known = _copies[id(tensor)] = _Shared(tensor, tensor.data.clone(), {user})
        known.users.add(user)
        return known.copy


def give_back(user: int) -> None:
    """Forgets the copies that nobody but one pass needs."""
    with _lock:
        for key, shared in list(_copies.items()):
            shared.users.discard(user)
            if not shared.users:
                del _copies[key]


def lies_like(tensor: torch.Tensor, alias: torch.Tensor) -> bool:
    """Tells whether a tensor shows the memory of another in the same way."""
    if tensor.layout is not torch.strided:  # writing it may have given it other values and indices
        return False
    return tensor.is_nested or (
        tensor.data_ptr() == alias.data_ptr()
        and tensor.dtype is alias.dtype
        and tensor.shape == alias.shape
        and tensor.stride() == alias.stride()
    )


def is_equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Tells whether two tensors certainly hold the same."""
    try:
        return torch.equal(one, other)
    except (RuntimeError, NotImplementedError):  # of a kind that cannot be compared
        return False


def put_back(tensor: torch.Tensor, copy: torch.Tensor) -> None:
    """Gives a tensor the values of its copy."""
    if tensor.layout is torch.strided and not (tensor.is_nested or tensor.is_quantized):
        for dimension, stride in enumerate(tensor.stride()):
            if stride == 0:  # `expand` shows the same memory several times: once is enough
                tensor, copy = (t.narrow(dimension, 0, min(1, t.shape[dimension])) for t in (tensor, copy))
    tensor.copy_(copy)
