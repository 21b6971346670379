"""Why does the garbage collector wait while a history is built?

Building makes hundreds of thousands of small tuples and lists that all stay alive.  Each full collection walks every
one of them, and everything else in the process, to find nothing: a third of the time at 100,000 operations.  The
collector is paused for the length of a step and resumed afterwards; pauses in several threads are counted, so that
none ends another's.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_lock = threading.Lock()
_pauses = 0
_was_on = False


def without_collector(step: Callable[P, R]) -> Callable[P, R]:
    """Returns the step, run with the garbage collector paused."""

    @wraps(step)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _pause()
        try:
            return step(*args, **kwargs)
        finally:
            _resume()

    return run


def _pause() -> None:
    global _pauses, _was_on
    with _lock:
        if _pauses == 0:
            _was_on = gc.isenabled()
            gc.disable()
        _pauses += 1


def _resume() -> None:
    global _pauses
    with _lock:
        _pauses -= 1
        if _pauses == 0 and _was_on:
            gc.enable()
