"""How many floating-point operations does each layer take?

PyTorch's own counter (`torch.utils.flop_counter`) runs beside the tracer, and each operation is given what the counter
gained while it ran.  The counter knows formulas for matrix products, convolutions and attention, a multiplication and
an addition being two; everything else counts as nothing, in the model and here.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from msgspec import Struct
from torch.utils.flop_counter import FlopCounterMode

from lens_graph import ModelHistory
from lens_torch._history import history_of
from lens_trace import Operation, nothing, trace


class FlopCount(Struct, frozen=True):
    """The structure of a model with the floating-point operations of each of its operations."""

    history: ModelHistory
    """As `get_model_structure` returns it."""
    by_operation: dict[int, int]
    """Floating-point operations by `operation_id`; what takes none is left out."""

    @property
    def total(self) -> int:
        """Floating-point operations of the whole pass."""
        return sum(self.by_operation.values())


def count_flops(
    model: torch.nn.Module,
    input_args: Any = (),
    input_kwargs: Mapping[str, Any] | None = None,
    *,
    random_seed: int | None = None,
) -> FlopCount:
    """Runs the model once, keeps nothing, and counts.

    Args:
        model: Any `torch.nn.Module`; it is left as it was.
        input_args: A tuple is the positional arguments; anything else is the one argument.
        input_kwargs: Keyword arguments of the forward pass.
        random_seed: Seed of torch, Python and numpy for the pass; the generators are put back afterwards.

    Returns:
        The structure and the counts.

    Raises:
        TraceError: The model cannot be traced; the message says what to do.
        Exception: Whatever the model, or the counter where it does not follow the model, raises.

    Cost: one forward pass, and some 20 microseconds of the counter for each operation.
    """
    counter = _counter()
    gained: dict[int, int] = {}
    so_far = 0

    def note(operation: Operation, *_: Any) -> None:
        nonlocal so_far
        total = counter.get_total_flops()
        if total != so_far:
            gained[operation.id], so_far = total - so_far, total

    with counter:
        recording = trace(model, input_args, input_kwargs, keep=nothing, sink=note, seed=random_seed)
    return FlopCount(history_of(recording), gained)


def _counter() -> FlopCounterMode:
    # Newer versions refuse to run what they have no formula for unless told that zero will do.
    if "skip_unsupported" in inspect.signature(FlopCounterMode).parameters:
        return FlopCounterMode(display=False, skip_unsupported=True)
    return FlopCounterMode(display=False)
