"""Which operations do the layers asked for stand for?

"all" and "none" need no answer.  A key of the history stands for its pass, or for every pass of its layer; an
address of a module that returns several layers stands for all of them.  Labels are known when a pass is over, so keys
are looked up in the structure of a first pass, after which torch's random generators are put back: the second pass
draws the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import torch

from lens_graph import AmbiguousKeyError, LayerEntry, ModelHistory, OperationEntry
from lens_torch._structure import get_model_structure
from lens_trace import OperationId

Key: TypeAlias = str | int
"""What indexes a history: a label, a module address, or a place."""


def selected_operations(
    layers: Key | Iterable[Key], model: torch.nn.Module, args: Any, kwargs: Mapping[str, Any] | None, seed: int | None
) -> frozenset[OperationId] | None:
    """Returns the operations to keep, None for all of them.

    Raises:
        KeyError: Nothing has one of these keys; the message names the nearest ones.
    """
    if isinstance(layers, str) and layers == "all":
        return None
    keys = [layers] if isinstance(layers, str | int) else list(layers)
    if not keys or keys == ["none"]:
        return frozenset()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):  # pyright: ignore[reportUnknownMemberType] - torch leaves it untyped
        structure = get_model_structure(model, args, kwargs, random_seed=seed)
    return frozenset(OperationId(o.operation_id) for key in keys for o in _operations(structure, key))


def _operations(history: ModelHistory, key: Key) -> list[OperationEntry]:
    try:
        entry = history[key]
    except AmbiguousKeyError as error:
        if isinstance(key, str) and {key, key.rpartition(":")[0]} & set(history.modules):
            return [operation for name in error.nearest for operation in _operations(history, name)]
        raise
    return entry.passes if isinstance(entry, LayerEntry) else [entry]
