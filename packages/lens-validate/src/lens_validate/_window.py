"""How is a call checked while the model runs?

A `Window` is given to `trace` as its sink.  It receives each operation as it ends, checks a call when the last of its
operations has come, and forgets it.  What is held at any time is one call's arguments and results.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from msgspec.structs import replace
from torch import Tensor

from lens_trace import (
    Opaque,
    Operation,
    OperationId,
    Recording,
)
from lens_validate._arguments import leaves
from lens_validate._check import check_call, report_of
from lens_validate._compare import find_difference
from lens_validate._conclusion import by_id, module_addresses
from lens_validate._differences import record_difference
from lens_validate._layout import geometry_of
from lens_validate._live import LiveValues
from lens_validate._memory import WORTH, hand_back
from lens_validate._perturb import Noise
from lens_validate._progress import Progress, reporter
from lens_validate._ragged import lies_in_strides
from lens_validate._report import OperationReport
from lens_validate._tolerance import tolerance_of
from lens_validate._transforms import is_wrapped
from lens_validate._values import MissingValue, SavedValues, WrongValue
from lens_validate._witness import Witness, given_inputs


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
        self._lay = {o: geometry_of(t) for o, t in given.items() if lies_in_strides(t)}
        self._report = reporter(progress, len(self._sizes))
        self._done = 0

    def __call__(self, operation: Operation, arguments: tuple[tuple[Any, ...], dict[str, Any]], output: Any) -> None:
        """Checks a call when the last of its operations has come."""
        planned = self._known.get(operation.id)
        differs = "it did not run before" if planned is None else record_difference(planned, operation, is_running=True)
        self._made[operation.id] = weakref.ref(output)
        if lies_in_strides(output) and not is_wrapped(output):
            self._lay[operation.id] = geometry_of(output)
        if is_wrapped(output):
            self.transformed.add(operation.id)
        if operation.id in self._wanted and self._saved is None and not is_wrapped(output):
            self.returned[operation.id] = output.detach().clone()
        if planned is None or differs is not None:
            self.reports[operation.id] = report_of(
                operation, "unverified", f"the model does not do the same twice: {differs}", self._modules
            )
            return
        if any(getattr(planned, name) != getattr(operation, name) for name in ("args", "kwargs")):
            planned = _as_it_ran(planned, operation)
        self._pending.append((planned, output))
        if len(self._pending) < self._sizes[planned.call_id]:
            return
        pending, self._pending = self._pending, []
        operations = tuple(entry for entry, _ in pending)
        values = LiveValues(
            planned, self._plan, arguments, {entry.id: value for entry, value in pending}, self._made, self._lay
        )
        with torch.inference_mode(False), torch.no_grad():
            reason = _not_shown(planned)
            if reason is not None:
                self.reports.update({o.id: report_of(o, "unverified", reason, self._modules) for o in operations})
                return
            for report in check_call(operations, values, self._plan, self._noise, self._modules, self._known):
                self.reports[report.operation] = self._held_against_saved(report, values)
        if output.device.type == "cpu" and planned.output.nbytes >= WORTH:
            hand_back()
        self._done += 1
        self._report(self._done)

    def _held_against_saved(self, report: OperationReport, values: LiveValues) -> OperationReport:
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


def _as_it_ran(planned: Operation, operation: Operation) -> Operation:
    """Returns the plan with the constants of this run, which a counter of the model's may have changed."""
    has_objects = any(isinstance(leaf, Opaque) for leaf in leaves(operation))
    return planned if has_objects else replace(planned, args=operation.args, kwargs=operation.kwargs)


def _not_shown(operation: Operation) -> str | None:
    """Returns why a call cannot be checked while the model runs, None when it can."""
    assert operation.function is not None
    if operation.function.kind == "module":
        return "running an opaque module again would be recorded as part of the pass"
    return None
