"""What does the model itself say when it is asked again?

A `Witness` is the model with the inputs, seed and modes that it was recorded with, so that it can be run plainly and
traced once more.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor

from lens_trace import (
    OperationId,
    Recording,
    nothing,
    replayed,
    run_plain,
    trace,
)
from lens_validate._arguments import part_at


class Witness:
    """The model and the inputs that it was recorded on.

    Attributes:
        modes: Grad mode and inference mode to run it in; those of now when None.
    """

    def __init__(
        self, recording: Recording, model: torch.nn.Module, args: Any, kwargs: Mapping[str, Any] | None
    ) -> None:
        self.recording = recording
        self.model = model
        self.args = args
        self.kwargs = kwargs
        self.modes: tuple[bool, bool] | None = None

    def forward(self) -> Any:
        """Returns what a plain forward returns."""
        with self._as_recorded(), self._in_mode():
            return run_plain(self.model, self.args, self.kwargs, seed=self.recording.trace.seed)

    def trace(self, sink: Callable[..., None] | None = None) -> Recording:
        """Returns a second trace without values."""
        with self._as_recorded(), self._in_mode():
            seed = self.recording.trace.seed
            return trace(self.model, self.args, self.kwargs, keep=nothing, seed=seed, sink=sink)

    def take_mode(self) -> None:
        """Finds the modes that the forward was called in: those under which a second trace makes the same records.

        They are not on record, but each operation tells its own, and most ran in the caller's.
        """
        seen = [(o.context.grad, o.context.inference) for o in self.recording.trace.operations if o.context is not None]
        self.modes = seen[0] if seen else (False, False)
        for self.modes in dict.fromkeys(seen) if len(set(seen)) > 1 else ():
            try:
                other = self.trace()
            except Exception:  # then every mode will say so where it is asked for
                return
            ours = [o.context for o in self.recording.trace.operations]
            if ours == [o.context for o in other.trace.operations]:
                return

    @contextmanager
    def _in_mode(self) -> Generator[None]:
        if self.modes is None:
            yield
            return
        grad, inference = self.modes
        with torch.inference_mode(inference), torch.set_grad_enabled(grad):
            yield

    def _as_recorded(self) -> AbstractContextManager[Any]:
        # Without a seed the first random operation still tells what state the pass began with.
        states = self.recording.rng_states
        if self.recording.trace.seed is not None or not states:
            return nullcontext()
        return replayed(states[min(states)])


def given_inputs(recording: Recording, args: Any, kwargs: Mapping[str, Any] | None) -> dict[OperationId, Tensor]:
    """Returns the tensors that the caller gave, by the input operation that they should be."""
    positional: list[Any] = [args]
    if isinstance(args, tuple) and not hasattr(cast("Any", args), "_fields"):
        positional = list(cast("Any", args))
    found: dict[OperationId, Tensor] = {}
    for operation in recording.trace.operations:
        if operation.kind == "input" and operation.output_path:
            start, *rest = operation.output_path
            try:
                value = positional[start] if isinstance(start, int) else (kwargs or {})[start]
                leaf = part_at(value, tuple(rest))
            except (LookupError, TypeError, AttributeError, StopIteration):
                continue
            if isinstance(leaf, Tensor):
                found[operation.id] = leaf
    return found


def saved_inputs(recording: Recording) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Returns the model's arguments made from the saved inputs, None when they are not all plain tensors."""
    positional: dict[int, Tensor] = {}
    named: dict[str, Tensor] = {}
    for operation in recording.trace.operations:
        if operation.kind == "input":
            if len(operation.output_path) != 1 or operation.id not in recording.tensors:
                return None
            step = operation.output_path[0]
            value = recording.tensors[operation.id].clone()
            if isinstance(step, int):
                positional[step] = value
            else:
                named[step] = value
    if sorted(positional) != list(range(len(positional))):
        return None
    return tuple(positional[i] for i in sorted(positional)), named
