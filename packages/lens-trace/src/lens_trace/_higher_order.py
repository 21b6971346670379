"""What happens inside `torch.cond` and `while_loop`?

To PyTorch each is one operator that is given functions.  Run eagerly it calls one of them, or one again and again; so
that the operations of the branch taken are recorded, and the parameters that it holds, this is written out here.  The
condition is read like any other (`bool`), which is what a drawing shows as IF.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def _cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Sequence[Any] = (), /) -> Any:
    return true_fn(*operands) if pred else false_fn(*operands)


def _while_loop(
    cond_fn: Callable[..., Any],
    body_fn: Callable[..., Any],
    carried_inputs: Sequence[Any],
    additional_inputs: Sequence[Any] = (),
    /,
) -> Any:
    carried = tuple(carried_inputs)
    while cond_fn(*carried, *additional_inputs):
        result = body_fn(*carried, *additional_inputs)
        carried = tuple(result) if isinstance(result, (list, tuple)) else (result,)
    return carried


WRITTEN_OUT: dict[str, Callable[..., Any]] = {"cond": _cond, "while_loop": _while_loop}
"""Operators that take functions, by name, each with what it does eagerly."""
