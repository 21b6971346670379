"""How is what the tracer itself computes hidden from the user's dispatch modes?

A model, or whoever traces it, may have entered a `TorchDispatchMode`: one that counts operations, or `FakeTensorMode`,
which refuses real tensors.  Such a mode works below the functions that are recorded, so it would see every copy that is
made to save or protect a value.  Those run with all such modes off; where there is none this costs one question.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

dispatch_depth: Callable[[], int] = torch._C._len_torch_dispatch_stack
"""Tells how many modes of the user are on."""


def unseen(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function of the tracer's run with dispatch modes off."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        if not dispatch_depth():
            return function(*args, **kwargs)
        with _no_modes():
            return function(*args, **kwargs)

    return wrapper


def _no_modes() -> Any:
    from torch.utils import _python_dispatch as modes  # there is no public way

    return modes._disable_current_modes()
