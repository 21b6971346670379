"""How long does each piece of memory live during a pass?

A *storage* is the memory that a tensor and its views share.  The records tell which operation made it, which wrote it,
and who reads it.  It lives from the operation that made it to the last one that reads it, and while a module runs that
was given it.  Outputs live to the end, and so does what autograd needs for a backward pass: that depends on the
function, and three short lists say what for the common ones; of any other both arguments and result are taken to live.

What is not known from records: a name in the model's code can hold a tensor longer than it is read, until the code
returns or gives the name to something else.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TypeAlias

from msgspec import Struct

from lens_graph._recurrent_memory import held_inside
from lens_graph._types import layer_type_of
from lens_trace import Operation, Trace

Key: TypeAlias = "int | tuple[str, int]"
"""The number of a storage; for a tensor without one the operation."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KEEPS_RESULT = _words("relu sigmoid tanh softmax logsoftmax exp sqrt rsqrt reciprocal elu selu")
_KEEPS_NOTHING = _words(
    """add sub rsub neg view viewas reshape flatten unflatten permute transpose t mt swapaxes movedim expand expandas
    unsqueeze squeeze getitem select narrow clone contiguous cat stack concat split splitwithsizes chunk unbind to float
    half sum mean roll repeat pad interpolate avgpool2d adaptiveavgpool2d identity detach"""
)
_KEEPS_ARGUMENTS = _words(
    """mul div matmul mm bmm addmm baddbmm linear conv1d conv2d conv3d convtranspose2d layernorm batchnorm groupnorm
    instancenorm maxpool1d maxpool2d maxpool3d gelu silu hardswish hardsigmoid hardtanh relu6 leakyrelu pow square
    embedding einsum"""
)
_VIEWS = _words("t mt transpose permute view viewas expand unsqueeze squeeze getitem select narrow detach")


class Storages(Struct, frozen=True):
    """The memory of a pass, piece by piece.  Times are operation ids; what lives to the end ends after the last."""

    of: list[Key]
    """The storage of each operation's value."""
    nbytes: dict[Key, int]
    """Bytes of each."""
    born: dict[Key, int]
    """The operation that made each, or met it first."""
    ends: dict[Key, int]
    """The last operation that needs each."""
    writes: dict[Key, list[int]]
    """The operations that wrote each after it was made."""
    outside: frozenset[Key]
    """Those that were there before the pass: inputs, parameters, buffers and what nobody has seen being made."""
    moments: list[tuple[int, int, int]]
    """What a function needs beside: bytes, the first operation and the last."""

    def epoch(self, operation: int) -> int:
        """How often an operation's storage had been written when the operation was over."""
        return bisect_right(self.writes.get(self.of[operation], ()), operation)


def find_storages(trace: Trace) -> Storages:
    """Read the life of each storage off the records."""
    operations = trace.operations
    found = Storages([_key(operation) for operation in operations], {}, {}, {}, {}, _outside(operations), [])
    maker: dict[Key, int | None] = {}
    for operation, key in zip(operations, found.of, strict=True):
        number = operation.id
        if key not in found.born:
            found.born[key] = found.ends[key] = number
            found.nbytes[key] = operation.output.nbytes
            maker[key] = operation.call_id
        elif operation.call_id is not None and operation.call_id == maker[key]:
            found.nbytes[key] += operation.output.nbytes  # parts of one piece that only the function has seen whole
        for parent in operation.parents:
            found.ends[found.of[parent.operation]] = number
        if operation.is_inplace:
            found.writes.setdefault(key, []).append(number)
    _hold_arguments(found, trace)
    for operation in operations:
        if operation.kind == "output":
            found.ends[found.of[operation.id]] = len(operations)
        elif operation.kind == "call":
            _hold_for_backward(found, operation, len(operations))
            _add_workspace(found, operation, trace)
            for nbytes, is_held in held_inside(operation, trace):
                found.moments.append((nbytes, operation.id, len(operations) if is_held else operation.id))
    return found


def _key(operation: Operation) -> Key:
    storage = operation.output.storage
    return ("operation", operation.id) if storage is None else storage


def _outside(operations: tuple[Operation, ...]) -> frozenset[Key]:
    firsts: dict[Key, Operation] = {}
    for operation in operations:
        firsts.setdefault(_key(operation), operation)
    return frozenset(key for key, first in firsts.items() if _was_there_before(first))


def _was_there_before(first: Operation) -> bool:
    is_view_of_parameter = bool(first.parameters) and not first.parents and layer_type_of(first) in _VIEWS
    return first.kind in ("input", "buffer", "constant") or is_view_of_parameter


def _hold_arguments(found: Storages, trace: Trace) -> None:
    for call in trace.module_calls:
        for operation in call.inputs:
            key = found.of[operation]
            found.ends[key] = max(found.ends[key], call.last_operation - 1)


def _hold_for_backward(found: Storages, operation: Operation, end: int) -> None:
    if operation.context is None or not operation.context.grad or not operation.output.requires_grad:
        return
    kind = layer_type_of(operation)
    is_known = kind in _KEEPS_RESULT or kind in _KEEPS_ARGUMENTS
    if kind in _KEEPS_NOTHING:
        return
    if kind.startswith("maxpool"):  # where each maximum stood, as integers of eight bytes
        found.moments.append((8 * math.prod(operation.output.shape), operation.id, end))
    if kind in _KEEPS_RESULT or not is_known:
        found.ends[found.of[operation.id]] = end
    if kind in _KEEPS_ARGUMENTS or not is_known:
        if operation.is_inplace:  # the argument is about to be written, so autograd takes a copy of it
            found.moments.append((operation.output.nbytes, operation.id, end))
            return
        for parent in operation.parents:
            found.ends[found.of[parent.operation]] = end


def _add_workspace(found: Storages, operation: Operation, trace: Trace) -> None:
    # Convolutions on the CPU put weights and result into an order of their own, and the result back.
    if operation.output.device == "cpu" and layer_type_of(operation).startswith("conv"):
        weights = sum(trace.parameters[number].nbytes for number in operation.parameters)
        found.moments.append((weights + operation.output.nbytes, operation.id, operation.id))
