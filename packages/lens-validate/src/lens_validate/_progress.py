"""How far is it?

A bar on standard error for runs that take longer than two seconds, on terminals only; a callable gets the numbers
instead.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int], None] | bool
"""True shows a bar when the run is long and somebody watches; False shows none; a callable gets done and total."""

_PATIENCE_S = 2.0
_WIDTH = 30


def reporter(progress: Progress, total: int) -> Callable[[int], None]:
    """Returns a function to be called with the number of calls done."""
    if callable(progress):
        return lambda done: progress(done, total)
    if not progress or not sys.stderr.isatty():
        return lambda done: None
    started = shown = time.perf_counter()

    def show(done: int) -> None:
        nonlocal shown
        now = time.perf_counter()
        if now - started < _PATIENCE_S or (now - shown < 0.2 and done < total):
            return
        shown = now
        filled = _WIDTH * done // max(1, total)
        end = "\n" if done >= total else ""
        print(f"\rvalidating [{'#' * filled:<{_WIDTH}}] {done}/{total}", end=end, file=sys.stderr, flush=True)

    return show
