"""From where, and through which composites, did the call in a frame come?

The walk goes outwards only as far as needed: a module call knows the user's place that it was called from, so the walk
ends at its border.
"""

from __future__ import annotations

from types import CodeType
from typing import Any

import torch

from lens_trace._rows import ModuleRow, Place
from lens_trace._sites import COMPOSITES, INSIDE, OUTSIDE, border_code, kind_of_file, known_files

_file_kind = known_files().get
_handover_code = torch.overrides.handle_torch_function.__code__
open_code: list[CodeType | None] = [None]
"""Code of what opens a composite and knows its name."""


class Origins:
    """Looks outwards from the frames of one thread."""

    module: ModuleRow
    """The module call that the thread is in."""
    _through: tuple[Any, ...]
    """Names of the composites that are open."""

    def _origin(self, frame: Any) -> tuple[tuple[Any, ...], Place | None]:
        """Returns the composites that led to a frame and the user's place, going outwards as far as needed.

        Composites are names (those that were opened) and code objects (those entered directly, turned into names
        when the trace is frozen); they are looked for up to the border of the module call.  There the user's place is
        known: it was found when the module was entered.
        """
        through, user, known = self._through, None, self.module.user
        code, outer = frame.f_code, frame.f_back
        if (
            not through
            and outer is not None
            and _file_kind(code.co_filename) == COMPOSITES
            and type(frame.f_globals) is dict
        ):  # most often the user's forward called it, or that of one of torch's modules
            kind = _file_kind(outer.f_code.co_filename)
            if kind == OUTSIDE:
                return (code,), (outer.f_code, outer.f_lasti)
            if kind == INSIDE and known is not None and outer.f_back.f_code is border_code[0]:
                return (code,), known
        entered: tuple[Any, ...] = ()
        looks_for_composites = True
        border, own = border_code
        while frame is not None:
            code = frame.f_code
            if code is border or code is own:
                looks_for_composites = False
                if known is not None:
                    user = known
                    break
            kind = _file_kind(code.co_filename)
            if kind is None:
                kind = kind_of_file(code.co_filename)
            if kind == OUTSIDE:
                user = (code, frame.f_lasti)
                break
            if kind == COMPOSITES:  # the globals of an opened copy, whose name `_through` has, are no plain dict
                if looks_for_composites and type(frame.f_globals) is dict:
                    entered = (code, *entered)
            elif code is open_code[0]:  # `_through` has what lies outside
                looks_for_composites = False
            elif code is _handover_code:  # its caller was not entered: it handed itself over
                frame = frame.f_back
            frame = frame.f_back
        return (*through, *entered) if entered else through, user

    def place_of_call(self, frame: Any) -> Place | None:
        """Returns the user's place that a module called in this frame was called from."""
        code = frame.f_code
        kind = _file_kind(code.co_filename)
        if kind == OUTSIDE:
            return code, frame.f_lasti
        user = self.module.user
        if kind == INSIDE and user is not None and frame.f_back.f_code is border_code[0]:
            return user
        return self._origin(frame)[1]
