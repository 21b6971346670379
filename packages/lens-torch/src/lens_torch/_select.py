"""Which operations do the layers asked for stand for?

A key of the history stands for its pass, or for every pass of its layer; an address of a module that returns several
layers stands for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from lens_graph import AmbiguousKeyError, LayerEntry, ModelHistory, OperationEntry
from lens_trace import OperationId

Key: TypeAlias = str | int
"""What indexes a history: a label, a module address, or a place."""


def selected_operations(history: ModelHistory, layers: Key | Iterable[Key]) -> frozenset[OperationId]:
    """Returns the operations that one key or several stand for.

    Raises:
        KeyError: Nothing has this key; the message names the nearest ones.
    """
    keys = [layers] if isinstance(layers, str | int) else list(layers)
    return frozenset(OperationId(o.operation_id) for key in keys for o in _operations(history, key))


def _operations(history: ModelHistory, key: Key) -> list[OperationEntry]:
    try:
        entry = history[key]
    except AmbiguousKeyError as error:
        if not isinstance(key, str) or key.rpartition(":")[0] not in history.modules and key not in history.modules:
            raise
        return [operation for name in error.nearest for operation in _operations(history, name)]
    return entry.passes if isinstance(entry, LayerEntry) else [entry]
