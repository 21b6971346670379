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
import weakref
from collections.abc import Mapping
from typing import Any

import torch
from msgspec.structs import replace
from torch import Tensor

from lens_trace import (
    Geometry,
    Operation,
    OperationId,
    ParameterRef,
    Path,
    Recording,
    RngState,
    TensorRef,
    nothing,
    replayed,
    trace,
)
from lens_validate._arguments import Reference, tensor_leaves, value_at
from lens_validate._check import check_call, report_of
from lens_validate._compare import find_difference
from lens_validate._conclusion import by_id, concluded, module_addresses, readers_of
from lens_validate._layout import geometry_of, owners
from lens_validate._overlays import WRITE_NO_VALUES
from lens_validate._perturb import Noise
from lens_validate._progress import Progress, reporter
from lens_validate._report import OperationReport, PassReport, ValidationReport
from lens_validate._sources import check_output, check_source
from lens_validate._structure import contradictions
from lens_validate._tolerance import tolerance_of
from lens_validate._transforms import is_wrapped
from lens_validate._values import MissingValue, SavedValues, WrongValue
from lens_validate._witness import Witness, compare_forward, given_inputs, record_difference


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
    state = RngState(torch.get_rng_state())
    with replayed(state):
        plan = trace(model, args, kwargs, keep=nothing, seed=seed)
    window = Window(plan, given_inputs(plan, args, kwargs), progress)
    with replayed(state):
        recording = trace(model, args, kwargs, keep=_no_calls, seed=seed, sink=window)
    return _report(plan, recording, window, Witness(recording, model, args, kwargs), started)


def _no_calls(operation: Operation) -> bool:
    return operation.kind != "call"


def checked_again(reports: dict[OperationId, OperationReport], witness: Witness) -> dict[OperationId, OperationReport]:
    """Returns the reports of a recording, with what could not be verified from it verified while the model runs again.

    A value that was saved passes when the model computes it again and it follows there.  A value that lived inside a
    transform such as vmap could not be saved: it passes when it follows.  What was simply not kept stays unverified.
    """
    recording = witness.recording
    given = given_inputs(recording, witness.args, witness.kwargs)
    window = Window(recording, given, saved=SavedValues(recording))
    try:
        witness.trace(window)
    except Exception:  # the comparison with a plain forward tells of it
        return reports
    known = by_id(recording.trace)
    return {
        operation: _adopted(report, window, known[operation], recording) if report.verdict == "unverified" else report
        for operation, report in reports.items()
    }


def _adopted(report: OperationReport, window: Window, operation: Operation, recording: Recording) -> OperationReport:
    again = window.reports.get(operation.id)
    if again is None or again.verdict == "unverified":
        return report
    if operation.id in window.transformed:
        return replace(again, reason=again.reason or "checked while the model ran again: it ended with its transform")
    return again if operation.id in recording.tensors or again.verdict == "failed" else report


class Window:
    """Receives every operation as it ends; to be given to `trace` as its sink.

    Attributes:
        reports: Findings so far, by operation.
        returned: Values that the model's outputs refer to.
        transformed: Operations whose values live inside a transform such as vmap.
    """

    def __init__(
        self,
        plan: Recording,
        given: Mapping[OperationId, Tensor],
        progress: Progress = False,
        *,
        saved: SavedValues | None = None,
    ) -> None:
        self.reports: dict[OperationId, OperationReport] = {}
        self.returned: dict[int, Tensor] = {}
        self.transformed: set[OperationId] = set()
        self._plan = plan
        self._saved = saved
        outputs = [operation for operation in plan.trace.operations if operation.kind == "output"]
        self._wanted = {parent.operation for operation in outputs for parent in operation.parents}
        self._known = by_id(plan.trace)
        self._sizes: dict[int | None, int] = {}
        for operation in plan.trace.operations:
            self._sizes[operation.call_id] = self._sizes.get(operation.call_id, 0) + 1
        self._modules = module_addresses(plan.trace)
        self._noise = Noise(0)
        self._pending: list[tuple[Operation, Tensor]] = []
        self._made: dict[OperationId, weakref.ref[Tensor]] = {o: weakref.ref(t) for o, t in given.items()}
        for operation in plan.trace.operations:
            if operation.buffer is not None and operation.buffer in plan.buffers:
                self._made[operation.id] = weakref.ref(plan.buffers[operation.buffer])
        self._lay = {o: geometry_of(t) for o, t in given.items() if t.layout is torch.strided}
        self._report = reporter(progress, len(self._sizes))
        self._done = 0

    def __call__(self, operation: Operation, arguments: tuple[tuple[Any, ...], dict[str, Any]], output: Any) -> None:
        """Checks a call when the last of its operations has come."""
        planned = self._known.get(operation.id)
        differs = "it did not run before" if planned is None else record_difference(planned, operation, is_running=True)
        self._made[operation.id] = weakref.ref(output)
        if output.layout is torch.strided and not is_wrapped(output):
            self._lay[operation.id] = geometry_of(output)
        if is_wrapped(output):
            self.transformed.add(operation.id)
        if operation.id in self._wanted and self._saved is None:
            self.returned[operation.id] = output.detach().clone()
        if planned is None or differs is not None:
            self.reports[operation.id] = report_of(
                operation, "unverified", f"the model does not do the same twice: {differs}", self._modules
            )
            return
        self._pending.append((planned, output))
        if len(self._pending) < self._sizes[planned.call_id]:
            return
        pending, self._pending = self._pending, []
        operations = tuple(entry for entry, _ in pending)
        values = _LiveValues(
            planned, self._plan, arguments, {entry.id: value for entry, value in pending}, self._made, self._lay
        )
        with torch.inference_mode(False), torch.no_grad():
            reason = _not_shown(planned)
            if reason is not None:
                self.reports.update({o.id: report_of(o, "unverified", reason, self._modules) for o in operations})
                return
            for report in check_call(operations, values, self._plan, self._noise, self._modules, self._known):
                self.reports[report.operation] = self._held_against_saved(report, values)
        self._done += 1
        self._report(self._done)

    def _held_against_saved(self, report: OperationReport, values: _LiveValues) -> OperationReport:
        """Returns the finding, or that the saved value is not what the model has just computed."""
        if self._saved is None or report.verdict in ("failed", "unverified"):
            return report
        operation = self._known[report.operation]
        try:
            saved = self._saved.output(operation)
        except MissingValue:
            return report
        except WrongValue as error:
            return report_of(operation, "failed", str(error), self._modules)
        live = values.output(operation)
        difference = (
            None if report.verdict == "exempt" else find_difference(saved, live, tolerance_of("", [live], live, None))
        )
        return report if difference is None else report_of(operation, "failed", difference, self._modules)


