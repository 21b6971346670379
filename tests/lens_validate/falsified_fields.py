"""Every field of every record, falsified one at a time: which of them does validation watch?

Nothing here knows what a field means.  A record is walked to its last leaf, and each leaf is changed by its type alone,
so that a field which is added to the records is tried without being asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lens_trace import Operation, Trace

MEASURED = frozenset({"elapsed_s", "elapsed_functions_s", "started_at", "ended_at", "versions"})
"""Fields that hold a measurement or a version: no second run can tell whether they are right."""


def falsified(trace: Trace, *, most: int = 3) -> Iterator[tuple[str, int | None, Trace]]:
    """Yields a field's name (`Operation.output.nbytes`), the operation that it belongs to, and the falsified trace.

    Args:
        trace: A true trace.
        most: How many records of each kind are tried for a field.
    """
    tried: dict[str, int] = {}
    for name in trace.__struct_fields__:
        value = getattr(trace, name)
        is_list_of_records = isinstance(value, tuple) and value and isinstance(value[0], Struct) and name != "versions"
        if not is_list_of_records:
            for field, other in _changes(value, f"Trace.{name}"):
                yield field, None, replace(trace, **{name: other})
            continue
        for index, record in enumerate(value):
            kind = type(record).__name__
            for field, other in _changes(record, kind):
                if tried.get(field, 0) < most:
                    tried[field] = tried.get(field, 0) + 1
                    records = (*value[:index], other, *value[index + 1 :])
                    where = int(record.id) if isinstance(record, Operation) else None
                    yield field, where, replace(trace, **{name: records})
        fewer = (value[:i] + value[i + 1 :] for i in range(min(most, len(value))))
        if name != "operations":
            for records in fewer:
                yield f"Trace.{name}, one fewer", None, replace(trace, **{name: records})
        if len(value) > 1:
            swapped = (value[1], value[0], *value[2:])
            yield f"Trace.{name}, two in another order", None, replace(trace, **{name: swapped})


def _changes(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if name.rpartition(".")[2] in MEASURED:
        return
    if isinstance(value, Struct):
        for field in value.__struct_fields__:
            for inner, other in _changes(getattr(value, field), f"{name}.{field}"):
                yield inner, msgspec.structs.replace(value, **{field: other})
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            for inner, other in _changes(item, name):
                yield inner, (*value[:index], other, *value[index + 1 :])
        if value:
            yield f"{name}, one fewer", value[:-1]
            yield f"{name}, one twice", (*value, value[-1])
    else:
        yield from ((name, other) for other in _others(value))


def _others(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, float):
        yield value * 2 + 1
    elif isinstance(value, str):
        yield value + "x"
    elif value is None:
        yield 1
