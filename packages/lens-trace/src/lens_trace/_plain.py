"""What does the model return when nobody looks?

`run_plain` is the ground truth that validation compares with: the model runs without a recording, under the same
switches as in a trace, and is left as it was.  Nothing tells of a write here, so what the model could write is copied
first: buffers and inputs at once, parameters with torch's lazy clone, which copies only if they are written.

What the model returns may lie in memory that is put back afterwards (a buffer that it has updated): that is copied, so
that the caller gets the values that the model returned.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, cast

import torch

from lens_trace._backward_memory import tell_plain
from lens_trace._checks import check_model
from lens_trace._leaves import children, tensor_leaves
from lens_trace._rng import seed_all
from lens_trace._state import ModelState
from lens_trace._switches import turn_plain_switches
from lens_trace._trace import as_arguments
from lens_trace._undoing import Undoing, keep_grad_mode, surely


def run_plain(
    model: torch.nn.Module, args: Any = (), kwargs: Mapping[str, Any] | None = None, *, seed: int | None = None
) -> Any:
    """Runs a model without recording, under the same switches and with the same restoring as `trace`.

    Returns:
        What the model returns.
    """
    model = check_model(model)
    positional, named = as_arguments(args, kwargs)

    def run(undoing: Undoing) -> Any:
        keep = keep_grad_mode(undoing)
        state = ModelState(model)
        state.run_uncompiled(undoing)
        state.add_inputs([tensor for _, tensor in tensor_leaves((positional, named))])
        undoing.note(state.restore)
        state.before_everything()
        tell_plain(undoing, state)
        mark = undoing.mark()
        seed_all(undoing, seed)
        turn_plain_switches(undoing)
        result = model(*positional, **named)
        keep()  # a model may set it for good
        undoing.settle(mark)
        return _kept_apart(result, state)

    return surely(run)


def _kept_apart(result: Any, state: ModelState) -> Any:
    copies = {id(tensor): tensor.detach().clone() for _, tensor in tensor_leaves(result) if state.is_written(tensor)}
    return _with(result, copies, set()) if copies else result


def _with(value: Any, copies: dict[int, torch.Tensor], open_objects: set[int]) -> Any:
    """Returns a container of the same kind with some of its tensors replaced, the same one where none is."""
    if isinstance(value, torch.Tensor):
        return copies.get(id(value), value)
    parts = None if id(value) in open_objects else children(value)
    if parts is None:
        return value
    open_objects.add(id(value))
    items = [(key, item, _with(item, copies, open_objects)) for key, item in parts[1]]
    open_objects.discard(id(value))
    if all(before is after for _, before, after in items):
        return value
    if parts[0] == "sequence":
        made = [after for _, _, after in items]
        return type(value)(*made) if hasattr(value, "_fields") else type(value)(made)
    replaced = copy.copy(value)
    if isinstance(replaced, Mapping):
        live = cast("dict[Any, Any]", replaced)
        for key, (_, before, after) in zip(list(live), items, strict=True):
            if before is not after:
                live[key] = after
        return replaced
    if not dataclasses.is_dataclass(value) and type(value).__name__ in ("BatchEncoding", "UserDict", "BatchFeature"):
        replaced.data = {key: after for key, _, after in items}
        return replaced
    for name, before, after in items:
        if before is not after:
            object.__setattr__(replaced, str(name), after)
    return replaced
