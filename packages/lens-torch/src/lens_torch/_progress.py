"""How far is a long run?

A bar by `tqdm.auto`: text in a terminal, a widget in a notebook that has them.  It appears after two seconds, so that
short runs stay silent, and goes when the run ends, however it ends.
"""

# tqdm has no annotations.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false, reportMissingModuleSource=false

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

_PATIENCE_S = 2.0


@contextmanager
def progress_bar(title: str, unit: str) -> Generator[Callable[[int, int], None]]:
    """Gives a function to be called with what is done and the total.

    Args:
        title: What is going on.
        unit: What is counted.
    """
    with warnings.catch_warnings():
        # A notebook without widgets gets a bar of text, and need not hear of it.
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm

    bar: Any = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(total=total, desc=title, unit=unit, delay=_PATIENCE_S, leave=False)
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
