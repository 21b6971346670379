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

from lens_trace import Operation, OperationId, Recording
from lens_validate._causes import explained, find_causes
from lens_validate._check import check_call, report_of
from lens_validate._errors import NotARecordingError
from lens_validate._overlays import forgotten_writes
from lens_validate._perturb import Noise
from lens_validate._progress import Progress, reporter
from lens_validate._report import NOT_RUN, OperationReport, PassReport, ValidationReport
from lens_validate._sources import check_output, check_source
from lens_validate._structure import contradictions
from lens_validate._values import SavedValues
from lens_validate._witness import Witness, compare_forward, compare_records, given_inputs, saved_inputs

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
    with torch.inference_mode(False), torch.no_grad():
        reports, findings = _check_recording(recording, args, kwargs, seed, progress)
        plain, second, wrong = _call_witnesses(recording, model, args, kwargs, reports)
    trace = recording.trace
    known = {operation.id: operation for operation in trace.operations}
    modules = module_addresses(recording)
    reports = [
        report_of(known[r.operation], "failed", wrong[r.operation], modules, r.edges)
        if r.operation in wrong and r.verdict != "failed"
        else r
        for r in reports
    ]
    causes = find_causes(reports, known)
    return ValidationReport(
        trace.model_name,
        tuple(explained(reports, causes, known)),
        causes,
        plain,
        second,
        tuple(findings),
        time.perf_counter() - started,
    )


def module_addresses(recording: Recording) -> dict[int, str]:
    """Returns the address of the innermost module of each operation that ran in one."""
    calls = recording.trace.module_calls
    return {
        operation.id: calls[operation.module_calls[-1]].address
        for operation in recording.trace.operations
        if operation.module_calls and 0 <= operation.module_calls[-1] < len(calls)
    }


def readers_of(operations: tuple[Operation, ...]) -> dict[OperationId, tuple[OperationId, ...]]:
    """Returns the operations that read each operation, in execution order."""
    found: dict[OperationId, dict[OperationId, None]] = {}
    for operation in operations:
        for parent in operation.parents:
            found.setdefault(parent.operation, {})[operation.id] = None
    return {parent: tuple(readers) for parent, readers in found.items()}


def _check_recording(
    recording: Recording, args: Any, kwargs: Mapping[str, Any] | None, seed: int, progress: Progress
) -> tuple[list[OperationReport], list[str]]:
    trace = recording.trace
    known = {operation.id: operation for operation in trace.operations}
    modules = module_addresses(recording)
    wrong, findings = contradictions(recording)
    wrong = {**forgotten_writes(recording, known), **wrong}
    reports = {operation: report_of(known[operation], "failed", reason, modules) for operation, reason in wrong.items()}
    values, noise = SavedValues(recording), Noise(seed)
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
    given = {} if args is _NO_ARGUMENTS else given_inputs(recording, args, kwargs)
    readers = readers_of(trace.operations)
    for operation in trace.operations:
        if operation.id not in reports:
            reads = readers.get(operation.id, ())
            reports[operation.id] = check_source(
                operation, values, recording, reports, reads, given, modules, known, lambda reader: reader not in wrong
            )
    return [reports[operation.id] for operation in trace.operations], findings


def _calls(operations: tuple[Operation, ...]) -> list[tuple[Operation, ...]]:
    """Returns the operations that have something to run, those of one call together, in execution order."""
    groups: dict[tuple[str, int], list[Operation]] = {}
    for operation in operations:
        if operation.kind == "output":
            groups[("output", operation.id)] = [operation]
        elif operation.kind == "call" and operation.call_id is not None and operation.function is not None:
            groups.setdefault(("call", operation.call_id), []).append(operation)
    return [tuple(group) for group in groups.values()]


def _call_witnesses(
    recording: Recording,
    model: torch.nn.Module | None,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    reports: list[OperationReport],
) -> tuple[PassReport, PassReport, dict[OperationId, str]]:
    if model is None:
        return NOT_RUN, NOT_RUN, {}
    if args is _NO_ARGUMENTS:
        made = saved_inputs(recording)
        if made is None:
            not_run = PassReport("unverified", "not run: give validate() the args that the model was traced with")
            return not_run, not_run, {}
        args, kwargs = made[0], {**made[1], **(kwargs or {})}
    witness = Witness(recording, model, args, kwargs)
    modes = _grad_mode(recording)
    with modes:
        plain = compare_forward(witness, has_failures=any(r.verdict == "failed" for r in reports))
        second, wrong = compare_records(witness)
    return plain, second, wrong


def _grad_mode(recording: Recording) -> torch.set_grad_enabled:
    # The forward ran in its caller's grad mode, which the first call still tells.
    first = next((operation.context for operation in recording.trace.operations if operation.context is not None), None)
    return torch.set_grad_enabled(first is not None and first.grad)
