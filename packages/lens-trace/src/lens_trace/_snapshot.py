"""How is the same pass run twice?

A trace puts parameters, buffers and inputs back by itself, but for what a module remembers in plain attributes to have
built: that stays as long as these do.  Two more things make a second pass differ from the first:
the random generators, which have moved on, and what the model keeps in plain attributes, a counter, a cache, a list
that grows.  A `Snapshot` remembers both as they are and puts them back when asked.

Attributes are walked through lists, dicts, sets and plain objects, up to 20,000 of them.  Plain tensors among them are
copied only when the pass is about to write their memory: the trace that is given the snapshot tells it.  A cache
(`functools.lru_cache`) of the model or its class that was empty is emptied; one with something in it stays as the pass
left it, since nobody can look inside.  What lives outside the model, a global or a closure, stays as it is.
"""

from __future__ import annotations

import functools
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import ProxyTypes

import torch

from lens_trace._rng import capture_all, restore_all
from lens_trace._storages import Storages, storage_key

_MOST_OBJECTS = 20_000
_LEFT_ALONE = (int, float, bool, str, bytes, complex, type(None), type, FunctionType, BuiltinFunctionType, MethodType,
          ModuleType, torch.dtype, torch.device, torch.Size,
          torch.nn.Module, torch.nn.Parameter, *ProxyTypes)  # fmt: skip
_CACHE = functools._lru_cache_wrapper  # pyright: ignore[reportPrivateUsage] - its type has no public name
_MACHINERY = frozenset(vars(torch.nn.Module())) - {"_modules", "training"}


class Snapshot:
    """The random generators and the plain attributes of a model, as they are at one moment."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._generators = capture_all()
        self._undo: list[Callable[[], None]] = []
        self._tensors: dict[int, list[torch.Tensor]] = {}
        self._storages: Storages = {}
        self._copies: list[tuple[torch.Tensor, torch.Tensor]] = []
        self._seen: dict[int, Any] = {}
        for module in model.modules():
            attributes = vars(module)
            own = {name: value for name, value in attributes.items() if name not in _MACHINERY}
            self._undo.append(lambda live=attributes, own=own: _put_back(live, own))
            for registry in ("_parameters", "_buffers"):
                if type(attributes.get(registry)) is dict:  # scripted modules have another kind
                    registered: dict[Any, Any] = attributes[registry]
                    self._undo.append(functools.partial(_refill, registered, dict(registered)))
            self._walk(own.values())
        for kind in {base for module in model.modules() for base in type(module).__mro__}:
            self._walk(value for value in vars(kind).values() if isinstance(value, _CACHE))

    def restore(self) -> None:
        """Puts everything back to that moment."""
        with torch._C.DisableTorchFunction(), torch.no_grad():
            for live, copy in self._copies:
                live.copy_(copy)
            self._copies.clear()
            for step in self._undo:
                step()
        restore_all(self._generators)

    def before_write(self, storage: int) -> None:
        """Copies the plain tensors in a storage before the first write to it."""
        for tensor in self._tensors.pop(storage, ()):
            self._copies.append((tensor.data, tensor.data.clone()))

    def _walk(self, values: Iterable[Any]) -> None:
        waiting = list(values)
        while waiting and len(self._seen) < _MOST_OBJECTS:
            value = waiting.pop()
            # The type is asked, not the value: a weak proxy would answer for what it stands for.
            if issubclass(type(value), _LEFT_ALONE) or id(value) in self._seen:
                continue
            self._seen[id(value)] = value  # held, so that no other object gets its id
            waiting += self._remember(value)

    def _remember(self, value: Any) -> list[Any]:
        """Notes how one object is put back; returns what it holds."""
        if isinstance(value, torch.Tensor):
            key = storage_key(value, self._storages)
            if key is not None and not value.is_meta:
                self._tensors.setdefault(key, []).append(value)
            return []
        if isinstance(value, dict):
            items = dict(value)
            self._undo.append(lambda: _refill(value, items))
            return list(items.values())
        if isinstance(value, (list, set, deque)):
            members = list(value)
            self._undo.append(lambda: _refill_members(value, members))
            return members if len(members) <= _MOST_OBJECTS else []
        if isinstance(value, (tuple, frozenset)):
            return list(value)
        if isinstance(value, _CACHE):
            if not value.cache_info().currsize:
                self._undo.append(value.cache_clear)
            return []
        if not self._remember_generator(value) and isinstance(getattr(value, "__dict__", None), dict):
            attributes = vars(value)
            before = dict(attributes)
            self._undo.append(lambda: _refill(attributes, before))
            return list(before.values())
        return []

    def _remember_generator(self, value: Any) -> bool:
        numpy = sys.modules.get("numpy")
        if isinstance(value, torch.Generator):
            state = value.get_state()
            self._undo.append(lambda: value.set_state(state) and None)
        elif isinstance(value, random.Random):
            own = value.getstate()
            self._undo.append(lambda: value.setstate(own))
        elif numpy is not None and isinstance(value, numpy.random.Generator):
            bits, before = value.bit_generator, value.bit_generator.state
            self._undo.append(lambda: setattr(bits, "state", before))
        elif numpy is not None and isinstance(value, numpy.random.RandomState):
            older = value.get_state()
            self._undo.append(lambda: value.set_state(older))
        else:
            return False
        return True


def _put_back(live: dict[str, Any], own: dict[str, Any]) -> None:
    for name in [name for name in live if name not in own and name not in _MACHINERY]:
        del live[name]
    live.update(own)


def _refill(live: dict[Any, Any], before: dict[Any, Any]) -> None:
    if len(live) != len(before) or any(live.get(key, live) is not value for key, value in before.items()):
        live.clear()
        live.update(before)


def _refill_members(live: Any, before: list[Any]) -> None:
    if len(live) != len(before) or any(a is not b for a, b in zip(live, before, strict=True)):
        live.clear()
        live.update(before) if isinstance(live, set) else live.extend(before)
