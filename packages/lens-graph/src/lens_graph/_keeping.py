"""What does a history ask of whoever holds its tensors and gradients?

lens-graph knows no tensor library: values are opaque to it.  What it needs beyond a mapping is said here, and
lens-torch provides it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from lens_graph._errors import UnreadableTensorError
from lens_graph._folder_write import FolderWriter
from lens_graph._format import StoredTensor, TensorIndex


class TensorFiles(Protocol):
    """Can write the tensors of a history to a folder."""

    def check(self, selected: frozenset[int] | None) -> None:
        """Raises `SaveError`, naming the operation, when some tensor cannot be written; writes nothing."""
        ...

    def write(self, folder: FolderWriter, selected: frozenset[int] | None) -> TensorIndex:
        """Writes the tensors and gradients of the selected operations; None for all of them."""
        ...


class Gradients(Protocol):
    """The gradients that backward passes have brought."""

    @property
    def passes(self) -> int:
        """How many backward passes have reached a kept value so far."""
        ...

    def of(self, operation: int) -> Mapping[int, Any]:
        """The gradients of an operation's value by backward pass, counted from 1."""
        ...

    def spec(self, operation: int) -> tuple[tuple[int, ...], str, int] | None:
        """Shape, type and bytes of an operation's latest gradient; None as long as there is none."""
        ...

    def reason(self, operation: int) -> str | None:
        """Why an operation's gradient cannot be told; None where it can."""
        ...


class UnreadTensors(Mapping[int, Any]):
    """The operations whose values lie in a folder that was read without a tensor library."""

    def __init__(self, operations: frozenset[int], path: object) -> None:
        self._operations = operations
        self._path = path

    def __getitem__(self, key: int) -> Any:
        if key not in self._operations:
            raise KeyError(key)
        raise UnreadableTensorError(
            f"The tensors of {self._path} were not read: load_history reads structure only, without torch. "
            "Install lens-torch and use lens_torch.load(path) for the values."
        )

    def __contains__(self, key: object) -> bool:
        return key in self._operations

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._operations))

    def __len__(self) -> int:
        return len(self._operations)


class UnreadGradients:
    """The gradients that a folder holds, their values unread."""

    def __init__(self, index: TensorIndex, path: object) -> None:
        self._found: dict[int, dict[int, StoredTensor]] = {}
        for one in index.tensors:
            if one.backward is not None:
                self._found.setdefault(one.operation, {})[one.backward] = one
        self._reasons = dict(index.unreached)
        self._path = path
        self.passes = index.backward_passes
        """How many backward passes there were."""

    def of(self, operation: int) -> Mapping[int, Any]:
        """The backward passes that reached an operation."""
        return UnreadTensors(frozenset(self._found.get(operation, ())), self._path)

    def spec(self, operation: int) -> tuple[tuple[int, ...], str, int] | None:
        """Shape, type and bytes of an operation's latest gradient."""
        found = self._found.get(operation)
        latest = found[max(found)] if found else None
        return None if latest is None else (latest.shape, latest.dtype, latest.nbytes)

    def reason(self, operation: int) -> str | None:
        """Why an operation's gradient cannot be told."""
        return self._reasons.get(operation)
