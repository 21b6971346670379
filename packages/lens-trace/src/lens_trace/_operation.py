"""How does somebody's own extension function become one recorded operation?

A function from a compiled extension, or one that should stay whole, is decorated with `@operation`.  Outside a trace
the decoration does nothing; inside it the call is one operation with the function's name, its tensor arguments are the
parents, and nothing inside is recorded.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def operation(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function one recorded operation.

    Args:
        function: Takes and returns tensors (or containers of them).  A name that ends in `_` says that it writes its
            first argument.

    Returns:
        The decorated function.

    Example:
        >>> @operation
        ... def halve(x):
        ...     return x * 0.5
    """
    role = None

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal role
        undispatched = sys.modules.get("lens_trace._undispatched")
        if undispatched is None or not undispatched.active.modes:  # nothing was traced yet, or not in this thread
            return function(*args, **kwargs)
        if role is None:
            role = undispatched.extension_role(function)
        return undispatched.record_call(function, role, args, kwargs)

    return wrapper
