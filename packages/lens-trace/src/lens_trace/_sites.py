"""From where was a function called?

While the model runs only code objects and instruction offsets are noted; files and lines are looked up afterwards.
Two frames matter: the innermost one, and the first one outside torch and Lens, which is the user's line.
"""

from __future__ import annotations

import os
import sys
from bisect import bisect_right
from opcode import opmap
from types import CodeType, FrameType

import torch

from lens_trace._composites import COMPOSITE_FILES
from lens_trace._records import CallSite
from lens_trace._rows import Place

_TORCH = os.path.dirname(torch.__file__) + os.sep
_HERE = os.path.dirname(__file__)
_NEIGHBOURS = ("lens_trace", "lens_graph", "lens_viz", "lens_validate", "lens_torch", "lens_cli")
OUTSIDE, INSIDE, COMPOSITES, LENS, HANDOVER = range(5)
_HANDOVER_FILE = str(torch.overrides.__file__)
MODULE_FILE = str(sys.modules[torch.nn.Module.__module__].__file__)
_kinds: dict[str, int] = {}
_PRECALL: int | None = opmap.get("PRECALL")
"""Python 3.11 splits a call into PRECALL (four bytes with its cache) and CALL; in warm code the first makes some."""


class _Cell(list[CodeType | None]):
    """Stands among the constants of lent code, which is hashed with them, so it is told apart by identity."""

    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType] - a list has none


border_code = _Cell([None, None])
"""Codes of what module calls run through, Lens's and torch's: where the walk meets one, the place outside is known."""


def calling_frame() -> FrameType:
    """Returns the innermost frame that is not Lens's own."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage] - the documented way to reach a frame
    while (_kinds.get(frame.f_code.co_filename) or kind_of_file(frame.f_code.co_filename)) == LENS:
        assert frame.f_back is not None
        frame = frame.f_back
    return frame


def frame_that_called_module() -> FrameType:
    """Returns the frame that called the module whose call Lens is about to end."""
    frame = calling_frame()
    while frame.f_code.co_filename == MODULE_FILE and frame.f_back is not None:
        frame = frame.f_back
    return frame


def known_files() -> dict[str, int]:
    """Returns the table of files already told apart."""
    return _kinds


def kind_of_file(file_name: str) -> int:
    """Tells whose source file this is, and remembers it.

    Returns:
        OUTSIDE (0), INSIDE (torch), COMPOSITES (the parts of torch whose functions are entered directly), HANDOVER
        (`torch.overrides`) or LENS.
    """
    if file_name in COMPOSITE_FILES:
        kind = COMPOSITES
    elif file_name == _HANDOVER_FILE:
        kind = HANDOVER
    elif file_name.startswith(_HERE):
        kind = LENS
    else:
        kind = INSIDE if _looks_inside(file_name) else OUTSIDE
    _kinds[file_name] = kind
    return kind


def _looks_inside(file_name: str) -> bool:
    if file_name.startswith((_TORCH, _HERE, "<frozen ")):
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
        """Returns the call site of a place, the same object for the same call, however warm its code is."""
        if place is None:
            return None
        code, instruction = place
        key = (id(code), instruction)
        site = self._sites.get(key)
        if site is None:
            if _PRECALL is not None and code.co_code[instruction] == _PRECALL:
                instruction += 4
            site = CallSite(code.co_filename, self._line(code, instruction), code.co_qualname, instruction)
            site = self._sites[key] = self._sites.setdefault((id(code), instruction), site)
        return site

    def _line(self, code: CodeType, instruction: int) -> int:
        table = self._lines.get(id(code))
        if table is None:
            rows = [(start, line) for start, _, line in code.co_lines() if line is not None]
            table = self._lines[id(code)] = ([start for start, _ in rows], [line for _, line in rows])
        position = bisect_right(table[0], instruction) - 1
        return table[1][position] if position >= 0 else 0
