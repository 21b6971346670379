"""In which form are values kept, and where does the model run for them?

`record` is the one place in this package that runs a model to keep values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from msgspec import Struct
from torch.nn.parameter import is_lazy

from lens_graph import ModelHistory, build_history
from lens_torch._keeping import Keeping
from lens_trace import Recording, Snapshot, nothing, trace


class Form(Struct, frozen=True, eq=False):
    """What is made of each value that is kept, and how far the model runs for it."""

    detach: bool = True
    """Cut values off from autograd."""
    device: torch.device | str | None = None
    """Where values go; None leaves them."""
    dtype: torch.dtype | None = None
    """Floating type of the values; None leaves it."""
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None
    """What is kept in place of each value; applied before dtype and device."""
    stop_early: bool = False
    """End the forward after the last value that is wanted."""
    keeping: Keeping | None = None
    """Where values and gradients go, for one pass; None for memory."""


def record(
    model: torch.nn.Module,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    *,
    keep: Any,
    seed: int | None,
    form: Form,
    structure: ModelHistory | None = None,
    snapshot: Snapshot | None = None,
) -> Recording:
    """Runs the model and keeps values in a form.

    Args:
        model: The model.
        args: Its arguments.
        kwargs: Its keyword arguments.
        keep: Which values are kept, as lens-trace has it.
        seed: Seed of the pass.
        form: The form.
        structure: What is known of the model's layers, for error messages.
        snapshot: Taken before, when the pass may have to be run again.
    """
    keeping = form.keeping or Keeping(None, save_gradients=False)
    device = form.device if keeping.store is None else None  # files are on no device; reading puts values there
    try:
        return trace(
            model, args, kwargs, keep=keep, seed=seed, detach=form.detach, device=device, dtype=form.dtype,
            transform=form.transform, snapshot=snapshot, store=keeping.store, watch=keeping.watch,
        )  # fmt: skip
    except BaseException as error:
        operation = getattr(error, "lens_operation", None)
        if operation is not None:  # the transform failed
            label = _label(structure or _structure_of(model, args, kwargs, seed), operation)
            error.add_note(f"Lens: transform= failed on the layer {label}.")
        raise


def rehearse(model: torch.nn.Module, args: Any, kwargs: Mapping[str, Any] | None, *, seed: int | None) -> ModelHistory:
    """Runs the model keeping nothing and leaves generators and plain attributes as if it had not run."""
    if any(map(is_lazy, (*model.parameters(), *model.buffers()))):
        # Lazy modules are made by their first pass, which is therefore never like the second.
        trace(model, args, kwargs, keep=nothing, seed=seed)
    snapshot = Snapshot(model)
    try:
        recording = trace(model, args, kwargs, keep=nothing, seed=seed, snapshot=snapshot)
    finally:
        snapshot.restore()
    return build_history(recording.trace, objects=recording.objects, parameters=recording.parameters)


def _structure_of(
    model: torch.nn.Module, args: Any, kwargs: Mapping[str, Any] | None, seed: int | None
) -> ModelHistory | None:
    # The label of a layer is known only when the whole pass is: an orphan before it takes no number.
    try:
        return rehearse(model, args, kwargs, seed=seed)
    except Exception:
        return None


def _label(structure: ModelHistory | None, operation: int) -> str:
    labels = {} if structure is None else {o.operation_id: o.label for o in structure.operations}
    return labels.get(operation, f"of operation {operation}")
