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
    Context,
    OperationId,
    Recording,
    only,
    replayed,
    run_plain,
    trace,
)
from lens_validate._arguments import part_at
from lens_validate._context import applied


class Witness:
    """The model and the inputs that it was recorded on."""

    def __init__(
        self, recording: Recording, model: torch.nn.Module, args: Any, kwargs: Mapping[str, Any] | None
    ) -> None:
        self.recording = recording
        self.model = model
        self.args = args
        self.kwargs = kwargs
        self._context: Context | None = None
        self._second: Recording | None = None

    def forward(self) -> Any:
        """Returns what a plain forward returns."""
        with self._as_recorded(), self._in_mode():
            return run_plain(self.model, self.args, self.kwargs, seed=self.recording.trace.seed)

    def trace(self, sink: Callable[..., None] | None = None) -> Recording:
        """Returns another trace, which keeps the values of what the recording has as constants and buffers."""
        sources = only([o.id for o in self.recording.trace.operations if o.kind in ("constant", "buffer")])
        with self._as_recorded(), self._in_mode():
            seed = self.recording.trace.seed
            return trace(self.model, self.args, self.kwargs, keep=sources, seed=seed, sink=sink)

    def second(self) -> Recording:
        """Returns the first trace made here."""
        if self._second is None:
            self._second = self.trace()
        return self._second

    def take_mode(self) -> None:
        """Finds the modes that the forward was called in: those under which a second trace makes the same records.

        They are not on record, but each operation tells its own, and most ran in the caller's.
        """
        ours = [operation.context for operation in self.recording.trace.operations]
        seen = list(dict.fromkeys(context for context in ours if context is not None))
        self._context = seen[0] if seen else None
        fewest = len(ours) + 1
        for context in seen if len(seen) > 1 else ():
            before, self._context = self._context, context
            try:
                other = self.trace()
            except Exception:
                self._context = before
                continue
            theirs = [operation.context for operation in other.trace.operations]
            differing = sum(a != b for a, b in zip(ours, theirs, strict=False)) + abs(len(ours) - len(theirs))
            if differing < fewest:
                fewest, self._second = differing, other
            else:
                self._context = before
            if not differing:
                return

    @contextmanager
    def _in_mode(self) -> Generator[None]:
        if self._context is None:
            yield
            return
        with applied(self._context):
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
