"""What is written down while the model runs?

Rows: plain structs of live objects, as little as can be.  They become frozen records afterwards (`lens_trace._freeze`),
when nobody waits.  Most rows hold nothing that could refer back to them, so the garbage collector is not told of them
(`gc=False`): for a pass of many small operations it would cost as much as writing the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple, TypeAlias

import torch
from msgspec import Struct

from lens_trace._records import Geometry
from lens_trace._role import Role

Place: TypeAlias = "tuple[CodeType, int]"
HERE: Any = ()
"""Stands for a user's place that is the place of the call itself."""


class Held(Struct, gc=False, eq=False):
    """A reference to a parameter or buffer, which the recording holds anyway.

    A weak one would outlive the pass, and torch refuses to swap the contents of tensors that are referred to weakly.
    """

    tensor: torch.Tensor

    def __call__(self) -> torch.Tensor:
        """Returns the tensor, as a weak reference would."""
        return self.tensor


class Owner(Struct, gc=False, eq=False):
    """The operation (or parameter) whose value a tensor object holds."""

    reference: Callable[[], torch.Tensor | None]
    operation: int
    """-1: a parameter as it was before the pass."""
    storage: int | None
    write: int | None = None
    seen: int = 0
    """Length of the storage's log when the value was taken."""
    parameter: int | None = None
    buffer: int | None = None
    is_stray: bool = False
    """Known by its memory only: the object itself is a view that nobody recorded."""


class ModuleRow(Struct, gc=False, eq=False):
    """One module call; where a thread begins, a row without a number stands for what surrounds it."""

    number: int | None
    module: int
    """Its number in `ModelState.modules`."""
    outer: ModuleRow | None
    thread: int
    user: Place | None
    """Where the user's code called it, or called what called it."""
    inputs: Any
    """Operations: one, or a list."""
    training: bool = False
    first: int = 0
    start: int = 0
    outputs: Any = ()
    end: int = 0
    last: int = 0


class Row(Struct, gc=False, eq=False):
    """One operation.  It is at the same time the owner of the tensor returned, hence the fields of `Owner`."""

    reference: Callable[[], torch.Tensor | None]
    operation: int
    storage: int | None
    role: Role | None
    args: Any
    """Owners in place of tensors; a parameter that nobody has touched stands for itself."""
    kwargs: dict[str, Any] | None
    module: ModuleRow | None
    through: tuple[Any, ...]
    modes: tuple[Any, ...]
    elapsed: int
    code: CodeType | None
    instruction: int
    user: Place | None
    shape: Any
    dtype: torch.dtype
    device: torch.device
    requires_grad: bool
    grad_type: Any
    write: int | None = None
    seen: int = 0
    parameter: int | None = None
    buffer: int | None = None
    is_stray: bool = False
    kind: str = "call"
    call: int | None = None
    """First operation of the call, where that is another one."""
    index: int | None = None
    path: tuple[int | str, ...] = ()
    layout: torch.layout = torch.strided
    nbytes: int | None = None
    is_dead: bool = False
    """Its value cannot be reached once the transform that it lives in has ended."""
    is_inplace: bool = False
    writes: tuple[Any, ...] = ()
    source: Any = None
    name: str | None = None


class TrackedRow(Row, gc=True):
    """A row that may hold objects of the user's."""


class Written(NamedTuple):
    """One entry of a storage's log."""

    operation: int
    write: int | None
    geometry: Geometry | None


class Seen(NamedTuple):
    """An argument whose memory was written through other views since its owner made it."""

    owner: Owner | Row
    overlays: tuple[Written, ...]
    geometry: Geometry | None


class ReadRow(NamedTuple):
    """One value that left the tensor world."""

    role: Role
    args: tuple[Any, ...]
    kwargs: dict[str, Any] | None
    value: Any
    after: int
    module: ModuleRow
    place: Place
    user: Place | None


Owning: TypeAlias = Owner | Row
Reference: TypeAlias = Owner | Row | Seen


def no_tensor() -> None:
    """The reference of a row whose tensor is not its own."""
    return None


def owner_like(owner: Owning, reference: Callable[[], torch.Tensor | None], storage: int | None = None) -> Owner:
    """Returns an owner with the same value for another tensor object, in the same memory unless told."""
    storage = owner.storage if storage is None else storage
    return Owner(
        reference, owner.operation, storage, owner.write, owner.seen, owner.parameter, owner.buffer, owner.is_stray
    )


def outer_call(row: ModuleRow | None) -> ModuleRow | None:
    """Returns the innermost module call from a row outwards, the row itself if it is one."""
    while row is not None and row.number is None:
        row = row.outer
    return row
