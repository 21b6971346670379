"""What is a mapping of saved values?

A saved value remembers its version counter; one that changed all the same is an error when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from lens_trace._errors import ChangedTensorError, NotSavedError
from lens_trace._records import Operation, OperationId


class Tensors(Mapping[OperationId, torch.Tensor]):
    """The saved values of a trace by operation id, in the order they were made.

    `tensors[id]` also takes the `Operation` itself.  A value that was not kept raises `NotSavedError`; one that was
    written after it was saved raises `ChangedTensorError`.
    """

    __slots__ = ("_payloads", "_versions", "_written", "nbytes")

    def __init__(
        self,
        payloads: Mapping[int, torch.Tensor],
        written: Mapping[tuple[int, int], torch.Tensor] | None = None,
        nbytes: int | None = None,
    ) -> None:
        self._payloads = dict(payloads)
        self._written = dict(written or {})
        self._versions = {key: _version(tensor) for key, tensor in self._payloads.items()}
        self.nbytes: int = sum(t.nbytes for t in self._payloads.values()) if nbytes is None else nbytes
        """Bytes held, storages that several values share counted once."""

    def __getitem__(self, key: OperationId | int | Operation) -> torch.Tensor:
        """Returns the value of an operation."""
        index = key.id if isinstance(key, Operation) else key
        try:
            tensor = self._payloads[index]
        except KeyError:
            raise NotSavedError(
                f"The value of operation {index} was not kept. Trace again with a `keep` that includes it "
                "(everything, only([...]), outputs_of([...]))."
            ) from None
        if _version(tensor) != self._versions[index]:
            raise ChangedTensorError(
                f"The saved value of operation {index} was written after it was saved, so it is no longer what the "
                "pass computed. Work on a copy: tensors[id].clone()."
            )
        return tensor

    def __contains__(self, key: object) -> bool:
        return (key.id if isinstance(key, Operation) else key) in self._payloads

    def __iter__(self) -> Iterator[OperationId]:
        return iter(self._payloads)  # pyright: ignore[reportReturnType] - the keys are operation ids

    def __len__(self) -> int:
        return len(self._payloads)

    @property
    def written_keys(self) -> tuple[tuple[int, int], ...]:
        """What operations wrote beside their outputs, as `written` takes it."""
        return tuple(self._written)

    def written(self, operation: OperationId | int, write: int) -> torch.Tensor:
        """Returns what an operation wrote beside its output (`Operation.writes[write]`)."""
        try:
            return self._written[(operation, write)]
        except KeyError:
            raise NotSavedError(f"Write {write} of operation {operation} was not kept.") from None

    def replace(self, changes: Mapping[int, torch.Tensor]) -> Tensors:
        """Returns a copy in which some values are other tensors."""
        return Tensors({**self._payloads, **changes}, self._written, self.nbytes)


def _version(tensor: torch.Tensor) -> Any:
    try:
        return tensor._version
    except (RuntimeError, AttributeError):  # inference tensors have no counter
        return None
