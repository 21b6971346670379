"""How are the layers asked for taken from one input?

Where the model's addresses and the types of operations decide, one pass is enough: what may be wanted is kept, and the
history chooses from it.  Everything else is planned: a rehearsal that keeps nothing, and the same pass again that keeps
what was chosen.  A memory budget is looked at in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lens_graph import ModelHistory, Request, choose, foresee, select_operations
from lens_torch._budget import check_budget
from lens_torch._history import history_of
from lens_torch._plan import make_plan
from lens_torch._record import Form, record
from lens_trace import everything, module_addresses, nothing, outputs_of


def selected_history(
    model: torch.nn.Module,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    request: Request,
    form: Form,
    seed: int | None,
    budget: int | None,
) -> ModelHistory:
    """Runs the model as often as it takes and returns the history with what was asked for.

    Raises:
        MemoryBudgetError: It needs more memory than the budget, in bytes.
        KeyError: Something that was asked for is not there; the message names the nearest.
        TraceDivergedError: The model does not do the same twice.
    """
    if form.keeping is not None and form.keeping.store is not None:
        budget = None  # values that are streamed take no memory, so there is nothing to refuse
    keep = None if form.stop_early or budget is not None else _foreseen(request, model)
    if keep is None:
        plan = make_plan(model, args, kwargs, request, form, seed, "raise")
        check_budget(plan, budget)
        return plan.run_again(args, kwargs)
    recording = record(model, args, kwargs, keep=keep, seed=seed, form=form)
    history = history_of(recording, keeping=form.keeping)
    return choose(history, select_operations(history.interpretation, request))


def _foreseen(request: Request, model: torch.nn.Module) -> Any:
    foreseen = foresee(request, () if request.is_everything else module_addresses(model))
    if foreseen is None:
        return None
    if foreseen.is_everything:
        return everything
    if not foreseen.types:
        return outputs_of(foreseen.addresses) if foreseen.addresses else nothing
    return outputs_of(foreseen.addresses, also=foreseen.has_type_of)
