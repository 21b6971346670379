"""From where was a function called?

While the model runs only code objects and instruction offsets are noted; files and lines are looked up afterwards.
Two frames matter: the innermost one, and the first one outside torch and Lens, which is the user's line.
"""

from __future__ import annotations

import os
import sys
from bisect import bisect_right
from types import CodeType, FrameType
from typing import TypeAlias

import torch

from lens_trace._records import CallSite

Place: TypeAlias = "tuple[CodeType, int]"

_TORCH = os.path.dirname(torch.__file__) + os.sep
_HERE = os.path.dirname(__file__)
_NEIGHBOURS = ("lens_trace", "lens_graph", "lens_viz", "lens_validate", "lens_torch", "lens_cli")
_is_inside: dict[str, bool] = {}
wrapper_code: list[CodeType | None] = [None]
"""Code of the wrapper around module calls: where the walk meets it, the place outside is already known."""


def user_place(frame: FrameType | None) -> Place | None:
    """Returns the first frame outside torch and Lens, going outwards from `frame`."""
    known = _is_inside
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        inside = known.get(name)
        if inside is None:
            inside = belongs_to_torch_or_lens(name)
        if not inside:
            return code, frame.f_lasti
        frame = frame.f_back
    return None


def caller(depth: int) -> FrameType | None:
    """Returns the frame `depth` levels above the function that asks."""
    return sys._getframe(depth + 1)  # pyright: ignore[reportPrivateUsage] - the documented way to reach a frame


def known_files() -> dict[str, bool]:
    """Returns the table of files already told apart; True is inside torch or Lens."""
    return _is_inside


def belongs_to_torch_or_lens(file_name: str) -> bool:
    """Tells whether a source file is torch's or Lens's own, and remembers it."""
    inside = _is_inside[file_name] = _looks_inside(file_name)
    return inside


def _looks_inside(file_name: str) -> bool:
    if file_name.startswith((_TORCH, _HERE)) or file_name.startswith("<frozen "):
        return True
    folder = os.path.basename(os.path.dirname(file_name))
    return (folder in _NEIGHBOURS and f"src{os.sep}{folder}" in file_name) or (
        folder in _NEIGHBOURS and "site-packages" in file_name
    )


class SiteTable:
    """Resolves places to call sites, each code object's line table read once."""

    def __init__(self) -> None:
        self._sites: dict[tuple[int, int], CallSite] = {}
        self._lines: dict[int, tuple[list[int], list[int]]] = {}

    def resolve(self, place: Place | None) -> CallSite | None:
        """Returns the call site of a place, the same object for the same place."""
        if place is None:
            return None
        code, instruction = place
        key = (id(code), instruction)
        site = self._sites.get(key)
        if site is None:
            site = CallSite(code.co_filename, self._line(code, instruction), code.co_qualname, instruction)
            self._sites[key] = site
        return site

    def _line(self, code: CodeType, instruction: int) -> int:
        table = self._lines.get(id(code))
        if table is None:
            rows = [(start, line) for start, _, line in code.co_lines() if line is not None]
            table = self._lines[id(code)] = ([start for start, _ in rows], [line for _, line in rows])
        position = bisect_right(table[0], instruction) - 1
        return table[1][position] if position >= 0 else 0
