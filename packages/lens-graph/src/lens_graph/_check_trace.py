"""Do the numbers in a trace from a file point at something?

Records that a tracer made are right by construction; records from a file are whatever the file says.  Every number
that a later step uses as an index is checked here, once, so that no other code has to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from lens_graph._errors import MalformedTraceError
from lens_graph._types import layer_type_of
from lens_trace import Operation, Trace

_LARGEST = 1 << 63


def check_trace(trace: Trace) -> None:
    """Checks every reference in a trace; linear in its size.

    Raises:
        MalformedTraceError: Something points nowhere.
    """
    for kind, records in (
        ("operation", trace.operations), ("module call", trace.module_calls), ("module", trace.modules),
        ("parameter", trace.parameters), ("buffer", trace.buffers),
    ):  # fmt: skip
        _check_numbering(kind, [record.id for record in records])
    for operation in trace.operations:
        _check_operation(trace, operation)
    operations, calls = len(trace.operations), len(trace.module_calls)
    for call in trace.module_calls:
        _check(call.inputs, operations, "module call", call.id)
        _check(call.outputs, operations, "module call", call.id)
        _check([call.module], len(trace.modules), "module call", call.id)
        _check([] if call.parent is None else [call.parent], call.id, "module call", call.id)
    for module in trace.modules:
        _check(module.children, len(trace.modules), "module", module.id)
        _check(module.parameters, len(trace.parameters), "module", module.id)
        _check(module.buffers, len(trace.buffers), "module", module.id)
    for index, read in enumerate(trace.reads):
        _check([parent.operation for parent in read.parents], operations, "read", index)
        _check(read.module_calls, calls, "read", index)
    for record in (*trace.parameters, *trace.buffers):
        _check_sizes((*record.shape, record.nbytes), f"{type(record).__name__.lower()} {record.id}")
    _check((*trace.inputs, *trace.outputs), operations, "trace", 0)


def check_layers(layers: Sequence[int], operations: Sequence[int], trace: Trace) -> None:
    """Checks what was concluded about operations: that they are some of the trace, and their layers sound.

    Args:
        layers: The layer of each of the operations.
        operations: Ids.
        trace: The records.

    Raises:
        MalformedTraceError: Ids do not ascend, layers are not numbered by first member, or mix kinds.
    """
    if len(layers) != len(operations):
        raise MalformedTraceError(f"there are layers for {len(layers)} operations, but {len(operations)} operations")
    _check(operations, len(trace.operations), "history", 0)
    if any(low >= high for low, high in pairwise(operations)):
        raise MalformedTraceError("the operations of the graph do not ascend")
    firsts: list[tuple[str, str]] = []
    for layer, number in zip(layers, operations, strict=True):
        operation = trace.operations[number]
        kind = (operation.kind, layer_type_of(operation))
        if layer == len(firsts):
            firsts.append(kind)
        elif not 0 <= layer < len(firsts) or firsts[layer] != kind:
            raise MalformedTraceError(f"operation {number} cannot belong to layer {layer}")


def _check_operation(trace: Trace, operation: Operation) -> None:
    number = operation.id
    if (operation.kind == "call") != (operation.function is not None):
        raise MalformedTraceError(f"operation {number} is of kind {operation.kind} and has the wrong function")
    _check([parent.operation for parent in operation.parents], number, "operation", number)
    _check(operation.parameters, len(trace.parameters), "operation", number)
    _check(operation.module_calls, len(trace.module_calls), "operation", number)
    _check([] if operation.buffer is None else [operation.buffer], len(trace.buffers), "operation", number)
    _check_sizes((*operation.output.shape, operation.output.nbytes), f"operation {number}")


def _check(indices: Iterable[int], size: int, kind: str, number: int) -> None:
    for index in indices:
        if not 0 <= index < size:
            raise MalformedTraceError(f"{kind} {number} points at {index}, where there are {size}")


def _check_sizes(sizes: Iterable[int], name: str) -> None:
    for size in sizes:
        if not 0 <= size < _LARGEST:
            raise MalformedTraceError(f"{name} has the size {size}")


def _check_numbering(kind: str, ids: Sequence[int]) -> None:
    for index, number in enumerate(ids):
        if index != number:
            raise MalformedTraceError(f"{kind} {index} has id {number}: ids have to be indices")
