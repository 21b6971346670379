"""Which Graphviz lays a graph out, and how is it kept from hanging?

In this order: the executable that the user named (`engine=` or the variable LENS_DOT), `dot` on PATH, the libraries
inside pygraphviz's wheels.  Each runs in a child process with a time limit; none is given more than the DOT source.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from lens_viz import _bundled
from lens_viz._errors import LayoutFailedError, LayoutTimeoutError, NoEngineError

DEFAULT_TIMEOUT_S = 60.0
"""Seconds that a layout may take."""
PNG_DPI = 144
"""Dots per inch of bitmaps: twice Graphviz's default, sharp on today's screens."""
ENGINE_VARIABLE = "LENS_DOT"
"""Environment variable that names the executable."""
_TOO_LARGE = "too large for cairo"


class Engine(Struct, frozen=True):
    """A way to run Graphviz."""

    name: str
    """How messages call it."""
    command: tuple[str, ...]
    """Beginning of the command line."""
    is_bundled: bool
    """Whether it is pygraphviz's."""


class Picture(Struct, frozen=True):
    """What the engine made."""

    data: bytes
    is_scaled_down: bool = False
    """Whether the bitmap was beyond cairo's limit of 32,767 pixels and was made smaller."""


def lay_out(source: str, *, picture_format: str, engine: str | None = None, timeout_s: float) -> Picture:
    """Return the picture of a DOT source.

    Args:
        source: A whole DOT graph.
        picture_format: What Graphviz calls it: `svg`, `pdf`, `png`, ...
        engine: Executable to use, None to look for one.
        timeout_s: Seconds that it may take.

    Raises:
        NoEngineError: There is no Graphviz.
        LayoutTimeoutError: It took longer.
        LayoutFailedError: It ended with an error.
    """
    chosen = find_engine(engine)
    dpi = PNG_DPI if picture_format.partition(":")[0] in ("png", "jpg", "jpeg", "webp") else 0
    if chosen.is_bundled:
        command = [*chosen.command, picture_format, str(dpi)]
    else:
        command = [*chosen.command, f"-T{picture_format}", *([f"-Gdpi={dpi}"] if dpi else [])]
    data, messages = _run(chosen, command, source.encode("utf-8", "replace"), timeout_s)
    return Picture(data, is_scaled_down=_TOO_LARGE in messages)


def find_engine(engine: str | None = None, environment: Mapping[str, str] = os.environ) -> Engine:
    """Return the first Graphviz there is.

    Raises:
        NoEngineError: There is none, or not where the user said.
    """
    named = engine or environment.get(ENGINE_VARIABLE)
    if named:
        path = shutil.which(named)
        if path is None:
            raise NoEngineError(
                f"{named!r} is no executable. Give the path of Graphviz's `dot`, or leave engine= and "
                f"{ENGINE_VARIABLE} out to use the one on PATH or the one in pygraphviz."
            )
        return Engine(name=named, command=(path,), is_bundled=False)
    path = shutil.which("dot", path=environment.get("PATH"))
    if path is not None:
        return Engine(name="dot", command=(path,), is_bundled=False)
    specification = importlib.util.find_spec("pygraphviz")
    if specification is not None and specification.origin is not None and sys.executable:
        folder = str(Path(specification.origin).parent.parent)
        command = (sys.executable, "-I", str(Path(_bundled.__file__)), folder)
        return Engine(name="pygraphviz", command=command, is_bundled=True)
    raise NoEngineError(
        "There is no Graphviz to lay the graph out. Install it with `pip install 'pygraphviz>=2'` (it brings its own "
        "copy), or install Graphviz from your system's packages, or name its `dot` with engine=."
    )


def _run(engine: Engine, command: list[str], source: bytes, timeout_s: float) -> tuple[bytes, str]:
    flags = subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0
    try:
        done = subprocess.run(
            command, input=source, capture_output=True, timeout=timeout_s, check=False, creationflags=flags
        )
    except subprocess.TimeoutExpired:
        raise LayoutTimeoutError(
            f"{engine.name} did not lay the graph out within {timeout_s:g} s and was stopped."
        ) from None
    except OSError as error:
        raise NoEngineError(f"{engine.name} could not be started ({error}).") from error
    messages = done.stderr.decode("utf-8", "replace")
    if done.returncode != 0 or not done.stdout:
        said = " ".join(messages.split())[-600:] or "it said nothing"
        raise LayoutFailedError(f"{engine.name} ended with status {done.returncode}: {said}.")
    return done.stdout, messages
