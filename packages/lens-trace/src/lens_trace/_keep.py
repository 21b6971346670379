"""Which values are kept?

`keep` is a predicate on operations.  The four here cover most needs and cost nothing per operation to ask; any callable
that takes an `Operation` and returns a truth value works too (its record is then built while the model runs).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from lens_trace._errors import SelectionError
from lens_trace._records import Operation, OperationId

Keep: TypeAlias = Callable[[Operation], bool]


def everything(operation: Operation) -> bool:
    """Keeps the value of every operation."""
    return True


def nothing(operation: Operation) -> bool:
    """Keeps no value: structure only."""
    return False


class OnlyIds:
    """Keeps the operations with these ids."""

    __slots__ = ("ids",)

    def __init__(self, ids: frozenset[int]) -> None:
        self.ids = ids

    def __call__(self, operation: Operation) -> bool:
        """Returns whether the operation is one of them."""
        return operation.id in self.ids


class OutputsOf:
    """Keeps what these modules return."""

    __slots__ = ("addresses",)

    def __init__(self, addresses: frozenset[str]) -> None:
        self.addresses = addresses

    def __call__(self, operation: Operation) -> bool:
        """Cannot be told from the record alone: the recorder decides when a module returns."""
        raise SelectionError("outputs_of(...) is decided by trace() itself; pass it as keep= and do not call it.")


def only(ids: Iterable[OperationId | int]) -> OnlyIds:
    """Keeps the operations with these ids (ids come from an earlier trace of the same model and input shapes)."""
    return OnlyIds(frozenset(int(i) for i in ids))


def outputs_of(addresses: str | Iterable[str]) -> OutputsOf:
    """Keeps every tensor that the modules at these addresses return, at every call; `""` is the model itself."""
    return OutputsOf(frozenset([addresses]) if isinstance(addresses, str) else frozenset(addresses))
