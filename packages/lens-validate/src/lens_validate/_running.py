"""How is a model validated without holding all its tensors?

The paper's validation holds every intermediate tensor until the last is checked.  Here the model runs twice.  The
first pass keeps no value: it tells what will run, with which functions and random states.  During the second pass each
call is checked the moment it ends, while its arguments are still at hand because the model itself holds them, and
forgotten.  What is held at any time is one call's arguments and results, so memory stays within a small factor of a
plain forward.

The live tensors show one thing more than saved values do: that an argument *is* the tensor which its parent returned.

Values that live inside a transform such as vmap end with it and cannot be saved; here they are seen while they live.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch

from lens_trace import (
    Operation,
    Recording,
    RngState,
    replayed,
    trace,
)
from lens_validate._check import report_of
from lens_validate._conclusion import by_id, concluded, module_addresses, readers_of
from lens_validate._differences import record_difference
from lens_validate._forward import compare_forward
from lens_validate._memory import WORTH, hand_back
from lens_validate._progress import Progress
from lens_validate._report import PassReport, ValidationReport
from lens_validate._sources import check_output, check_source
from lens_validate._state import functions_of
from lens_validate._structure import contradictions
from lens_validate._values import SavedValues
from lens_validate._window import Window
from lens_validate._witness import Witness, given_inputs


def validate_while_running(
    model: torch.nn.Module,
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    seed: int | None = None,
    progress: Progress = False,
) -> ValidationReport:
    """Checks every operation of a forward pass while it runs, and holds no tensor longer than the model does.

    The verdicts are those of `validate(trace(model, args, kwargs), model, args, kwargs)`.

    Args:
        model: The model; it is left as it was.
        args: A tuple is the positional arguments; anything else is the one argument.
        kwargs: Keyword arguments of the forward.
        seed: Seeds the passes; without one each begins with the random state of now.
        progress: True shows a bar on long runs in a terminal; a callable gets the calls done and their number.

    Returns:
        One verdict for each operation.
    """
    started = time.perf_counter()
    state = RngState.now()
    plan, recording, window = _two_passes(model, args, kwargs, seed, progress, state)
    first = functions_of(plan)
    if functions_of(recording) != first:  # it settles after its first forward: what follows is what can be checked
        plan, recording, window = _two_passes(model, args, kwargs, seed, progress, state)
    has_settled = functions_of(plan) != first
    return _report(plan, recording, window, Witness(recording, model, args, kwargs), started, has_settled=has_settled)


def _two_passes(
    model: torch.nn.Module,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    seed: int | None,
    progress: Progress,
    state: RngState,
) -> tuple[Recording, Recording, Window]:
    """Returns the plan, the records of the pass that was watched, and what the window found."""
    with replayed(state):
        plan = trace(model, args, kwargs, keep=_nothing, seed=seed)
    window = Window(plan, given_inputs(plan, args, kwargs), progress)
    with replayed(state):
        return plan, trace(model, args, kwargs, keep=_no_calls, seed=seed, sink=window), window


def _nothing(operation: Operation) -> bool:
    if operation.output.nbytes >= WORTH:
        hand_back()
    return False


def _no_calls(operation: Operation) -> bool:
    return operation.kind != "call"


def _report(
    plan: Recording, recording: Recording, window: Window, witness: Witness, started: float, *, has_settled: bool
) -> ValidationReport:
    known = by_id(plan.trace)
    modules = module_addresses(plan.trace)
    wrong, findings = contradictions(plan)
    reports = {operation: report_of(known[operation], "failed", reason, modules) for operation, reason in wrong.items()}
    for operation, report in window.reports.items():
        reports.setdefault(operation, report)
    given = given_inputs(plan, witness.args, witness.kwargs)
    values = SavedValues(recording.replace(tensors=recording.tensors.replace({**given, **window.returned})))
    readers = readers_of(plan.trace)
    with torch.inference_mode(False), torch.no_grad():
        for operation in plan.trace.operations:
            if operation.kind == "output" and operation.id not in reports:
                reports[operation.id] = check_output(operation, values, modules)
            elif operation.kind == "call" and operation.id not in reports:
                reports[operation.id] = report_of(operation, "unverified", "it did not run again", modules)
        for operation in plan.trace.operations:
            if operation.id not in reports:
                reads = readers.get(operation.id, ())
                reports[operation.id] = check_source(
                    operation, values, plan, reports, reads, given, {}, modules, known, lambda r: r not in wrong
                )
    has_failures = any(report.verdict == "failed" for report in reports.values())
    plain = compare_forward(witness, has_failures=has_failures)
    is_same = (
        not has_settled
        and len(recording.trace.operations) == len(known)
        and not any(record_difference(known[o.id], o) for o in recording.trace.operations)
    )
    second = (
        PassReport("passed", "")
        if is_same
        else PassReport("exempt", "stateful: two traces differ from each other", True)
    )
    return concluded(plan, reports, plain, second, findings, wrong, time.perf_counter() - started)
