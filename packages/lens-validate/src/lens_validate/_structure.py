"""Does the trace contradict itself?

Before anything is run, the records are held against each other and against what is alive: ids count up without gaps,
parents come first, the edges of an operation are exactly those that its arguments refer to, the operations of one call
agree, the module stack is one that was open, the live function is the one named, no write through another view was
forgotten, and what was read out of a tensor is what the tensor held.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from typing import Any

import torch

from lens_trace import (
    Argument,
    MappingArgument,
    Operation,
    OperationId,
    ParameterId,
    Parent,
    Recording,
    SequenceArgument,
    TensorRef,
    Trace,
)
from lens_validate._arguments import array_paths, expected_parents, tensor_leaves


def contradictions(recording: Recording) -> tuple[dict[OperationId, str], list[str]]:
    """Returns what is wrong with single operations, and what is wrong with the trace as a whole."""
    trace = recording.trace
    wrong: dict[OperationId, str] = {}
    known = {operation.id: operation for operation in trace.operations}
    findings = _ids(trace, wrong)
    stacks = _open_calls(trace)
    calls: dict[int, Operation] = {}
    for operation in trace.operations:
        for check in (
            _kind(operation),
            _references(operation, known),
            _edges(operation),
            _parameters(operation, len(recording.parameters)),
            _same_call(operation, calls),
            _stack(operation, trace, stacks),
            _function(operation, recording),
        ):
            if check is not None:
                wrong.setdefault(operation.id, check)
    findings += _missing_outputs(trace, wrong)
    return wrong, findings + _ends(trace) + _reads(recording)


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
    return None


def _references(operation: Operation, known: Mapping[OperationId, Operation]) -> str | None:
    for path, reference in tensor_leaves(operation):
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
        latest = reference.operation if isinstance(reference, TensorRef) else -1
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


# -- modules ----------------------------------------------------------------------------------------------------


def _open_calls(trace: Trace) -> dict[OperationId, int] | None:
    """Returns the innermost open module call at every operation, None where threads make the order uncertain."""
    if any(operation.thread for operation in trace.operations) or not trace.module_calls:
        return None
    innermost: dict[OperationId, int] = {}
    upcoming = iter(trace.module_calls)
    following = next(upcoming, None)
    stack: list[tuple[int, int]] = []
    for place, operation in enumerate(trace.operations):
        while True:
            while stack and stack[-1][1] <= place:
                stack.pop()
            if following is None or following.first_operation > place:
                break
            stack.append((following.id, following.last_operation))
            following = next(upcoming, None)
        innermost[operation.id] = stack[-1][0] if stack else 0
    return innermost


def _stack(operation: Operation, trace: Trace, innermost: dict[OperationId, int] | None) -> str | None:
    if operation.kind != "call":
        return None
    outer = 0
    for call in operation.module_calls:
        if not 0 < call < len(trace.module_calls):
            return f"it is said to have run in module call {call}, which does not exist"
        record = trace.module_calls[call]
        if record.parent != outer:
            return f"its module calls {list(operation.module_calls)} do not lie in each other"
        outer = call
    if innermost is not None and trace.is_complete and innermost[operation.id] != outer:
        return f"it is said to have run in module call {outer}; open was {innermost[operation.id]}"
    return None


# -- functions --------------------------------------------------------------------------------------------------


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


# -- the ends of the trace --------------------------------------------------------------------------------------


def _ends(trace: Trace) -> list[str]:
    findings: list[str] = []
    for kind, listed in (("input", trace.inputs), ("output", trace.outputs)):
        found = tuple(operation.id for operation in trace.operations if operation.kind == kind)
        if found != listed:
            findings.append(f"the {kind}s are listed as {list(listed)}, the operations of that kind are {list(found)}")
    if trace.is_complete:
        leaves = tuple(_structure_leaves(trace.output_structure))
        if leaves != trace.outputs:
            findings.append(
                f"the result's structure holds operations {list(leaves)}, the outputs are {list(trace.outputs)}"
            )
    else:
        findings.append("the forward pass ended early, so it has no outputs")
    return findings


def _structure_leaves(structure: Argument) -> list[OperationId]:
    if isinstance(structure, TensorRef):
        return [structure.operation]
    if isinstance(structure, SequenceArgument):
        return [leaf for item in structure.items for leaf in _structure_leaves(item)]
    if isinstance(structure, MappingArgument):
        return [leaf for _, item in structure.items for leaf in _structure_leaves(item)]
    return []


_SCALAR_READS: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "is_nonzero": bool,
    "item": lambda value: value,
    "float": float,
    "int": int,
    "index": int,
}


def _reads(recording: Recording) -> list[str]:
    findings: list[str] = []
    for read in recording.trace.reads:
        convert = _SCALAR_READS.get(read.kind)
        if convert is None or len(read.parents) != 1 or read.value is None or isinstance(read.value, str):
            continue
        parent = read.parents[0].operation
        if parent not in recording.tensors:
            continue
        try:
            tensor = recording.tensors[parent]
            value = convert(tensor.item()) if tensor.numel() == 1 and tensor.device.type != "meta" else read.value
        except (RuntimeError, ValueError, OverflowError, KeyError):
            continue
        is_same = value == read.value or (isinstance(value, float) and math.isnan(value) and value != read.value)
        if not is_same:
            findings.append(
                f"{read.kind}() of operation {parent} is on record as {read.value!r}; its value gives {value!r}"
            )
    return findings
