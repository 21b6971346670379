"""Which tensors are inside an object?

Arguments and results of models are anything: nested containers, named tuples, dataclasses, `BatchEncoding`,
`ModelOutput`, objects of the user's own.  The walk is in the object's own order, survives cycles, runs no property and
calls no method of unknown objects beyond mapping access.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, ValuesView
from types import SimpleNamespace
from typing import Any, TypeAlias, cast

import torch

Path: TypeAlias = "tuple[int | str, ...]"

_ATOMS = (str, bytes, bool, int, float, complex, type(None), torch.dtype, torch.device, type)
_DEEPEST = 50
_SHALLOW = 5


def tensor_leaves(value: Any, path: Path = ()) -> list[tuple[Path, torch.Tensor]]:
    """Returns the path and tensor of every leaf, in order; a tensor that occurs twice is listed twice."""
    found: list[tuple[Path, torch.Tensor]] = []
    _walk(value, path, found, set())
    return found


def children(value: Any) -> tuple[str, list[tuple[int | str, Any]]] | None:
    """Returns the kind of a container and its parts, None for what has no parts.

    The kind is `sequence`, `mapping` or `object`.
    """
    if isinstance(value, (*_ATOMS, torch.Tensor, torch.nn.Module)):
        return None
    if isinstance(value, (list, tuple)):
        return "sequence", list(enumerate(value))
    if isinstance(value, (set, frozenset, deque, ValuesView)):
        return "sequence", list(enumerate(cast("Iterable[Any]", value)))
    if isinstance(value, Mapping):
        return "mapping", [(_key(key), item) for key, item in value.items()]
    data = getattr(type(value), "data", None)
    if type(value).__name__ in ("BatchEncoding", "UserDict", "BatchFeature") and data is None:
        return "mapping", [(_key(key), item) for key, item in value.data.items()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return "object", [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value) if hasattr(value, f.name)]
    return _attributes(value)


def _attributes(value: Any) -> tuple[str, list[tuple[int | str, Any]]] | None:
    if callable(value) and not hasattr(value, "__dict__"):
        return None
    if type(value).__module__.split(".")[0] in ("builtins", "numpy", "types", "functools", "torch") and not (
        isinstance(value, SimpleNamespace)
    ):
        return None
    attributes: dict[str, Any] = dict(getattr(value, "__dict__", {}))
    owner: type = type(value)
    for kind in owner.__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                attributes.setdefault(name, getattr(value, name))
    return ("object", list(attributes.items())) if attributes else None


def _key(key: Any) -> int | str:
    return key if isinstance(key, (int, str)) and not isinstance(key, bool) else str(key)


def _walk(value: Any, path: Path, found: list[tuple[Path, torch.Tensor]], open_objects: set[int]) -> None:
    if isinstance(value, torch.Tensor):
        found.append((path, value))
        return
    parts = children(value)
    if parts is None or id(value) in open_objects or len(path) > _DEEPEST:
        return
    open_objects.add(id(value))
    for key, item in parts[1]:
        _walk(item, (*path, key), found, open_objects)
    open_objects.discard(id(value))


def plain_leaves(value: Any, depth: int = 0) -> Iterator[torch.Tensor]:
    """Yields the tensors in lists, tuples and mappings only: the cheap walk used at every module call."""
    if isinstance(value, torch.Tensor):
        yield value
    elif depth > _SHALLOW:  # perhaps a container that contains itself
        yield from (tensor for _, tensor in tensor_leaves(value))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from plain_leaves(item, depth + 1)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from plain_leaves(item, depth + 1)
