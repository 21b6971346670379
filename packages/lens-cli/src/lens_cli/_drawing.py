"""Which picture of a model is drawn?

All options of the library's drawing, as words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import lens_torch as tl
from lens_cli._code import function_named
from lens_cli._errors import FileError
from lens_cli._terminal import models_own_words
from lens_torch import ModelGraph, ModelHistory

Mode = Literal["unrolled", "rolled"]
Direction = Literal["TB", "BT", "LR", "RL"]
ThemeName = Literal["light", "dark"]


@dataclass(frozen=True)
class DrawingRequest:
    """The words of `lens draw` about the picture."""

    mode: Mode
    """One node a pass, or one node a layer."""
    depth: str
    """A number, `auto` or `all`."""
    direction: Direction
    """Where the arrows lead."""
    buffers: bool
    """Whether buffers are shown."""
    collapse: tuple[str, ...]
    """Modules that are one node."""
    module: str | None
    """The one module to draw."""
    fold_repeats: bool
    """Whether a run of identical blocks is drawn once."""
    color_by: str | None
    """Numeric field that colours the nodes."""
    theme: ThemeName
    """Colours."""
    caption: str | None
    """Function that captions a node."""
    link: str | None
    """Function that links a node."""
    legend: bool
    """Whether the colours are explained."""
    engine: str | None
    """Graphviz to use."""
    timeout: float
    """Seconds that the layout may take."""


def drawn(history: ModelHistory, asked: DrawingRequest) -> ModelGraph:
    """Returns the drawing, not laid out yet.

    Raises:
        CommandError: An option that means nothing.
    """
    with models_own_words():
        return _drawn(history, asked)


def _drawn(history: ModelHistory, asked: DrawingRequest) -> ModelGraph:
    return tl.draw(
        history,
        mode=asked.mode,
        depth=int(asked.depth) if asked.depth.isdecimal() else asked.depth,
        show_buffers=asked.buffers,
        direction=asked.direction,
        collapse=asked.collapse,
        module=asked.module,
        fold_repeats=asked.fold_repeats,
        color_by=asked.color_by,
        theme=asked.theme,
        caption=function_named(asked.caption, "--caption"),
        link=function_named(asked.link, "--link"),
        legend=asked.legend,
        engine=asked.engine,
        timeout_s=asked.timeout,
    )


def write_drawing(graph: ModelGraph, out: Path) -> Path:
    """Writes a drawing in the format of the file's ending, and returns where.

    Raises:
        FileError: The file cannot be written.
    """
    try:
        return tl.write(graph, out)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise  # a layout that took too long is an OSError of another kind
        raise FileError(f"{str(out)!r} cannot be written: {error.strerror or error}.") from error
