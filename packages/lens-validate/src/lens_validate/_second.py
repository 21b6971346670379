"""Does the model itself make the same records once more?

A *second trace* of the model on the same inputs, with the same seed and under the same modes, must say what the
recording says: of every operation, and of modules, module calls, parameters, buffers, reads and the result's structure.

A model that is another one at its second forward is no wrong trace.  It is told apart like this: a second and a third
trace that differ from each other show it at once.  When these two agree with each other and not with the recording, the
model must show its state (see `_state`), or the recording is wrong and what differs is named.
"""

from __future__ import annotations

import torch
from msgspec import Struct

from lens_trace import OperationId, Recording
from lens_validate._differences import record_difference, trace_differences
from lens_validate._report import PassReport
from lens_validate._state import evidence_of_state, functions_of
from lens_validate._witness import Witness


class Comparison(Struct, frozen=True):
    """What a second trace says of a recording."""

    report: PassReport
    """The finding."""
    wrong: dict[OperationId, str]
    """Which operations differ, and how."""
    findings: tuple[str, ...]
    """What differs beside operations."""
    other: Recording | None
    """The second trace, which holds its sources' values, when it agrees with the recording."""


def compare_records(witness: Witness, *, has_same_result: bool) -> Comparison:
    """Compares the records with those of a second trace.

    Args:
        witness: The model and its recording.
        has_same_result: Whether a plain forward returned what is on record.
    """
    recording = witness.recording
    try:
        other = witness.second()
        wrong, findings = _differences(recording, other)
        if not wrong and not findings:
            return Comparison(PassReport("passed", ""), {}, (), other)
        if _has_threads(recording) and _has_threads(other):
            why = "not run: the model starts threads, so that the order of its operations varies"
            return _found("unverified", why, was_tried=False)
        third = witness.trace()
    except Exception as error:
        reason = f"a second trace raised {type(error).__name__}: {error}"
        evidence = evidence_of_state(witness, None, has_other_functions=False)
        if evidence is None:
            return _found("unverified", reason)
        return _found("exempt", f"stateful: {evidence}, and {reason}", is_stateful=True)
    if any(_differences(other, third)):
        return _found("exempt", "stateful: a second and a third trace differ from each other", is_stateful=True)
    has_other_functions = functions_of(other) != functions_of(recording)
    if has_other_functions or not has_same_result:
        evidence = evidence_of_state(witness, other, has_other_functions=has_other_functions)
        if evidence is not None:
            return _found("exempt", f"stateful: {evidence}", is_stateful=True)
    if has_other_functions:
        wrong = _first_of(wrong, recording, other)
    report = PassReport("failed", f"{len(wrong) + len(findings)} records differ from two later traces, which agree")
    return Comparison(report, wrong, tuple(findings), None)


def _found(verdict: str, reason: str, *, is_stateful: bool = False, was_tried: bool = True) -> Comparison:
    report = PassReport(verdict, reason, is_stateful, was_tried)  # pyright: ignore[reportArgumentType]
    return Comparison(report, {}, (), None)


def _has_threads(recording: Recording) -> bool:
    return any(operation.thread for operation in recording.trace.operations)


def _differences(recording: Recording, other: Recording) -> tuple[dict[OperationId, str], list[str]]:
    wrong: dict[OperationId, str] = {}
    for left, right in zip(recording.trace.operations, other.trace.operations, strict=False):
        reason = record_difference(left, right)
        if reason is None and left.call_id is not None and left.uses_rng:
            ours, theirs = recording.rng_states.get(left.call_id), other.rng_states.get(left.call_id)
            if ours is not None and theirs is not None and not torch.equal(ours.cpu, theirs.cpu):
                reason = "the random state before it differs from that in a second trace"
        if reason is not None:
            wrong[left.id] = reason
    return wrong, trace_differences(recording.trace, other.trace)


def _first_of(wrong: dict[OperationId, str], recording: Recording, other: Recording) -> dict[OperationId, str]:
    """Returns what differs up to the operation at which the functions part: those after it are only out of step."""
    ours, theirs = functions_of(recording), functions_of(other)
    place = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    earlier = {o: reason for o, reason in wrong.items() if o < place}
    if place >= len(ours):
        return earlier
    here = recording.trace.operations[place].id
    expected = " ".join(str(part) for part in theirs[place] if part) if place < len(theirs) else "nothing more"
    return {**earlier, here: f"a second trace has {expected} in its place"}
