"""Does the model itself agree with its recording?

Two witnesses are called when the model is at hand.  A *plain forward*, untraced, with the same seed, must return what
the recording says the model returned, in the same structure.  A *second trace* that keeps no value must make the same
records.

A model whose second forward differs from its first is no wrong trace.  It is told apart in this way: two plain forwards
that differ from each other show it at once; a model that settles after its first forward (caches, counters that start
at zero) shows it by another sequence of functions in the second trace.  Records that differ while the sequence of
functions, the results and a third trace all agree are wrong records, and are named.
"""

from __future__ import annotations

import torch

from lens_trace import (
    Operation,
    OperationId,
    Recording,
)
from lens_validate._differences import record_difference
from lens_validate._report import PassReport
from lens_validate._witness import Witness


def compare_records(witness: Witness) -> tuple[PassReport, dict[OperationId, str]]:
    """Compares the records with those of a second trace.

    Returns:
        The finding, and what is wrong with which operation.
    """
    if any(operation.thread for operation in witness.recording.trace.operations):
        return PassReport("unverified", "the model starts threads, so that the order of its operations varies"), {}
    try:
        other = witness.trace()
        differences = _record_differences(witness.recording, other)
        if not differences and len(other.trace.operations) == len(witness.recording.trace.operations):
            return PassReport("passed", ""), {}
        third = witness.trace()
    except Exception as error:
        return PassReport("unverified", f"a second trace raised {type(error).__name__}: {error}"), {}
    if functions_of(third) != functions_of(other) or _record_differences(other, third):
        return PassReport("exempt", "stateful: a second and a third trace differ from each other", True), {}
    if functions_of(other) != functions_of(witness.recording):
        return PassReport("exempt", "stateful, or incomplete: the second trace ran other functions", True), {}
    if not differences:
        return PassReport("passed", ""), {}
    number = len(differences)
    return PassReport(
        "failed", f"{number} records differ from those of a second and a third trace, which agree"
    ), differences


def _record_differences(recording: Recording, other: Recording) -> dict[OperationId, str]:
    found: dict[OperationId, str] = {}
    for left, right in zip(recording.trace.operations, other.trace.operations, strict=False):
        reason = record_difference(left, right)
        if reason is None and left.call_id is not None and left.uses_rng:
            ours, theirs = recording.rng_states.get(left.call_id), other.rng_states.get(left.call_id)
            if ours is not None and theirs is not None and not torch.equal(ours.cpu, theirs.cpu):
                reason = "the random state before it differs from that in a second trace"
        if reason is not None:
            found[left.id] = reason
    return found


def first_changed_record(recording: Recording, other: Recording) -> tuple[Operation, str] | None:
    differences = _record_differences(recording, other)
    if not differences:
        return None
    first = min(differences)
    operation = next(operation for operation in recording.trace.operations if operation.id == first)
    return operation, differences[first]


def functions_of(recording: Recording) -> list[tuple[str, str | None]]:
    return [(o.kind, None if o.function is None else o.function.qualified_name) for o in recording.trace.operations]
