"""What is a piece of memory called?

Tensors share memory when they share a storage.  A storage is known by a weak reference to its Python object, of which
torch makes one for as long as the storage lasts; its *key* is the `id` of that reference.  Python makes one such
reference at a time, so all who ask get the same key, and while somebody holds the reference no other storage gets it,
however many storages come and go at the same address.

A weak count on the storage itself would do as well, but not cheaply: what it leaves of a dead storage lies in the heap
just behind the values that were freed, where it keeps the next values from taking their place.  A pass that keeps
nothing would take the memory of all its values.
"""

from __future__ import annotations

import weakref
from typing import Any, TypeAlias

import torch

Storages: TypeAlias = "dict[int, weakref.ref[Any]]"
"""References by key."""

_COMPRESSED = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)
_storage_of = torch._C.TensorBase.untyped_storage
_functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue] - it has no stub
_weak = weakref.ref
_use_count: Any = torch._C._storage_Use_Count  # pyright: ignore[reportAttributeAccessIssue] - it has no stub
_TENSOR_AND_OBJECT = 2


def storage_key(tensor: torch.Tensor, known: Storages, inner: set[int] | None = None) -> int | None:
    """Returns the key of a tensor's storage, which stays its own for as long as `known`; None where it has none.

    Keys of storages that belong to a tensor inside this one are added to `inner`.
    """
    is_inner = False
    try:
        storage = _storage_of(tensor)
    except ValueError:  # a lazy parameter or buffer that has not been made yet
        return None
    except (RuntimeError, NotImplementedError):
        storage, is_inner = _unwrapped_storage(tensor), True
        if storage is None:
            return None
    reference = _weak(storage)
    key = id(reference)
    known[key] = reference
    if is_inner and inner is not None:
        inner.add(key)
    return key


def storage_keys(tensors: list[torch.Tensor], known: Storages, inner: set[int]) -> list[int | None]:
    """Returns the keys of several tensors' storages, in fewer steps."""
    try:
        references = list(map(_weak, map(_storage_of, tensors)))
    except (RuntimeError, NotImplementedError, ValueError):
        return [storage_key(tensor, known, inner) for tensor in tensors]
    known.update(zip(map(id, references), references, strict=True))
    return list(map(id, references))


def is_alone(storage: Any) -> bool:
    """Tells whether one tensor has this memory, and nothing else but the Python object of the storage refers to it."""
    return _use_count(storage._cdata) == _TENSOR_AND_OBJECT


def use_count(storage: Any) -> int:
    """Returns how many tensors, and objects of the storage, have this memory."""
    return int(_use_count(storage._cdata))


def value_nbytes(tensor: torch.Tensor) -> int:
    """Returns the bytes of a value, 0 of one that cannot tell."""
    try:
        return int(tensor.nbytes)
    except (RuntimeError, NotImplementedError):
        return 0


def storage_nbytes(tensor: torch.Tensor) -> int:
    """Returns the bytes of the memory that a tensor looks at, 0 where there is none."""
    try:
        return 0 if tensor.is_meta else int(tensor.untyped_storage().nbytes())
    except (RuntimeError, NotImplementedError):
        return 0


def is_functorch_wrapped(tensor: torch.Tensor) -> bool:
    """Tells whether a tensor lives inside vmap or grad and dies with it."""
    return bool(_functorch.is_functorch_wrapped_tensor(tensor))


def unwrapped(tensor: torch.Tensor) -> torch.Tensor:
    """Returns the tensor that tensors inside vmap and grad wrap, the same one where nothing is wrapped."""
    while _functorch.is_functorch_wrapped_tensor(tensor):
        tensor = _functorch.get_unwrapped(tensor)
    return tensor


def _unwrapped_storage(tensor: torch.Tensor) -> Any:
    # Tensors inside vmap and grad wrap the one that has the memory; a sparse tensor's is that of its values.
    try:
        tensor = unwrapped(tensor)
        if tensor.layout is torch.sparse_coo:
            tensor = tensor._values()
        elif tensor.layout in _COMPRESSED:
            tensor = tensor.values()
        return _storage_of(tensor)
    except (RuntimeError, NotImplementedError):
        return None