class _LiveValues:
    """Answers from the tensors that the running model holds."""

    def __init__(
        self,
        operation: Operation,
        plan: Recording,
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
        outputs: Mapping[OperationId, Tensor],
        made: Mapping[OperationId, weakref.ref[Tensor]],
        lay: Mapping[OperationId, Geometry],
    ) -> None:
        self._plan = plan
        self._lay = lay
        self._changes_shape = operation.function is not None and operation.function.name in WRITE_NO_VALUES
        self._args, self._kwargs = list(arguments[0]), arguments[1]
        self._outputs = outputs
        self._made = made

    def argument(self, path: Path, reference: Reference) -> Tensor:
        """Returns the argument itself; it must be the tensor that its parent returned."""
        value = value_at(self._args, self._kwargs, path)
        if not isinstance(value, Tensor):
            raise WrongValue(f"argument {path[0]} is no tensor")
        wrong = self._is_another(value, reference)
        if wrong:
            raise WrongValue(f"argument {path[0]} is not the tensor that operation {wrong} returned")
        before = self._lay.get(reference.operation) if isinstance(reference, TensorRef) else None
        if self._changes_shape and before is not None and reference.geometry is None:
            # The argument itself has its new shape already; its memory is still the same.
            return value.detach().as_strided(before.shape, before.stride, before.offset)
        return value.detach()

    def contributors(self, path: Path, reference: Reference) -> Tensor | None:
        """Returns who wrote each byte of each element."""
        if reference.geometry is None or not reference.overlays:
            return None
        overlays = [overlay.geometry or reference.geometry for overlay in reference.overlays]
        value = value_at(self._args, self._kwargs, path)
        return owners(reference.geometry, overlays, reference.geometry, value.device)

    def output(self, operation: Operation) -> Tensor:
        """Returns what the call has just returned."""
        return self._outputs[operation.id].detach()

    def written(self, operation: Operation, write: int) -> Tensor:
        """Returns what a call has just written into a buffer of the model."""
        path, spec = operation.writes[write].path, operation.writes[write].spec
        leaf = next((leaf for at, leaf in tensor_leaves(operation) if at == path), None)
        if isinstance(leaf, TensorRef):
            known = self._made.get(leaf.operation)
            live = self._plan.buffers.get(leaf.buffer) if leaf.buffer is not None else None
            live = known() if live is None and known is not None else live
            if live is not None and tuple(live.shape) == spec.shape:
                return live.detach()
        raise MissingValue("what it wrote beside its output is not shown while the model runs")

    def _is_another(self, value: Tensor, reference: Reference) -> int:
        if isinstance(reference, ParameterRef) or reference.geometry is not None or reference.write is not None:
            return 0
        known = self._made.get(reference.operation)
        parent = known() if known is not None else None
        if self._changes_shape:
            return 0
        # An argument that is about to be written is shown as a copy, which has no storage in common with anything.
        if parent is None or parent is value or _shares_memory(parent, value) or _is_equal(parent, value):
            return 0
        return reference.operation


def _not_shown(operation: Operation) -> str | None:
    """Returns why a call cannot be checked while the model runs, None when it can."""
    assert operation.function is not None
    if operation.function.kind == "module":
        return "running an opaque module again would be recorded as part of the pass"
    return None


def _shares_memory(left: Tensor, right: Tensor) -> bool:
    try:
        return left.untyped_storage()._cdata == right.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]
    except (RuntimeError, NotImplementedError):
        return True


def _is_equal(left: Tensor, right: Tensor) -> bool:
    # The parent may have been written since: then only its kind can be compared.
    return left.shape == right.shape and left.dtype == right.dtype


def _report(
    plan: Recording, recording: Recording, window: Window, witness: Witness, started: float
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
                    operation, values, plan, reports, reads, given, modules, known, lambda reader: reader not in wrong
                )
    has_failures = any(report.verdict == "failed" for report in reports.values())
    plain = compare_forward(witness, has_failures=has_failures)
    is_same = len(recording.trace.operations) == len(known) and not any(
        record_difference(known[o.id], o) for o in recording.trace.operations
    )
    second = PassReport("passed", "") if is_same else PassReport("exempt", "stateful: two traces differ", True)
    return concluded(plan, reports, plain, second, findings, time.perf_counter() - started)
