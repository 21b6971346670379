"""How are all operations or all layers of a history gone through?

Both are sequences of entries that are made when asked for; buffers are among them, unlike in the history itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from lens_graph._interpretation import Interpretation, operation_at
from lens_graph._layer import LayerEntry
from lens_graph._operation import OperationEntry
from lens_trace import Operation


class Operations(Sequence[OperationEntry]):
    """The operations of a history in execution order."""

    def __init__(self, facts: Interpretation) -> None:
        self._facts = facts

    def __len__(self) -> int:
        return len(self._facts.graph.parents)

    @overload
    def __getitem__(self, index: int) -> OperationEntry: ...
    @overload
    def __getitem__(self, index: slice) -> list[OperationEntry]: ...
    def __getitem__(self, index: int | slice) -> OperationEntry | list[OperationEntry]:
        places = range(len(self))
        if isinstance(index, slice):
            return [OperationEntry(self._facts, node) for node in places[index]]
        return OperationEntry(self._facts, places[index])

    def record(self, node: int) -> Operation:
        """The record behind an operation."""
        return operation_at(self._facts, node)


class Layers(Sequence[LayerEntry]):
    """The layers of a history in the order of their first pass."""

    def __init__(self, facts: Interpretation) -> None:
        self._facts = facts

    def __len__(self) -> int:
        return len(self._facts.labels.passes)

    @overload
    def __getitem__(self, index: int) -> LayerEntry: ...
    @overload
    def __getitem__(self, index: slice) -> list[LayerEntry]: ...
    def __getitem__(self, index: int | slice) -> LayerEntry | list[LayerEntry]:
        places = range(len(self))
        if isinstance(index, slice):
            return [LayerEntry(self._facts, layer) for layer in places[index]]
        return LayerEntry(self._facts, places[index])
