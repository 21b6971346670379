"""Does the trace contradict itself?

Before anything is run, the records are held against each other and against what is alive: ids count up without gaps,
parents come first, the edges of an operation are exactly those that its arguments refer to, the operations of one call
agree, the module stack is one that was open, the live function is the one named, no write through another view was
forgotten, and what was read out of a tensor is what the tensor held.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Any

import torch

from lens_trace import (
    Geometry,
    Operation,
    OperationId,
    ParameterId,
    Parent,
    Recording,
    TensorRef,
    Trace,
)
from lens_validate._arguments import array_paths, expected_parents, tensor_leaves
from lens_validate._ends import end_contradictions
from lens_validate._structure_model import model_contradictions, open_calls, stack_contradiction


def contradictions(recording: Recording) -> tuple[dict[OperationId, str], list[str]]:
    """Returns what is wrong with single operations, and what is wrong with the trace as a whole."""
    trace = recording.trace
    wrong: dict[OperationId, str] = {}
    known = {operation.id: operation for operation in trace.operations}
    findings = _ids(trace, wrong)
    stacks = open_calls(trace)
    calls: dict[int, Operation] = {}
    for operation in trace.operations:
        for check in (
            _kind(operation),
            _rng(operation, recording),
            _references(operation, known),
            _edges(operation),
            _parameters(operation, len(recording.parameters)),
            _same_call(operation, calls),
            stack_contradiction(operation, trace, stacks),
            _function(operation, recording),
        ):
            if check is not None:
                wrong.setdefault(operation.id, check)
    findings += _missing_outputs(trace, wrong)
    return wrong, findings + end_contradictions(recording) + model_contradictions(recording)


def _ids(trace: Trace, wrong: dict[OperationId, str]) -> list[str]:
    findings: list[str] = []
    expected = 0
    for operation in trace.operations:
        if operation.id != expected:
            if operation.id > expected:
                findings.append(f"operation {expected} is missing: {operation.id} stands in its place")
            else:
                findings.append(f"operation {operation.id} stands where {expected} is expected")
            wrong.setdefault(operation.id, f"its id is {operation.id}, its place in the trace is {expected}")
            # Only the first one after a gap is blamed, not all that follow it.
            expected = operation.id
        expected += 1
    return findings


def _kind(operation: Operation) -> str | None:
    if operation.kind == "call":
        if operation.function is None or operation.call_id is None:
            return "it is a call without a function"
    elif operation.function is not None or operation.call_id is not None:
        return f"it is of the kind {operation.kind} and has a function all the same"
    if (operation.kind == "buffer") != (operation.buffer is not None):
        return f"it is of the kind {operation.kind} and refers to buffer {operation.buffer}"
    if not isinstance(getattr(torch, operation.output.dtype, None), torch.dtype):
        return f"its dtype is on record as {operation.output.dtype}, which torch does not know"
    return None


def _rng(operation: Operation, recording: Recording) -> str | None:
    if not operation.uses_rng and operation.call_id is not None and operation.call_id in recording.rng_states:
        return "it is on record as drawing no random numbers, and a random state is kept of it"
    return None


def _is_possible(geometry: Geometry | None) -> bool:
    if geometry is None:
        return True
    return (
        isinstance(getattr(torch, geometry.dtype, None), torch.dtype)
        and len(geometry.shape) == len(geometry.stride)
        and all(number >= 0 for number in (*geometry.shape, *geometry.stride, geometry.offset))
    )


def _references(operation: Operation, known: Mapping[OperationId, Operation]) -> str | None:
    for path, reference in tensor_leaves(operation):
        if not all(map(_is_possible, (reference.geometry, *(overlay.geometry for overlay in reference.overlays)))):
            return f"argument {path[0]} cannot have lain in memory as is on record"
        if isinstance(reference, TensorRef):
            found = known.get(reference.operation)
            if found is None or reference.operation >= operation.id:
                return f"argument {path[0]} refers to operation {reference.operation}, which is not before it"
            if reference.write is not None and not 0 <= reference.write < len(found.writes):
                return (
                    f"argument {path[0]} refers to write {reference.write} of operation {found.id}, which has "
                    f"{len(found.writes)}"
                )
            if found.kind == "output":
                return f"argument {path[0]} refers to operation {found.id}, an output of the model"
            if found.kind == "buffer" and reference.buffer != found.buffer:
                return f"argument {path[0]} is said to be buffer {reference.buffer} and refers to buffer {found.buffer}"
        latest = -1
        # A constant or buffer is met when it is first read, and may have been written through another view before.
        if isinstance(reference, TensorRef) and known[reference.operation].kind not in ("constant", "buffer"):
            latest = reference.operation
        for overlay in reference.overlays:
            if not latest <= overlay.operation < operation.id or overlay.operation not in known:
                return f"the writes that reached argument {path[0]} are out of order at operation {overlay.operation}"
            latest = overlay.operation
    return None


def _edges(operation: Operation) -> str | None:
    expected = [_plain(parent) for parent in expected_parents(operation)]
    arrays = {tuple(str(step) for step in path) for path in array_paths(operation)}
    recorded = [_plain(parent) for parent in operation.parents]
    recorded = [parent for parent in recorded if parent in expected or parent[1] not in arrays]
    if recorded == expected:
        return None
    missing = [parent for parent in expected if parent not in recorded]
    extra = [parent for parent in recorded if parent not in expected]
    if missing:
        return f"the edge from operation {missing[0][0]} to argument {'.'.join(missing[0][1])} is missing"
    if extra:
        return f"the edge from operation {extra[0][0]} to argument {'.'.join(extra[0][1])} is not among its arguments"
    return "its edges are not in the order of its arguments"


def _plain(parent: Parent) -> tuple[int, tuple[str, ...], bool]:
    return parent.operation, tuple(str(step) for step in parent.path), parent.is_overlay


def _parameters(operation: Operation, count: int) -> str | None:
    expected: dict[ParameterId, None] = {}
    for _, reference in tensor_leaves(operation):
        if reference.parameter is not None:
            expected[reference.parameter] = None
    unknown = next((parameter for parameter in expected if not 0 <= parameter < count), None)
    if unknown is not None:
        return f"it refers to parameter {unknown}; the model has {count}"
    if tuple(expected) != operation.parameters:
        return f"its parameters are on record as {list(operation.parameters)}, its arguments refer to {list(expected)}"
    return None


def _same_call(operation: Operation, calls: dict[int, Operation]) -> str | None:
    if operation.call_id is None:
        return None
    first = calls.setdefault(operation.call_id, operation)
    if first is operation:
        if operation.call_id != operation.id:
            return f"it is the first of call {operation.call_id}; calls are numbered by their first operation"
        if operation.output_index not in (None, 0):
            return f"it is output {operation.output_index} of its call, and no output before it is in the trace"
        return None
    for name in ("function", "args", "kwargs", "writes", "context", "uses_rng", "parents"):
        left, right = getattr(first, name), getattr(operation, name)
        if left is not right and left != right:
            return f"its {name} differ from those of operation {first.id}, which the same call returned"
    return None


def _missing_outputs(trace: Trace, wrong: dict[OperationId, str]) -> list[str]:
    indices: dict[int, list[Operation]] = {}
    for operation in trace.operations:
        if operation.call_id is not None:
            indices.setdefault(operation.call_id, []).append(operation)
    for operations in indices.values():
        expected = (
            [None] if len(operations) == 1 and operations[0].output_index is None else list(range(len(operations)))
        )
        for operation, index in zip(operations, expected, strict=True):
            if operation.output_index != index:
                wrong.setdefault(
                    operation.id, f"it is output {operation.output_index} of its call, {index} is expected"
                )
    return []


def _function(operation: Operation, recording: Recording) -> str | None:
    if operation.function is None or operation.call_id is None:
        return None
    live = recording.functions.get(operation.call_id)
    name = None if live is None else name_of_callable(live)
    if operation.function.kind in ("identity", "extension", "scripted") or name in (None, operation.function.name):
        return None
    return f"its function is on record as {operation.function.name}; the live one is {name}"


def name_of_callable(function: Callable[..., Any]) -> str | None:
    """Returns the name of a function where it is beyond doubt."""
    # OpOverload and its packet have no public type.
    if isinstance(function, torch._ops.OpOverload):  # pyright: ignore[reportPrivateUsage]
        return function._schema.name.rpartition("::")[2]  # pyright: ignore[reportPrivateUsage]
    if isinstance(function, torch._ops.OpOverloadPacket):  # pyright: ignore[reportPrivateUsage]
        return function._qualified_op_name.rpartition("::")[2]  # pyright: ignore[reportPrivateUsage]
    if isinstance(function, torch.nn.Module):
        return type(function).__name__
    name = getattr(function, "__name__", None)
    owner = getattr(function, "__self__", None)
    if name in ("__get__", "__set__") and isinstance(owner, (types.GetSetDescriptorType, property)):
        item = getattr(owner, "__name__", None) or getattr(getattr(owner, "fget", None), "__name__", None)
        return item if name == "__get__" else None
    if isinstance(function, (types.MethodDescriptorType, types.WrapperDescriptorType, types.BuiltinFunctionType)):
        return name
    return None
