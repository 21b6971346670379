"""Is there memory for what was asked for?

Told before values are kept, from a rehearsal that keeps none.  What a transform makes of a value is learnt by handing
it empty tensors that have a shape and no memory (device "meta"); where that fails the value counts as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import torch

from lens_graph import Estimate, OperationEntry, estimate, human_bytes
from lens_torch._errors import MemoryBudgetError
from lens_torch._plan import Plan

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?\s*", re.IGNORECASE)
_SHOWN = 5


def read_budget(budget: int | str | None) -> int | None:
    """Returns a budget in bytes: 4_000_000, "4GB", "1.5 GiB"; units are steps of 1,024."""
    if budget is None:
        return None
    if isinstance(budget, str):
        amount = _AMOUNT.fullmatch(budget)
        if amount:
            return int(float(amount[1]) * _UNITS[amount[2].upper()])
    elif isinstance(budget, int) and not isinstance(budget, bool) and budget >= 0:  # pyright: ignore[reportUnnecessaryIsInstance] - it is the user's
        return budget
    raise ValueError(f'memory_budget is {budget!r}; give bytes, or a text such as "4GB".')


def check_budget(plan: Plan, budget: int | None) -> None:
    """Raises `MemoryBudgetError` when a run of the plan needs more than the budget."""
    if budget is None:
        return
    needed = needed_by(plan)
    if needed.peak_nbytes > budget:
        raise MemoryBudgetError(_refusal(plan, needed, budget), needed=needed, budget=budget)


def needed_by(plan: Plan) -> Estimate:
    """Returns what a run of the plan needs."""
    form = plan.form
    changes_form = form.transform is not None or form.device is not None
    return estimate(
        plan.structure.interpretation,
        plan.selection.operations,
        dtype=None if form.dtype is None else str(form.dtype).removeprefix("torch."),
        stored_nbytes=_made_of(form.transform) if changes_form else None,
        stop_early=form.stop_early,
    )


def _made_of(transform: Callable[[torch.Tensor], torch.Tensor] | None) -> Callable[[OperationEntry], int]:
    def nbytes(operation: OperationEntry) -> int:
        if transform is None:
            return operation.tensor_fsize
        try:
            empty = torch.empty(operation.tensor_shape, dtype=getattr(torch, operation.tensor_dtype), device="meta")
            return transform(empty).nbytes
        except Exception:  # it reads values, or moves them: what it makes is not known
            return operation.tensor_fsize

    return nbytes


def _refusal(plan: Plan, needed: Estimate, budget: int) -> str:
    largest = ", ".join(f"{label} {human_bytes(nbytes)}" for label, nbytes in needed.layers[:_SHOWN])
    more = f" and {len(needed.layers) - _SHOWN:,} more" if len(needed.layers) > _SHOWN else ""
    advice = (
        "The forward alone needs that much: make the batch smaller or allow more"
        if needed.forward_nbytes > budget
        else "Choose fewer layers (layers=), make them smaller (transform=, dtype=), stream them (save_to=), allow more"
    )
    return (
        f"Keeping {len(needed.layers):,} layers of {plan.structure.model_name} needs {human_bytes(needed.peak_nbytes)} "
        f"at the peak, {human_bytes(needed.kept_nbytes)} of it kept and {human_bytes(needed.forward_nbytes)} for the "
        f"forward alone; memory_budget is {human_bytes(budget)}. The largest layers: {largest}{more}. {advice}."
    )
