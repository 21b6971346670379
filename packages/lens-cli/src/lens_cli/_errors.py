"""What can go wrong between the command line and the library, and what to do about it.

    CommandError             what was typed cannot be carried out
    ├── ModelNotFoundError   MODEL, or another name of code, leads to nothing of use
    ├── InputError           an input, a stimulus or an option about them describes no tensor
    └── FileError            a file cannot be read, is refused, or cannot be written

Every command ends an error with one line on stderr and exit status 2 (`carried_out`); `--debug` shows the traceback.
Errors of the libraries below pass through the same door, with the notes that tracing put on them.

    0    done, and where a question was asked the answer is yes
    1    the answer is no: not valid (`validate`), or not the same (`diff`)
    2    could not be carried out
    130  interrupted with Ctrl-C
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import typer

DONE, NO, FAILED, INTERRUPTED = 0, 1, 2, 130


class CommandError(Exception):
    """What was typed cannot be carried out."""


class ModelNotFoundError(CommandError):
    """A name does not lead to a model, or to the function that was wanted."""


class InputError(CommandError):
    """An input does not describe a tensor."""


class FileError(CommandError):
    """A file cannot be read, is refused, or cannot be written."""


@contextmanager
def carried_out(*, debug: bool, quiet: bool = False) -> Generator[None, None, None]:
    """Turns any exception of the body into one line on stderr and an exit status, and warnings into one line each.

    Args:
        debug: Let the exception through, with its traceback.
        quiet: Say nothing of warnings.
    """
    with warnings.catch_warnings():
        warnings.showwarning = _silent if quiet else _tell
        try:
            yield
            sys.stdout.flush()
        except typer.Exit:
            raise
        except BrokenPipeError:
            # Whoever read our output (`| head`) has seen enough.  Python would complain again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(DONE) from None
        except KeyboardInterrupt:
            if debug:
                raise
            typer.echo("lens: interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except (Exception, SystemExit) as error:
            # SystemExit comes from a module that quits when imported; it must not end the command in silence.
            if debug:
                raise
            typer.echo(f"lens: {one_line(error)}", err=True)
            raise typer.Exit(FAILED) from None


def one_line(error: BaseException) -> str:
    """Returns the error as one line: its kind unless it is ours, its message, and the notes it has gathered."""
    text = " ".join(str(error).split()) or "no message"
    kind = "" if isinstance(error, CommandError) else f"{type(error).__name__}: "
    # A recording on an exception is of use in Python only.
    told = (note for note in getattr(error, "__notes__", ()) if ".lens_recording" not in note)
    notes = " ".join(" ".join(note.split()) for note in told)
    return f"{kind}{text} ({notes})" if notes else f"{kind}{text}"


def _tell(message: Warning | str, *_: Any, **__: Any) -> None:
    typer.echo(f"lens: warning: {' '.join(str(message).split())}", err=True)


def _silent(*_: Any, **__: Any) -> None:
    """Says nothing."""
