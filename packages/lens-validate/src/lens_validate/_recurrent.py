"""Do the arguments of a recurrent kernel fit each other?

`torch.lstm` and its kin hand their arguments to kernels that trust them: with a wrong number of layers or a state of
another size they write over memory that is not theirs.  A falsified record must not crash the process, so these calls
are checked before they run.
"""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor

_GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


def misfit(name: str, args: list[Any]) -> str | None:
    """Returns what does not fit among the arguments of a recurrent kernel, None when all does."""
    if name not in _GATES or len(args) < 8:
        return None
    is_packed = isinstance(args[2], (list, tuple, Tensor)) and isinstance(args[3], (list, tuple))
    data: Any = args[0]
    states: Any = args[2 if is_packed else 1]
    weights: Any = args[3 if is_packed else 2]
    has_biases, layers, bidirectional = (
        args[4 if is_packed else 3],
        args[5 if is_packed else 4],
        args[8 if is_packed else 7],
    )
    if not isinstance(data, Tensor) or not isinstance(weights, (list, tuple)):
        return "its input or its weights are missing"
    batch = None if is_packed or data.dim() != 3 else data.shape[0 if bool(args[8]) and len(args) > 8 else 1]
    return _misfit(name, data, states, _listed(weights), bool(has_biases), int(layers), bool(bidirectional), batch)


def _misfit(
    name: str,
    data: Tensor,
    states: Any,
    weights: list[Any],
    has_biases: bool,
    layers: int,
    bidirectional: bool,
    batch: int | None,
) -> str | None:
    if not all(isinstance(weight, Tensor) for weight in weights) or layers < 1:
        return "its weights are not all tensors"
    cells = layers * (2 if bidirectional else 1)
    each = len(weights) // cells
    is_projected = each == (5 if has_biases else 3)
    if len(weights) != cells * each or each not in ((4, 5) if has_biases else (2, 3)):
        return f"{len(weights)} weights do not make {cells} cells {'with' if has_biases else 'without'} biases"
    rows = weights[0].shape[0]
    hidden = rows // _GATES[name]
    out = weights[each - 1].shape[0] if is_projected else hidden
    for cell in range(cells):
        own = weights[cell * each : (cell + 1) * each]
        width = data.shape[-1] if cell < (2 if bidirectional else 1) else out * (2 if bidirectional else 1)
        expected: list[tuple[int, ...]] = [(rows, width), (rows, out)]
        expected += [(rows,), (rows,)] if has_biases else []
        expected += [(out, hidden)] if is_projected else []
        if [tuple(weight.shape) for weight in own] != expected:
            return f"weights of the shapes {[tuple(weight.shape) for weight in own]} stand where {expected} belong"
    sizes = [out, hidden]
    for state, size in zip(_listed(states), sizes, strict=False):
        if not isinstance(state, Tensor) or state.shape[0] != cells or state.shape[-1] != size:
            return f"a state does not have the shape ({cells}, ..., {size})"
        if batch is not None and state.dim() == 3 and state.shape[1] != batch:
            return f"a state is for a batch of {state.shape[1]}, the input has {batch}"
    if name == "lstm" and len(_listed(states)) != 2:
        return "an lstm has two states"
    return None


def _listed(states: Any) -> list[Any]:
    return list(cast("Any", states)) if isinstance(states, (list, tuple)) else [states]
