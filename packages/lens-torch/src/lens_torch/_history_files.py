"""Who writes the tensors of a history to a folder?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from msgspec import Struct

from lens_graph import FolderWriter, SaveError, TensorIndex
from lens_torch._encodings import check
from lens_torch._gradients import GradientKeeper
from lens_torch._stored_tensors import StoredGradients, StoredTensors
from lens_torch._tensor_writer import TensorWriter
from lens_trace import Tensors

Source = Tensors | StoredTensors


class HistoryFiles(Struct, frozen=True, eq=False):
    """Writes tensors and gradients (`lens_graph.TensorFiles`)."""

    tensors: Source
    """The values."""
    gradients: GradientKeeper | StoredGradients | None
    """The gradients, if they were asked for."""

    def check(self, selected: frozenset[int] | None) -> None:
        """Raises `SaveError` when a value cannot be written; reads nothing that is in files already."""
        if isinstance(self.tensors, StoredTensors):
            return
        for operation, _, tensor in _values(self.tensors, selected):
            try:
                check(tensor)
            except SaveError as error:
                raise SaveError(f"The value of operation {operation} cannot be stored. {error}") from None

    def write(self, folder: FolderWriter, selected: frozenset[int] | None) -> TensorIndex:
        """Writes the values of the operations that were selected, and all gradients of them."""
        writer = TensorWriter(folder)
        for operation, write, tensor in _values(self.tensors, selected):
            writer.add(tensor, operation, write=write)
        gradients = self.gradients
        if gradients is None:
            return writer.finish()
        for operation in _chosen(gradients.operations, selected):
            for number, gradient in _items(gradients.of(operation)):
                writer.add(gradient, operation, backward=number)
        reasons = tuple(sorted(gradients.reasons.items()))
        return writer.finish(has_gradients=True, backward_passes=gradients.passes, unreached=reasons)


def _values(tensors: Source, selected: frozenset[int] | None) -> Iterator[tuple[int, int | None, torch.Tensor]]:
    for operation in _chosen(tensors, selected):
        yield operation, None, tensors[operation]
    for operation, write in tensors.written_keys:
        if selected is None or operation in selected:
            yield operation, write, tensors.written(operation, write)


def _chosen(operations: Iterable[int], selected: frozenset[int] | None) -> Iterator[int]:
    return (int(operation) for operation in operations if selected is None or operation in selected)


def _items(gradients: Mapping[int, Any]) -> list[tuple[int, Any]]:
    return sorted(gradients.items(), key=lambda item: item[0])
