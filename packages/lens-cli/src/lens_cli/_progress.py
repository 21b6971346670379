"""How far is a long extraction?

A bar on stderr with stimuli a second and the time left, in a terminal; elsewhere nothing, since a log wants no bars.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Speed(ProgressColumn):
    """Stimuli a second."""

    def render(self, task: Task) -> Text:
        """Returns the speed of the last seconds."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} stimuli/s")


@contextmanager
def stimuli_bar(total: int, done: int, *, quiet: bool) -> Generator[Callable[[int], None]]:
    """Shows a bar while the body runs, and gives a function to be called with how many more are done.

    Args:
        total: How many stimuli there are.
        done: How many of them were done before.
        quiet: Show none.
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("extracting"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=total, completed=done)
        yield lambda count: bar.update(task, advance=count)
