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

    __slots__ = ("ids", "then_stop")

    def __init__(self, ids: frozenset[int], then_stop: bool) -> None:
        self.ids = ids
        self.then_stop = then_stop

    def __call__(self, operation: Operation) -> bool:
        """Returns whether the operation is one of them."""
        return operation.id in self.ids


class OutputsOf:
    """Keeps what these modules return, and what a predicate accepts."""

    __slots__ = ("addresses", "also")

    def __init__(self, addresses: frozenset[str], also: Keep | None) -> None:
        self.addresses = addresses
        self.also = also

    def __call__(self, operation: Operation) -> bool:
        """Cannot be told from the record alone: the recorder decides when a module returns."""
        raise SelectionError("outputs_of(...) is decided by trace() itself; pass it as keep= and do not call it.")


def only(ids: Iterable[OperationId | int], *, then_stop: bool = False) -> OnlyIds:
    """Keeps the operations with these ids (ids come from an earlier trace of the same model and input shapes).

    With `then_stop` the forward ends after the last of them, once the call that made it has returned.
    """
    return OnlyIds(frozenset(int(i) for i in ids), then_stop)


def outputs_of(addresses: str | Iterable[str], *, also: Keep | None = None) -> OutputsOf:
    """Keeps every tensor that the modules at these addresses return, at every call; `""` is the model itself.

    `also` is a predicate on `Operation`: what it accepts is kept as well.
    """
    return OutputsOf(frozenset([addresses]) if isinstance(addresses, str) else frozenset(addresses), also)
