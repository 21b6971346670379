"""Does every parent of a call matter?

Each argument is replaced by other values of its kind until one changes the result.  When none does, the table of
exemptions is asked for a proof that none can; without one the edge is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lens_trace import Path, TensorRef
from lens_validate._arguments import array_paths, constants, rebuild
from lens_validate._call import Call
from lens_validate._case import Case
from lens_validate._compare import changed, is_same
from lens_validate._domains import CRASHES, index_bound, is_size, trusts
from lens_validate._exempt import find_exemption
from lens_validate._names import canonical_name
from lens_validate._outcome import first, is_uninitialised, number_kept, shown, tolerance_for
from lens_validate._part import Part, first_row
from lens_validate._perturb import Noise, index_draws, like_draws, wide_draws
from lens_validate._perturb_structures import Draw
from lens_validate._replay import Outcome, run, written_path
from lens_validate._report import EdgeReport
from lens_validate._transforms import first_of_batch, is_wrapped, wrapped_like
from lens_validate._values import MissingValue, Values


def find_edges(call: Call, outcome: Outcome, values: Values, noise: Noise) -> Iterator[EdgeReport]:
    """Yields the finding on each edge into a call.

    Args:
        call: The call.
        outcome: What its replay gave.
        values: Where saved values come from.
        noise: Source of the draws.
    """
    part = first_row(call, outcome)
    for path, reference in call.leaves:
        contributors = values.contributors(path, reference)
        if isinstance(reference, TensorRef):
            if contributors is None and part is not None and _part_shows(part, path, noise):
                yield _edge_report(reference.operation, path, 0, "passed", "")
            else:
                yield _edge(call, outcome, noise, path, reference.operation, contributors, 0)
        for number, overlay in enumerate(reference.overlays, 1):
            yield _edge(call, outcome, noise, path, overlay.operation, contributors, number)
    paths = {path for path, _ in call.leaves}
    for parent in call.first.parents:
        if parent.path in array_paths(call.first) and parent.path not in paths:
            yield EdgeReport(
                parent.operation, parent.path, parent.is_overlay, "exempt", "read through an array's memory"
            )


def _part_shows(part: Part, path: Path, noise: Noise) -> bool:
    value = part.call.tensors[path].detach()
    return value.is_floating_point() and part.shows(path, like_draws(value, noise))


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
    if trusts(call.name, path) or _is_for_kernel(call, path):
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
        matches=trial.matches,
        rerun=lambda changes: run(call, changes).outputs,
        is_part=mask is not None,
        is_custom_target=path == written_path(call),
    )
    reason = find_exemption(case)
    if reason is not None:
        return "exempt", reason
    others = [tensor for other, tensor in call.tensors.items() if other != path]
    seen = [other for other in others if not is_wrapped(other)]
    if bound is not None and trial.any_changes(index_draws(value, bound, seen)):
        return "passed", "an index of an extreme value changes the result"
    if bound is None and trial.any_changes(wide_draws(value, noise, constants(call.first), others)):
        return "passed", "values of another scale change the result"
    if value.is_floating_point() and trial.any_changes(_special_points(call, value)):
        return "passed", "values that are not finite change the result"
    if trial.raised:
        return "passed", "the function refuses other values"
    if trial.unchanged == 0:
        return "unverified", "no other values of its kind could be made"
    if is_wrapped(call.tensors[path]):
        return "unverified", "inside a transform its values cannot be looked at, and no other values change the result"
    return "failed", (
        f"{trial.unchanged} replacements of argument {shown(path)} leave the result as it is, and nothing proves that "
        "it cannot matter"
    )


_ABOUT_FINITENESS = frozenset(
    {"isnan", "isinf", "isfinite", "isposinf", "isneginf", "nan_to_num", "ne", "eq", "isreal"}
)


def _is_for_kernel(call: Call, path: Path) -> bool:
    """Whether an argument may tell a kernel of Triton where to read and write, which checks nothing."""
    function = call.first.function
    value = call.tensors[path]
    is_number = value.is_floating_point() or value.is_complex()
    return function is not None and function.qualified_name.startswith("triton.") and not is_number


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

    def matches(self, other: Tensor) -> bool:
        """Whether a tensor would pass for the first result."""
        before = self._before[0]
        return not changed(before, other, lambda: tolerance_for(self._call, before))

    def _changes(self, draw: Draw) -> bool:
        try:
            replacement = draw()
        except Exception:  # these values cannot be made of this kind of tensor
            return False
        if replacement is self._call.tensors[self._path] or self._is_no_other(replacement):
            return False
        try:
            differs = self._differs(replacement)
        except MissingValue:
            raise
        except (MemoryError, NotImplementedError):  # says nothing of the values
            return False
        except Exception:
            self.raised += 1
            return False
        self.unchanged += not differs
        return differs

    def _is_no_other(self, replacement: Tensor) -> bool:
        """Whether a draw happens to be the value itself, or a size of -1, which stands for the one that fits."""
        value = self._call.tensors[self._path]
        if value.is_floating_point() or value.is_complex() or value.layout is not torch.strided or is_wrapped(value):
            return False
        if is_size(self._call.name, self._path) and bool((replacement < 0).any()):
            return True
        return torch.equal(replacement, value)

    def _differs(self, replacement: Tensor) -> bool:
        value = self._call.tensors[self._path]
        if self._mask is not None:
            replacement = torch.where(self._mask, replacement, value.detach())
        replacement = wrapped_like(replacement, value)
        after = run(self._call, {self._path: replacement})
        if is_uninitialised(self._call, self._before[0]):
            count = number_kept(self._call)
            kept = zip(self._before, after.outputs, strict=False)
            return any(a.shape != b.shape or not is_same(first(a, count), first(b, count)) for a, b in kept)
        return any(
            changed(before, now, lambda before=before: tolerance_for(self._call, before))
            for before, now in zip(self._before, (*after.outputs, *after.written), strict=True)
        )
