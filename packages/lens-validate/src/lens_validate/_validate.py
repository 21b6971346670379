"""Is what was saved right?

`validate` takes a recording apart operation by operation.  In the paper's words ("Validating the accuracy of saved
activations"): execute the function of each layer on the saved values of its parents and see that the result is the
saved value; put other values in their place and see that it is not; begin at the outputs and go back to the inputs.
The outputs themselves are held against a plain forward.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lens_trace import Operation, OperationId, Recording
from lens_validate._check import check_call, report_of
from lens_validate._conclusion import by_id, concluded, module_addresses, readers_of
from lens_validate._errors import NotARecordingError
from lens_validate._forward import compare_forward
from lens_validate._malformed import malformed_report
from lens_validate._overlays import forgotten_writes
from lens_validate._perturb import Noise
from lens_validate._progress import Progress, reporter
from lens_validate._report import NOT_RUN, OperationReport, PassReport, ValidationReport
from lens_validate._second import Comparison, compare_records
from lens_validate._sources import check_output, check_source
from lens_validate._structure import contradictions
from lens_validate._values import SavedValues
from lens_validate._window import checked_again
from lens_validate._witness import Witness, given_inputs, saved_inputs

_NO_ARGUMENTS: Any = object()


def validate(
    recording: Recording,
    model: torch.nn.Module | None = None,
    args: Any = _NO_ARGUMENTS,
    kwargs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    progress: Progress = False,
) -> ValidationReport:
    """Checks that every saved value of a recording follows from its parents, and that every parent matters.

    A replayed value must equal the saved one bit for bit where the function only moves, picks, compares or counts
    values; elsewhere within `4 * eps * |saved|`, plus `(1 + log2(n)) * eps * m` where it sums `n` terms of total
    magnitude `m` (see `lens_validate._tolerance`).  NaN equals NaN; infinities and, but for sums, zeros must agree in
    sign.

    Args:
        recording: What `lens_trace.trace` returned.  Nothing in it is changed.
        model: The model that was recorded.  With it, the outputs are compared with a plain forward and the records
            with a second trace.
        args: Its arguments, as given to `trace`; when left out they are made from the saved inputs.
        kwargs: Its keyword arguments.
        seed: Seeds the replacement values; the global random state is never touched.
        progress: True shows a bar on long runs in a terminal; a callable gets the calls done and their number.

    Returns:
        One verdict for each operation; true in an `if` when nothing failed, nothing is unverified and something passed.

    Raises:
        NotARecordingError: `recording` is no recording.
    """
    started = time.perf_counter()
    if not isinstance(recording, Recording):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise NotARecordingError(
            f"Expected the Recording that lens_trace.trace returns, got {type(recording).__name__}. For a model use "
            "lens_torch.validate_saved_activations(model, inputs)."
        )
    malformed = malformed_report(recording, time.perf_counter() - started)
    if malformed is not None:
        return malformed
    with torch.inference_mode(False), torch.no_grad():
        wrong, findings = contradictions(recording)
        reports = _check_calls(recording, wrong, Noise(seed), progress)
        given = {} if args is _NO_ARGUMENTS else given_inputs(recording, args, kwargs)
        witness = _witness(recording, model, args, kwargs)
        plain, second = _call(witness, reports)
        if isinstance(witness, Witness) and any(report.verdict == "unverified" for report in reports.values()):
            reports = checked_again(reports, witness)
        live = {} if second.other is None else dict(second.other.tensors)
        reports = _check_sources(recording, reports, wrong, given, live)
    reports.update(_contradicted(recording, second, reports))
    findings = (*findings, *second.findings)
    contradicted = wrong.keys() | second.wrong.keys()
    return concluded(recording, reports, plain, second.report, findings, contradicted, time.perf_counter() - started)


def _check_calls(
    recording: Recording, wrong: dict[OperationId, str], noise: Noise, progress: Progress
) -> dict[OperationId, OperationReport]:
    """Returns the findings on everything that can be replayed, from the outputs back."""
    trace = recording.trace
    known, modules = by_id(trace), module_addresses(trace)
    wrong.update(
        {operation: r for operation, r in forgotten_writes(recording, known).items() if operation not in wrong}
    )
    reports = {o: report_of(known[o], "failed", reason, modules) for o, reason in wrong.items()}
    values = SavedValues(recording)
    groups = _calls(trace.operations)
    report = reporter(progress, len(groups))
    for done, operations in enumerate(reversed(groups), 1):
        if operations[0].kind == "output":
            found = [check_output(operations[0], values, modules)]
        else:
            found = check_call(operations, values, recording, noise, modules, known)
        for entry in found:
            reports.setdefault(entry.operation, entry)
        report(done)
    return reports


def _check_sources(
    recording: Recording,
    reports: dict[OperationId, OperationReport],
    wrong: dict[OperationId, str],
    given: Mapping[OperationId, Tensor],
    live: Mapping[OperationId, Tensor],
) -> dict[OperationId, OperationReport]:
    """Returns the findings with those on inputs, buffers and constants added."""
    trace = recording.trace
    known, modules, readers = by_id(trace), module_addresses(trace), readers_of(trace)
    values = SavedValues(recording)
    complete = dict(reports)
    for operation in trace.operations:
        if operation.id not in reports:
            reads = readers.get(operation.id, ())
            complete[operation.id] = check_source(
                operation, values, recording, reports, reads, given, live, modules, known, lambda r: r not in wrong
            )
    return complete


def _calls(operations: tuple[Operation, ...]) -> list[tuple[Operation, ...]]:
    """Returns the operations that have something to run, those of one call together, in execution order."""
    groups: dict[tuple[str, int], list[Operation]] = {}
    for operation in operations:
        if operation.kind == "output":
            groups[("output", operation.id)] = [operation]
        elif operation.kind == "call" and operation.call_id is not None and operation.function is not None:
            groups.setdefault(("call", operation.call_id), []).append(operation)
    return [tuple(group) for group in groups.values()]


def _witness(
    recording: Recording, model: torch.nn.Module | None, args: Any, kwargs: Mapping[str, Any] | None
) -> Witness | PassReport:
    """Returns the model as a witness, or why it cannot be one."""
    if model is None:
        return NOT_RUN
    if args is _NO_ARGUMENTS:
        made = saved_inputs(recording)
        if made is None:
            why = "not run: give validate() the args that the model was traced with"
            return PassReport("unverified", why, was_tried=False)
        args, kwargs = made[0], {**made[1], **(kwargs or {})}
    return Witness(recording, model, args, kwargs)


def _call(
    witness: Witness | PassReport, reports: Mapping[OperationId, OperationReport]
) -> tuple[PassReport, Comparison]:
    """Returns what the witness says of the outputs and of the records."""
    if isinstance(witness, PassReport):
        return witness, Comparison(witness, {}, (), None)
    witness.take_mode()
    plain = compare_forward(witness, has_failures=any(report.verdict == "failed" for report in reports.values()))
    return plain, compare_records(witness, has_same_result=plain.verdict == "passed")


def _contradicted(
    recording: Recording, second: Comparison, reports: Mapping[OperationId, OperationReport]
) -> dict[OperationId, OperationReport]:
    """Returns a failure for each operation that only the second trace contradicts."""
    known, modules = by_id(recording.trace), module_addresses(recording.trace)
    return {
        operation: report_of(known[operation], "failed", reason, modules)
        for operation, reason in second.wrong.items()
        if reports[operation].verdict != "failed"
    }
