"""Do two histories answer alike, whatever they are asked?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lens_graph import LayerEntry, ModelHistory, OperationEntry
from lens_graph._fields import Field, LayerField
from lens_graph._model_fields import ModelFields
from lens_graph._tables import table_names

ALIVE = {"func_applied", "func_rng_states"}
"""Fields that no file holds."""
HOLD_VALUES = {"tensor_contents", "creation_args", "creation_kwargs", "grad_contents", "gradients"}
"""Fields with tensors or objects in them, which whoever has a tensor library compares."""


def differences(a: ModelHistory, b: ModelHistory, *, fields: Callable[[str], bool] = lambda name: True) -> list[str]:
    """What the two answer differently."""
    return [
        f"{name}: {left!r:.200} is not {right!r:.200}" for name, left, right in _answers(a, b, fields) if left != right
    ]


def _answers(a: ModelHistory, b: ModelHistory, fields: Callable[[str], bool]) -> Iterator[tuple[str, Any, Any]]:
    for name in (*_properties(ModelFields), "saved_layers", "aliases", "num_backward_passes", "is_complete"):
        yield name, getattr(a, name), getattr(b, name)
    yield "print", repr(a), repr(b)
    yield "html", a._repr_html_(), b._repr_html_()
    yield "links", list(a.links), list(b.links)
    yield "modules", list(a.modules), list(b.modules)
    for name in table_names():
        left, right = getattr(a.tables, name), getattr(b.tables, name)
        yield f"table {name}", True, left.schema == right.schema and left.equals(right, null_equal=True)
    yield "operations", len(a.operations), len(b.operations)
    yield "layers", len(a.layers), len(b.layers)
    for left, right in zip(a.operations, b.operations, strict=True):
        yield from _entries(left, right, Field, fields)
    for left, right in zip(a.layers, b.layers, strict=True):
        yield from _entries(left, right, LayerField, fields)
    for left, right in zip(a.module_calls, b.module_calls, strict=True):
        yield f"module call {left!r}", repr(left), repr(right)
    keys = {key for entry in a.layers for key in entry.lookup_keys}
    for key in sorted(keys, key=str):
        yield f"history[{key!r}]", _label(a, key), _label(b, key)
    numbers = range(-len(a) - 1, len(a) + 1)
    yield "integers", [_label(a, n) for n in numbers], [_label(b, n) for n in numbers]


def _entries(a: Any, b: Any, kind: type, fields: Callable[[str], bool]) -> Iterator[tuple[str, Any, Any]]:
    for name in _fields(type(a), kind):
        if name not in ALIVE | HOLD_VALUES and fields(name):
            yield f"{a.label}.{name}", _asked(a, name), _asked(b, name)


def _asked(entry: Any, name: str) -> Any:
    try:
        return getattr(entry, name)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _label(history: ModelHistory, key: Any) -> Any:
    try:
        found = history[key]
    except LookupError as error:
        return f"{type(error).__name__}: {error}"
    return found.label if isinstance(found, (LayerEntry, OperationEntry)) else [one.label for one in found]


def _fields(owner: type, kind: type) -> list[str]:
    return [name for base in owner.__mro__ for name, value in vars(base).items() if isinstance(value, kind)]


def _properties(owner: type) -> list[str]:
    return [name for name, value in vars(owner).items() if isinstance(value, property)]
