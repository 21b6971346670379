"""How much memory does a fused recurrent function hold that no record shows?

`lstm`, `gru` and their kin run all steps of all layers as one operation.  Inside they hold values for each step: while
they run the gates of one layer and the results of each, and where a backward pass may follow all that it needs, to the
end.  Counted in *sequences*, one hidden state for each step of one layer in one direction; how many it takes was
measured on the CPU (sizes of 32 to 128, one and two layers and directions), and agrees to a fifth there.  With
torch 2.6 the scratch memory of `lstm` is larger: what is told here may be half of the peak.
"""

from __future__ import annotations

from lens_graph._types import layer_type_of
from lens_trace import Operation, Trace

_WHILE_RUNNING = {"lstm": 5.7, "gru": 4.0, "rnntanh": 2.0, "rnnrelu": 2.0}
_FOR_BACKWARD = {"lstm": 20.0, "gru": 9.5, "rnntanh": 1.8, "rnnrelu": 1.8}


def held_inside(operation: Operation, trace: Trace) -> tuple[int, bool] | None:
    """Returns the bytes and whether they are held to the end of the pass; None for any other operation."""
    kind = layer_type_of(operation)
    if kind not in _WHILE_RUNNING or operation.output_index != 0 or not operation.output.shape:
        return None
    weights = [shape for number in operation.parameters if len(shape := trace.parameters[number].shape) == 2]
    if len(weights) < 2:
        return None
    hidden = weights[1][1]  # of the weights from one step to the next
    if not hidden:
        return None
    stacks = len(weights) // 2  # layers times directions
    directions = max(operation.output.shape[-1] // hidden, 1)
    sequence = operation.output.nbytes / directions
    if operation.context is not None and operation.context.grad and operation.output.requires_grad:
        return int(_FOR_BACKWARD[kind] * stacks * sequence), True
    return int((_WHILE_RUNNING[kind] + (stacks - 1) * directions) * sequence), False
