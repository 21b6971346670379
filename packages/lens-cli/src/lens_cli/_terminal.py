"""What is printed where?

Answers go to stdout, everything else to stderr: `lens ... | less` and `> file` hold the answer alone.  Colours are for
terminals, and off when `NO_COLOR` is set.  A pipe has no width: nothing is cut off there.  What the model itself prints
while it is made or runs is no answer and goes to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout

from rich.console import Console, RenderableType
from rich.filesize import pick_unit_and_suffix

_PIPE_WIDTH = 10_000


def show(answer: RenderableType) -> None:
    """Prints an answer on stdout."""
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(answer)


def note(text: str, *, quiet: bool) -> None:
    """Prints a line on stderr unless told to be quiet."""
    if not quiet:
        print(text, file=sys.stderr)


@contextmanager
def models_own_words() -> Generator[None, None, None]:
    """Sends what the body prints to stderr."""
    with redirect_stdout(sys.stderr):
        yield


def human_bytes(nbytes: int) -> str:
    """Writes a size in steps of 1,024, as in the drawings.

    >>> human_bytes(999), human_bytes(47_700_000)
    ('999 bytes', '45.5 MB')
    """
    unit, suffix = pick_unit_and_suffix(nbytes, ["bytes", "KB", "MB", "GB", "TB"], 1024)
    return f"{nbytes / unit:,.1f} {suffix}" if unit > 1 else f"{nbytes} {suffix}"


def human_count(count: int) -> str:
    """Writes a large number in steps of 1,000.

    >>> human_count(999), human_count(3_628_146_688)
    ('999', '3.63 G')
    """
    unit, suffix = pick_unit_and_suffix(count, ["", "k", "M", "G", "T", "P"], 1000)
    return f"{count / unit:.2f} {suffix}" if unit > 1 else str(count)


def human_seconds(seconds: float) -> str:
    """Writes a duration.

    >>> human_seconds(0.0123), human_seconds(75)
    ('12.3 ms', '75.0 s')
    """
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} us"


def human_shape(shape: tuple[int, ...] | None) -> str:
    """Writes a shape; None where passes differ.

    >>> human_shape((6, 3)), human_shape(()), human_shape(None)
    ('6x3', 'scalar', 'varies')
    """
    return "varies" if shape is None else "x".join(map(str, shape)) or "scalar"
