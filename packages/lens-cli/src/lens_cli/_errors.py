"""What can go wrong between the command line and the library, and what to do about it.

    CommandError             what was typed cannot be carried out
    ├── ModelNotFoundError   MODEL names no module, no attribute, or nothing that makes a torch.nn.Module
    └── InputError           an --input that describes no tensor

Every command ends an error with one line on stderr and exit status 1 (`one_line_errors`); `--debug` shows the
traceback.  Errors of the libraries below pass through the same door, with the notes that tracing put on them.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import typer


class CommandError(Exception):
    """What was typed cannot be carried out."""


class ModelNotFoundError(CommandError):
    """MODEL does not lead to a model."""


class InputError(CommandError):
    """An `--input` does not describe a tensor."""


@contextmanager
def one_line_errors(*, debug: bool) -> Generator[None, None, None]:
    """Turns any exception of the body into one line on stderr and exit status 1.

    Args:
        debug: Let the exception through, with its traceback.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        # SystemExit comes from a module that quits when imported; it must not end the command in silence.
        if debug or isinstance(error, typer.Exit):
            raise
        typer.echo(f"lens: {one_line(error)}", err=True)
        raise typer.Exit(1) from None


def one_line(error: BaseException) -> str:
    """Returns the error as one line: its kind unless it is ours, its message, and the notes it has gathered."""
    text = " ".join(str(error).split()) or "no message"
    kind = "" if isinstance(error, CommandError) else f"{type(error).__name__}: "
    notes = " ".join(" ".join(note.split()) for note in getattr(error, "__notes__", ()))
    return f"{kind}{text} ({notes})" if notes else f"{kind}{text}"
