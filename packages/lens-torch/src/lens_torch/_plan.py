"""How are the same layers taken from many inputs, with one pass for each?

Layers are chosen by what a history concludes, and that is known when a pass is over.  A *plan* does this once: it
rehearses the model on one input, keeping nothing, and remembers the layers, the choice and the path.  `plan.run` then
takes one pass for each input, keeps the operations that were chosen, and compares the path with the planned one:
functions, modules and the structure of arguments, not numbers and not sizes.  Where the model went another way the
layers are chosen again for this input, or `TraceDivergedError` says where it parted.

Labels are those of the plan, for every input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from msgspec import Struct
from msgspec.structs import replace

from lens_graph import (
    Divergence,
    ModelHistory,
    Request,
    Selection,
    Selector,
    find_divergence,
    read_selector,
    select_operations,
)
from lens_torch._errors import TraceDivergedError
from lens_torch._history import history_of
from lens_torch._record import Form, record, rehearse
from lens_trace import Recording, Snapshot, Tensors, everything, only


class Plan(Struct, frozen=True, eq=False):
    """Layers that were chosen once, to be taken from any number of inputs."""

    model: torch.nn.Module
    """The model."""
    request: Request
    """What was asked for."""
    structure: ModelHistory
    """The rehearsed pass: labels, path, no values."""
    selection: Selection
    """The operations that were chosen in it."""
    form: Form
    """The form in which values are kept."""
    random_seed: int | None
    """Seed of every pass."""
    on_divergence: Literal["resolve", "raise"]
    """What happens when the model takes another path."""

    @property
    def layers(self) -> list[str]:
        """Labels of what is kept, in execution order."""
        chosen = self.selection.operations
        return [operation.label for operation in self.structure.operations if operation.operation_id in chosen]

    def run(self, input_args: Any = (), input_kwargs: Mapping[str, Any] | None = None) -> ModelHistory:
        """Runs the model once on other inputs and returns the history with the chosen layers.

        Args:
            input_args: A tuple is the positional arguments; anything else is the one argument.
            input_kwargs: Keyword arguments of the forward pass.

        Raises:
            TraceDivergedError: The model took another path, and the plan was made to raise.
            KeyError: It took another path, on which the layers cannot be chosen.

        Cost: one forward pass; two or three where the model takes another path.
        """
        snapshot = Snapshot(self.model) if self.on_divergence == "resolve" else None
        recording = self._record(input_args, input_kwargs, snapshot)
        parted = find_divergence(self.structure.trace, recording.trace)
        if parted is None:
            return history_of(recording, self.selection, like=self.structure)
        if snapshot is None:
            raise diverged(self.structure, parted)
        fresh = self._along(recording) or make_plan(
            self.model,
            input_args,
            input_kwargs,
            self.request,
            self.form,
            self.random_seed,
            self.on_divergence,
            snapshot,
        )
        if recording.trace.is_complete and all(key in recording.tensors for key in fresh.selection.operations):
            return history_of(recording, fresh.selection, like=fresh.structure)
        del recording  # what was kept of the wrong path
        snapshot.restore()
        return fresh.run_again(input_args, input_kwargs)

    def run_again(self, input_args: Any, input_kwargs: Mapping[str, Any] | None) -> ModelHistory:
        """Runs the model on the very inputs of the rehearsal; equal numbers and sizes are asked for as well."""
        recording = self._record(input_args, input_kwargs, None)
        parted = find_divergence(self.structure.trace, recording.trace, with_values=True)
        if parted is not None:
            raise diverged(self.structure, parted, is_same_input=True)
        return history_of(recording, self.selection, like=self.structure, keeping=self.form.keeping)

    def __repr__(self) -> str:
        shown = ", ".join(self.layers[:5]) + (", ..." if len(self.layers) > 5 else "")
        return f"Plan of {self.structure.model_name}: keeps {len(self.layers):,} operations ({shown})"

    def _record(self, args: Any, kwargs: Mapping[str, Any] | None, snapshot: Snapshot | None) -> Recording:
        wanted = only(self.selection.operations, then_stop=self.form.stop_early)
        keep = everything if self.request.is_everything else wanted
        return record(
            self.model, args, kwargs, keep=keep, seed=self.random_seed, form=self.form, structure=self.structure,
            snapshot=snapshot,
        )  # fmt: skip

    def _along(self, recording: Recording) -> Plan | None:
        """Returns the plan along another path, for which a pass that went to its end does as the rehearsal."""
        if not recording.trace.is_complete:
            return None
        structure = history_of(recording.replace(tensors=Tensors({})))
        selection = select_operations(structure.interpretation, self.request)
        return replace(self, structure=structure, selection=selection)


def plan(
    model: torch.nn.Module,
    input_args: Any = (),
    input_kwargs: Mapping[str, Any] | None = None,
    *,
    layers: Selector = "all",
    random_seed: int | None = None,
    detach: bool = True,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
    stop_early: bool = False,
    on_divergence: Literal["resolve", "raise"] = "resolve",
) -> Plan:
    """Chooses layers on one input, for `plan.run` to take them from many.

    Args:
        model: Any `torch.nn.Module`; it is left as it was, and so are the random generators.
        input_args: A tuple is the positional arguments; anything else is the one argument.
        input_kwargs: Keyword arguments of the forward pass.
        layers: As in `get_model_activations`.
        random_seed: Seed of this pass and of every run.
        detach: As in `get_model_activations`, as are the next four.
        device: Where values go.
        dtype: Floating type of the values.
        transform: What is kept in place of each value.
        stop_early: End each forward after the last layer that is wanted.
        on_divergence: When an input takes another path through the model: "resolve" chooses the layers again for it,
            "raise" raises `TraceDivergedError`.

    Returns: The plan: `plan.run(x)` returns a history, `plan.layers` are the labels chosen, `plan.structure` the
        history of this pass.
    Raises: `TypeError` for what selects nothing by its kind, `KeyError` for layers that the model has not, `TraceError`
        where it cannot be traced, and whatever the model raises.

    Cost: one forward pass, and no memory for values.
    """
    if on_divergence not in ("resolve", "raise"):
        raise ValueError(f"on_divergence is {on_divergence!r}; give 'resolve' or 'raise'.")
    form = Form(detach=detach, device=device, dtype=dtype, transform=transform, stop_early=stop_early)
    return make_plan(model, input_args, input_kwargs, read_selector(layers), form, random_seed, on_divergence)


def make_plan(
    model: torch.nn.Module,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    request: Request,
    form: Form,
    seed: int | None,
    on_divergence: Literal["resolve", "raise"],
    snapshot: Snapshot | None = None,
) -> Plan:
    """Rehearses the model, from a snapshot if there is one, and chooses its layers."""
    if snapshot is not None:
        snapshot.restore()
    structure = rehearse(model, args, kwargs, seed=seed)
    selection = select_operations(structure.interpretation, request)
    return Plan(model, request, structure, selection, form, seed, on_divergence)


def diverged(structure: ModelHistory, parted: Divergence, *, is_same_input: bool = False) -> TraceDivergedError:
    """Says where a pass left the planned path."""
    labels = {operation.operation_id: operation.label for operation in structure.operations}
    label = labels.get(parted.operation)
    site = parted.call_site
    where = "" if site is None else f", called at {site.file}:{site.line} in {site.function}"
    planned = "" if label is None else f", planned as {label}"
    advice = (
        "The model is random or remembers something where Lens cannot put it back (a global, a closure): choose layers "
        "by module address or by type ('conv2d_*'), which takes one pass, or keep all"
        if is_same_input
        else "Make a plan for inputs of this kind, or one with on_divergence='resolve'"
    )
    return TraceDivergedError(
        f"{structure.model_name} took another path than planned at operation {parted.operation}{planned}: "
        f"{parted.reason}{where}. {advice}.",
        operation=parted.operation,
        label=label,
        call_site=site,
    )
