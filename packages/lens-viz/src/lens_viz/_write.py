"""How does a drawing become a file?

The ending decides: `.svg`, `.pdf` and `.png` are laid out, `.gv` and `.dot` hold the source.  Folders are made, and a
file appears whole or not at all.  When the layout fails, the source is written beside the place of the picture, and the
error says where.  A bitmap beyond cairo's limit of 32,767 pixels would be a blur: an SVG is written instead.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

from lens_viz._engine import ModelGraph, located
from lens_viz._errors import EngineError, OptionError

PICTURES = ("svg", "pdf", "png")
"""Endings that are laid out."""
SOURCES = ("gv", "dot")
"""Endings that hold DOT."""


def write(graph: ModelGraph, outpath: str | os.PathLike[str]) -> Path:
    """Write a drawing to a file by its ending.

    Args:
        graph: What `draw` returned.
        outpath: Where to; its ending is one of svg, pdf, png, gv, dot.  Missing folders are made.

    Returns:
        The file that was written; with another ending than asked for when a PNG would have been too large.

    Raises:
        OptionError: Another ending.
        EngineError: The picture could not be laid out.  The source was written beside it (`error.source_path`).
    """
    path = Path(outpath)
    ending = check_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if ending in SOURCES:
        return _put(path, graph.source.encode("utf-8"))
    try:
        data, is_scaled_down = graph.picture(ending)
        if ending == "png" and is_scaled_down:
            path = path.with_suffix(".svg")
            warnings.warn(
                f"As a PNG the drawing would exceed 32,767 pixels; it was written to {path} instead.", stacklevel=2
            )
            data, _ = graph.picture("svg")
    except EngineError as error:
        source_path = _put(path.with_suffix(".gv"), graph.source.encode("utf-8"))
        raise located(error, source_path) from error.__cause__
    return _put(path, data)


def check_ending(outpath: str | os.PathLike[str]) -> str:
    """Return the ending of a path in lower case.

    Raises:
        OptionError: Not one of those that can be written.
    """
    ending = Path(outpath).suffix[1:].lower()
    if ending not in PICTURES + SOURCES:
        known = ", ".join(f".{known}" for known in PICTURES + SOURCES)
        raise OptionError(
            f"{os.fspath(outpath)!r} ends in {f'.{ending}' if ending else 'nothing'}; give one of {known}."
        )
    return ending


def _put(path: Path, data: bytes) -> Path:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".lens-", suffix=path.suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mode = 0o666 & ~_umask()
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
