"""How does all that a pass changes around it end as it was, also when an interrupt comes in the middle?

Python looks for interrupts whenever a function is entered or left, so one may come between any two steps.  Therefore
how a step is undone is noted before the step is made, and undoing may happen twice, or of a step that was never made.
`settle` may be interrupted and called again, and whoever began calls it twice: `surely` is how.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

R = TypeVar("R")

_MOST_ATTEMPTS = 10


class Undoing:
    """Steps that undo what was done."""

    __slots__ = ("_failures", "_steps")

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []
        self._failures = 0

    def note(self, step: Callable[[], object]) -> None:
        """Notes how something is undone that is about to be done."""
        self._steps.append(step)

    def mark(self) -> int:
        """Returns how many steps there are, for `settle`."""
        return len(self._steps)

    def settle(self, mark: int = 0) -> None:
        """Undoes the latest first, down to a mark.

        A step that fails is tried again, and the others are made all the same; then the failure is raised.
        """
        failure: BaseException | None = None
        steps = self._steps
        while len(steps) > mark:
            try:
                steps[-1]()
            except BaseException as error:
                failure = error
                self._failures += 1
                if self._failures < _MOST_ATTEMPTS:
                    continue
            self._failures = 0
            steps.pop()
        if failure is not None:
            raise failure


def keep_grad_mode(undoing: Undoing) -> Callable[[], None]:
    """Sees to it that grad mode is what it was; what is returned says that it shall be what it is by then.

    `torch.no_grad` is written in Python: an interrupt as it is entered leaves it on.
    """
    mode = [torch.is_grad_enabled()]
    undoing.note(lambda: torch._C._set_grad_enabled(mode[0]))

    def keep() -> None:
        mode[0] = torch.is_grad_enabled()

    return keep


def surely(body: Callable[[Undoing], R]) -> R:
    """Runs a body and undoes what it notes, whatever happens."""
    undoing = Undoing()
    try:
        try:
            return body(undoing)
        finally:
            undoing.settle()
    finally:  # an interrupt may have come on the way to the first
        undoing.settle()
