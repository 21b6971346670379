"""How are composite functions opened?

`F.multi_head_attention_forward`, `F.normalize`, `Tensor.norm` are Python: they ask `has_torch_function(...)` first and,
when a mode is on, hand themselves over as one call.  To record the operations inside, a copy of the function is run
whose globals answer False to that question, with the mode on again.  The original is never touched.

The copy's globals are a dict that reads through to the live ones, so that a name patched later is still seen.  Two
special shapes: functions made by `boolean_dispatch` (all max pools) hold their two bodies in closure cells, which are
opened as well; and `torch.nn.init` asks by attribute (`torch.overrides.has_torch_function`), so there `torch` itself
is seen through a proxy.
"""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable
from typing import Any

import torch

_QUESTIONS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")
_CELLS_WITH_BODIES = ("if_true", "if_false")


def open_function(function: types.FunctionType, *, parts: bool = True) -> Callable[..., Any]:
    """Returns a copy of a Python function of torch that does not hand itself over to the mode.

    Args:
        function: The function.
        parts: Whether private functions of the same module that it calls are opened with it.
    """
    copy = types.FunctionType(
        function.__code__,
        _OpenGlobals(function, parts),
        function.__name__,
        function.__defaults__,
        _open_closure(function),
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = function.__qualname__
    copy.__module__ = function.__module__
    return copy


class _OpenGlobals(dict[str, Any]):
    """Globals that answer False to `has_torch_function*` and are otherwise the live ones."""

    def __init__(self, function: types.FunctionType, parts: bool) -> None:
        super().__init__(dict.fromkeys(_QUESTIONS, _answer_no))
        self["__builtins__"] = function.__globals__.get("__builtins__", __builtins__)
        if "overrides" in function.__code__.co_names:
            if function.__globals__.get("torch") is torch:
                self["torch"] = _TORCH_SEEN_FROM_INSIDE
            elif function.__globals__.get("overrides") is torch.overrides:
                self["overrides"] = _TORCH_SEEN_FROM_INSIDE.overrides
        self._live = function.__globals__
        # Looking a name up in `__missing__` costs a Python call; modules and builtins are the same for ever.
        for name in function.__code__.co_names:
            value = self._live.get(name, self)
            if value is self and hasattr(builtins, name):
                self[name] = getattr(builtins, name)
            elif isinstance(value, types.ModuleType):
                self.setdefault(name, value)
            elif parts and name.startswith("_") and value is not function and _asks(value, function.__module__):
                # A private part of the same function (`_unique_impl`) would hand over the public one.
                self[name] = open_function(value, parts=False)

    def __missing__(self, name: str) -> Any:
        return self._live[name]


def _answer_no(*_: Any) -> bool:
    return False


def _asks(value: Any, module: str) -> bool:
    return (
        isinstance(value, types.FunctionType)
        and value.__module__ == module
        and not set(_QUESTIONS).isdisjoint(value.__code__.co_names)
    )


class _Proxy:
    def __init__(self, target: Any, **replaced: Any) -> None:
        self.__dict__.update(replaced)
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)


_TORCH_SEEN_FROM_INSIDE = _Proxy(torch, overrides=_Proxy(torch.overrides, **dict.fromkeys(_QUESTIONS, _answer_no)))


def _open_closure(function: types.FunctionType) -> tuple[types.CellType, ...] | None:
    closure = function.__closure__
    if closure is None:
        return None
    cells: list[types.CellType] = []
    for name, cell in zip(function.__code__.co_freevars, closure, strict=True):
        body = cell.cell_contents
        if name in _CELLS_WITH_BODIES and isinstance(body, types.FunctionType):
            cells.append(types.CellType(open_function(body)))
        else:
            cells.append(cell)
    return tuple(cells)
