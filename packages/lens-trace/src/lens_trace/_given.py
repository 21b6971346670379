"""Which objects does the model get, when it may change those that the caller gave?

A forward appends to a list, fills a dictionary, grows a cache of keys and values.  The second of two passes would
then be given something else than the first, and what the caller holds would depend on whether anyone looked.  So the
model gets lists, dictionaries and plain objects of its own that hold the very tensors and modules that it was given:
tensors are put back by other means (`lens_trace._outside`), modules are left as they are.

What says itself how it is copied is copied so; what cannot be copied is handed over as it is.
"""

from __future__ import annotations

import copy
from enum import Enum
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, cast

import torch

_KEPT = (
    torch.Tensor, torch.nn.Module, torch.Generator, torch.dtype, torch.device, str, bytes, bool, int, float, complex,
    type(None), type, slice, Enum, FunctionType, BuiltinFunctionType, MethodType, ModuleType,
)  # fmt: skip


def given(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """Returns a copy of the containers and plain objects in `value` around the same tensors and modules."""
    if isinstance(value, _KEPT):
        return value
    seen = {} if seen is None else seen
    if id(value) not in seen:
        try:
            seen[id(value)] = _copy(value, seen)
        except Exception:
            seen[id(value)] = value
    return seen[id(value)]


def _copy(value: Any, seen: dict[int, Any]) -> Any:
    kind: Any = type(value)
    if isinstance(value, tuple):
        items = [given(item, seen) for item in cast("tuple[Any, ...]", value)]
        return tuple(items) if kind is tuple else kind._make(items)
    if not isinstance(value, (list, dict)) and not _is_plain(value):
        return value
    seen[id(value)] = fresh = copy.copy(value)
    if isinstance(value, list):
        fresh[:] = [given(item, seen) for item in cast("list[Any]", value)]
    elif isinstance(value, dict):
        for key, item in cast("dict[Any, Any]", value).items():
            dict.__setitem__(cast("dict[Any, Any]", fresh), key, given(item, seen))
    if hasattr(value, "__dict__") and not hasattr(kind, "__copy__"):
        fresh.__dict__.update({name: given(item, seen) for name, item in vars(value).items()})
    return fresh


def _is_plain(value: Any) -> bool:
    """Whether an object is made of its attributes: of a class of the user's or of a library's in Python."""
    return hasattr(value, "__dict__") and type(value).__module__.split(".")[0] not in ("builtins", "torch", "numpy")
