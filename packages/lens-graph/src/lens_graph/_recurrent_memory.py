"""How much memory does a fused recurrent function hold that no record shows?

`lstm`, `gru` and their kin run all steps of all layers as one operation.  Inside they hold values for each step: while
they run the gates of one layer and the results of each, and where a backward pass may follow all that it needs, to the
end.  Counted in *sequences*, one hidden state for each step of one layer in one direction; how many it takes was
measured on the CPU (hidden sizes of 32 to 128, inputs a quarter to four times as wide, one to three layers, one and two
directions) and agrees to a fifth there.

`lstm` is another function's work, oneDNN's: its rows are as wide as the wider of input and hidden state, it lays the
weights out anew, and since torch 2.11 it needs about half of what it took before (2.6, 2.8 to 2.11, 2.15 measured).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from lens_graph._types import layer_type_of
from lens_trace import Operation, Trace

_WHILE_RUNNING = {"gru": 4.0, "rnntanh": 2.0, "rnnrelu": 2.0}
_FOR_BACKWARD = {"gru": 9.5, "rnntanh": 1.8, "rnnrelu": 1.8}


class _Lstm(NamedTuple):
    """What `lstm` takes, in sequences, those of `width` for each time that a row is as wide as a hidden state."""

    running_width: float
    kept_width: float
    scratch: float
    """Of one layer, where what a backward pass needs is kept."""


_RUNNING, _RESULT, _KEPT, _WEIGHTS = 2.0, 1.3, 10.0, 1.2
"""What is the same in all versions: while running, for a layer's results, kept for backward, and weights laid out."""
_TO_TORCH_2_10, _SINCE = _Lstm(6.3, 10.9, 20.8), _Lstm(1.9, 6.5, 4.0)


def held_inside(operation: Operation, trace: Trace) -> Iterable[tuple[int, bool]]:
    """Returns bytes and whether they are held to the end of the pass; nothing of any other operation."""
    kind = layer_type_of(operation)
    if kind not in (*_WHILE_RUNNING, "lstm") or operation.output_index != 0 or not operation.output.shape:
        return ()
    weights = [parameter for number in operation.parameters if len((parameter := trace.parameters[number]).shape) == 2]
    if len(weights) < 2:
        return ()
    hidden = weights[1].shape[1]  # of the weights from one step to the next
    if not hidden:
        return ()
    stacks = len(weights) // 2  # layers times directions
    directions = max(operation.output.shape[-1] // hidden, 1)
    sequence = operation.output.nbytes / directions
    is_kept = operation.context is not None and operation.context.grad and operation.output.requires_grad
    if kind != "lstm":
        if is_kept:
            return ((int(_FOR_BACKWARD[kind] * stacks * sequence), True),)
        return ((int((_WHILE_RUNNING[kind] + (stacks - 1) * directions) * sequence), False),)
    minor = re.match(r"2\.(\d+)", dict(trace.versions).get("torch", ""))
    takes = _TO_TORCH_2_10 if minor is not None and int(minor[1]) <= 10 else _SINCE
    widths = [max(weight.shape[1] / hidden, 1.0) for weight in weights[::2]]
    laid_out = _WEIGHTS * max(
        one.nbytes + other.nbytes for one, other in zip(weights[::2], weights[1::2], strict=False)
    )
    if is_kept:
        kept = _KEPT * stacks + takes.kept_width * sum(widths) - directions
        return (int(kept * sequence), True), (int(takes.scratch * sequence + laid_out), False)
    results = _RESULT * directions * (2 if stacks > directions else 1) - directions  # one of them is on record
    return ((int((_RUNNING + takes.running_width * max(widths) + results) * sequence + laid_out), False),)
