"""Does one call's result follow from its parents, and from all of them?

Two questions, in this order.  *Replay*: run on the saved parents, does the function return the saved values (and write
what was saved as written)?  *Perturbation*: for every edge, does some other value in that place change the result?  An
edge that changes nothing needs a proof from the table of exemptions; without one it is a wrong edge.

An operation passes when its value replays and no edge failed; it is exempt when there was nothing to compare or no edge
of it could matter.

Source: "Validating the accuracy of saved activations" in the TorchLens paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from lens_trace import Operation, OperationId, ParameterRef, Path, Recording, TensorRef
from lens_validate._arguments import array_paths, constants, rebuild
from lens_validate._case import Case
from lens_validate._compare import changed, find_difference
from lens_validate._domains import CRASHES, index_bound, trusts
from lens_validate._errors import CannotRebuildError
from lens_validate._exempt import find_exemption
from lens_validate._names import canonical_name
from lens_validate._perturb import Draw, Noise, like_draws, wide_draws
from lens_validate._replay import Call, Outcome, WrongResult, prepare, run
from lens_validate._report import EdgeReport, OperationReport
from lens_validate._tolerance import Tolerance, tolerance_of
from lens_validate._transforms import first_of_batch, is_wrapped, wrapped_like
from lens_validate._values import MissingValue, Values, WrongValue

UNINITIALISED = frozenset(
    [
        "empty",
        "empty_like",
        "new_empty",
        "empty_strided",
        "new_empty_strided",
        "empty_permuted",
        "empty_quantized",
        "Tensor",
        "resize",
        "resize_as",
    ]
)
"""Functions whose result holds whatever the memory held before."""


_READ_THE_GRAPH = frozenset({"torch.autograd.grad", "torch.autograd.backward", "torch.Tensor.backward"})


def check_call(
    operations: tuple[Operation, ...],
    values: Values,
    recording: Recording,
    noise: Noise,
    modules: dict[int, str],
    known: Mapping[OperationId, Operation],
) -> list[OperationReport]:
    """Returns the findings on all operations of one call.

    Args:
        operations: The operations that the call returned, in order.
        values: Where saved values come from.
        recording: Functions, objects, random states and parameters.
        noise: Source of the draws.
        modules: Module address of each operation, for the report.
        known: All operations of the trace by id.
    """

    def all_are(verdict: str, reason: str) -> list[OperationReport]:
        return [report_of(operation, verdict, reason, modules) for operation in operations]

    try:
        if operations[0].function is not None and operations[0].function.qualified_name in _READ_THE_GRAPH:
            return all_are("unverified", "it reads autograd's graph, of which saved values have none")
        call = prepare(operations, values, recording, known)
        if any(tensor.device.type == "meta" for tensor in call.tensors.values()) or _is_meta(operations):
            return all_are("unverified", "it ran on the meta device, where tensors have no values")
        outcome = run(call)
    except (MissingValue, CannotRebuildError) as error:
        return all_are("unverified", str(error))
    except (WrongValue, WrongResult) as error:
        return all_are("failed", str(error))
    except Exception as error:
        return all_are("failed", f"replaying it raised {type(error).__name__}: {_one_line(error)}")
    found = [_replayed(call, outcome, index, values) for index in range(len(operations))]
    if any(verdict == "differs" for verdict, _ in found):
        if not _is_deterministic(call, outcome):
            return all_are("unverified", "the function is not deterministic: two replays differ from each other")
        found = [("failed" if verdict == "differs" else verdict, reason) for verdict, reason in found]
    written = _writes(call, outcome, values)
    if written is not None:
        found = [written if verdict == "passed" else (verdict, reason) for verdict, reason in found]
    if any(verdict == "failed" for verdict, _ in found):
        return [report_of(o, *pair, modules) for o, pair in zip(operations, found, strict=True)]
    edges = tuple(_edges(call, outcome, values, noise))
    return [_concluded(o, *pair, edges, modules) for o, pair in zip(operations, found, strict=True)]


def report_of(
    operation: Operation, verdict: str, reason: str, modules: dict[int, str], edges: tuple[EdgeReport, ...] = ()
) -> OperationReport:
    """Returns the finding on one operation."""
    name = operation.function.name if operation.function is not None else operation.kind
    return OperationReport(operation.id, name, modules.get(operation.id, ""), verdict, reason, edges)  # pyright: ignore[reportArgumentType]


def _is_meta(operations: tuple[Operation, ...]) -> bool:
    return any(operation.output.device == "meta" for operation in operations)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + " ..."


# -- replay -----------------------------------------------------------------------------------------------------


def _replayed(call: Call, outcome: Outcome, index: int, values: Values) -> tuple[str, str]:
    operation, replayed = call.operations[index], outcome.outputs[index]
    wrong = _spec_difference(operation, replayed)
    if wrong is not None:
        return "failed", wrong
    try:
        saved = values.output(operation)
    except MissingValue as error:
        return "unverified", str(error)
    except WrongValue as error:
        return "failed", str(error)
    if _is_uninitialised(call, replayed):
        if saved.shape != replayed.shape or saved.dtype != replayed.dtype:
            return (
                "failed",
                f"saved {tuple(saved.shape)} {saved.dtype}, replayed {tuple(replayed.shape)} {replayed.dtype}",
            )
        return "exempt", "uninitialised memory has no value to compare"
    difference = find_difference(saved, replayed, _tolerance(call, saved), output=index)
    if difference is not None:
        return "differs", difference
    if outcome.untrue is not None:
        return "failed", outcome.untrue
    if outcome.undeclared:
        return "failed", f"it wrote argument {_shown(outcome.undeclared[0])}, which the record does not say"
    return "passed", ""


def _is_uninitialised(call: Call, replayed: Tensor) -> bool:
    assert call.first.function is not None
    if call.name not in UNINITIALISED and call.first.function.name not in UNINITIALISED:
        return False
    before = next(iter(call.tensors.values()), None)  # `resize_` to fewer elements keeps what was there
    return not (call.name.startswith("resize") and before is not None and replayed.numel() <= before.numel())


def _spec_difference(operation: Operation, replayed: Tensor) -> str | None:
    spec = operation.output
    for what, recorded, real in (
        ("shape", spec.shape, tuple(replayed.shape)),
        ("dtype", spec.dtype, str(replayed.dtype).removeprefix("torch.")),
        ("layout", spec.layout, str(replayed.layout).removeprefix("torch.")),
        ("device", spec.device, str(replayed.device)),
    ):
        if recorded != real:
            return f"recorded with {what} {recorded}, replayed with {real}"
    if spec.layout == "strided" and spec.nbytes != replayed.numel() * replayed.element_size() and not spec.is_quantized:
        return f"recorded with {spec.nbytes} bytes, replayed with {replayed.numel() * replayed.element_size()}"
    return None


def _tolerance(call: Call, saved: Tensor) -> Tolerance:
    tensors = list(call.tensors.values())
    return tolerance_of(call.name, tensors, saved, lambda: _magnitudes(call))


def _magnitudes(call: Call) -> list[Tensor] | None:
    changes = {p: t.detach().abs() for p, t in call.tensors.items() if t.is_floating_point() or t.is_complex()}
    try:
        return run(call, changes).outputs
    except Exception:
        return None


def _is_deterministic(call: Call, outcome: Outcome) -> bool:
    try:
        again = run(call)
    except Exception:
        return False
    pairs = zip((*outcome.outputs, *outcome.written), (*again.outputs, *again.written), strict=True)
    return all(find_difference(a, b, _tolerance(call, a)) is None for a, b in pairs)


def _writes(call: Call, outcome: Outcome, values: Values) -> tuple[str, str] | None:
    for index, (write, replayed) in enumerate(zip(call.first.writes, outcome.written, strict=True)):
        try:
            saved = values.written(call.first, index)
        except MissingValue as error:
            return "unverified", str(error)
        difference = find_difference(saved, replayed, _tolerance(call, saved))
        if difference is not None:
            return "failed", f"what it wrote into argument {_shown(write.path)}: {difference}"
    return None


# -- perturbation -----------------------------------------------------------------------------------------------


def _edges(call: Call, outcome: Outcome, values: Values, noise: Noise) -> Iterator[EdgeReport]:
    for path, reference in call.leaves:
        contributors = values.contributors(path, reference)
        if isinstance(reference, TensorRef):
            yield _edge(call, outcome, noise, path, reference.operation, contributors, 0)
        for number, overlay in enumerate(reference.overlays, 1):
            yield _edge(call, outcome, noise, path, overlay.operation, contributors, number)
    paths = {path for path, _ in call.leaves}
    for parent in call.first.parents:
        if parent.path in array_paths(call.first) and parent.path not in paths:
            yield EdgeReport(
                parent.operation, parent.path, parent.is_overlay, "exempt", "read through an array's memory"
            )


def _edge(
    call: Call, outcome: Outcome, noise: Noise, path: Path, parent: int, contributors: Tensor | None, number: int
) -> EdgeReport:
    mask = None if contributors is None else (contributors == number).any(-1)
    if mask is not None and not bool(mask.any()):
        return _edge_report(parent, path, number, "exempt", "fully overwritten before it was read")
    verdict, reason = _show_that_it_matters(call, outcome, noise, path, mask)
    return _edge_report(parent, path, number, verdict, reason)


def _edge_report(parent: int, path: Path, number: int, verdict: str, reason: str) -> EdgeReport:
    return EdgeReport(parent, path, number > 0, verdict, reason)  # pyright: ignore[reportArgumentType]


def _show_that_it_matters(
    call: Call, outcome: Outcome, noise: Noise, path: Path, mask: Tensor | None
) -> tuple[str, str]:
    if trusts(call.name, path):
        return "exempt", CRASHES
    value = first_of_batch(call.tensors[path].detach())
    args, kwargs = rebuild(call.first, call.tensors, call.recording.objects)
    bound = None if value.is_floating_point() or value.is_complex() else index_bound(call.name, path, args, kwargs)
    trial = _Trial(call, outcome, path, mask)
    if trial.any_changes(like_draws(value, noise, bound=bound)):
        return "passed", ""
    case = Case(
        call.name,
        path,
        args,
        kwargs,
        call.tensors,
        (*outcome.outputs, *outcome.written),
        trial.is_unchanged,
        is_part=mask is not None,
    )
    reason = find_exemption(case)
    if reason is None and is_wrapped(call.tensors[path]):
        reason = "inside a transform its values cannot be looked at"
    if reason is not None:
        return "exempt", reason
    others = [tensor for other, tensor in call.tensors.items() if other != path]
    if bound is None and trial.any_changes(wide_draws(value, noise, constants(call.first), others)):
        return "passed", "values of another scale change the result"
    if value.is_floating_point() and trial.any_changes(_special_points(call, value)):
        return "passed", "values that are not finite change the result"
    if trial.unchanged == 0:
        if trial.raised:
            return "passed", "the function refuses other values"
        return "unverified", "no other values of its kind could be made"
    return "failed", (
        f"{trial.unchanged} replacements of argument {_shown(path)} leave the result as it is, and nothing proves that "
        "it cannot matter"
    )


_ABOUT_FINITENESS = frozenset(
    {"isnan", "isinf", "isfinite", "isposinf", "isneginf", "nan_to_num", "ne", "eq", "isreal"}
)


def _special_points(call: Call, value: Tensor) -> Iterator[Draw]:
    if canonical_name(call.name) in _ABOUT_FINITENESS:
        for number in (float("nan"), float("inf"), -float("inf")):
            yield lambda number=number: torch.full_like(value, number)


class _Trial:
    """Replaces one argument again and again and counts what came of it."""

    def __init__(self, call: Call, outcome: Outcome, path: Path, mask: Tensor | None) -> None:
        self._call = call
        self._before = (*outcome.outputs, *outcome.written)
        self._path = path
        self._mask = mask
        self.unchanged = 0
        self.raised = 0

    def any_changes(self, draws: Iterator[Draw]) -> bool:
        """Whether one of these draws changes the result."""
        return any(self._changes(draw) for draw in draws)

    def is_unchanged(self, replacement: Tensor) -> bool:
        """Whether the result is the same with this replacement; no when the function refuses it."""
        try:
            return not self._differs(replacement)
        except Exception:
            return False

    def _changes(self, draw: Draw) -> bool:
        try:
            replacement = draw()
            if replacement is self._call.tensors[self._path]:
                return False
            differs = self._differs(replacement)
        except MissingValue:
            raise
        except Exception:
            self.raised += 1
            return False
        self.unchanged += not differs
        return differs

    def _differs(self, replacement: Tensor) -> bool:
        value = self._call.tensors[self._path]
        if self._mask is not None:
            replacement = torch.where(self._mask, replacement, value.detach())
        replacement = wrapped_like(replacement, value)
        after = run(self._call, {self._path: replacement})
        if _is_uninitialised(self._call, self._before[0]):
            return [t.shape for t in after.outputs] != [t.shape for t in self._before[: len(after.outputs)]]
        return any(
            changed(before, now, lambda before=before: _tolerance(self._call, before))
            for before, now in zip(self._before, (*after.outputs, *after.written), strict=True)
        )


def _concluded(
    operation: Operation, verdict: str, reason: str, edges: tuple[EdgeReport, ...], modules: dict[int, str]
) -> OperationReport:
    failed = next((edge for edge in edges if edge.verdict == "failed"), None)
    if failed is not None:
        return report_of(
            operation, "failed", f"parent {failed.parent} does not matter: {failed.reason}", modules, edges
        )
    unproven = next((edge for edge in edges if edge.verdict == "unverified"), None)
    if verdict == "passed" and unproven is not None:
        return report_of(operation, "unverified", f"parent {unproven.parent}: {unproven.reason}", modules, edges)
    if verdict == "passed" and edges and all(edge.verdict == "exempt" for edge in edges):
        has_parameters = any(isinstance(leaf, ParameterRef) for leaf in operation.args)
        if not has_parameters:
            return report_of(operation, "exempt", edges[0].reason, modules, edges)
    return report_of(operation, verdict, reason, modules, edges)


def _shown(path: Path) -> str:
    return ".".join(str(step) for step in path)
