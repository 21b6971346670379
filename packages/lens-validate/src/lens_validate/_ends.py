"""Do the ends of the trace hold together?

Inputs and outputs are listed where they belong, what was read out of a tensor is what the tensor held, and nothing
is alive that belongs to no operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lens_trace import Argument, MappingArgument, OperationId, Recording, SequenceArgument, TensorRef, Trace


def end_contradictions(recording: Recording) -> list[str]:
    """Returns what is wrong with the lists of inputs and outputs, with reads, and with what belongs to nothing."""
    return _ends(recording.trace) + _reads(recording) + _left_over(recording)


def _left_over(recording: Recording) -> list[str]:
    trace = recording.trace
    operations = {operation.id for operation in trace.operations}
    calls = {operation.call_id for operation in trace.operations}
    random = {operation.call_id for operation in trace.operations if operation.uses_rng}
    findings: list[str] = []
    for what, keys, owners in (
        ("a value is kept of operation", recording.tensors.keys(), operations),
        ("a function is alive of call", recording.functions.keys(), calls),
        ("a random state is kept of call", recording.rng_states.keys(), random),
    ):
        unknown = sorted(int(key) for key in keys if key not in owners)
        if unknown:
            findings.append(f"{what} {unknown[0]}, and nothing on record answers to it")
    return findings


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
