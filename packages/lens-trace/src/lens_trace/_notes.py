"""What does the user learn when the model raises?

The exception keeps its type and traceback.  It gets a note: the operation that failed, the shapes of its arguments, the
module it ran in and the line of the model; and a second one that says where to find what was recorded.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

import torch

from lens_trace._rows import outer_call
from lens_trace._sites import LENS, OUTSIDE, kind_of_file

if TYPE_CHECKING:
    from lens_trace._recorder import Recorder
    from lens_trace._role import Role
    from lens_trace._rows import ModuleRow

_LONGEST = 60


def note_failed_call(recorder: Recorder, error: BaseException, role: Role, args: tuple[Any, ...],
                     kwargs: dict[str, Any], module: ModuleRow) -> None:  # fmt: skip
    """Adds the note of a failed function call, once per exception."""
    if getattr(error, "_lens_noted", False):
        return
    with torch._C.DisableTorchFunction():
        shown = ", ".join([*(_shown(a) for a in args), *(f"{key}={_shown(a)}" for key, a in kwargs.items())])
    text = f"Lens: raised by {role.qualified_name}({shown}) in {module_text(recorder, module)}{_line_text(error)}"
    devices = {tensor.device.type for tensor in _tensors((*args, *kwargs.values()))}
    if len(devices) > 1:
        text += (f". Its arguments live on {' and '.join(sorted(devices))}: Lens moves nothing between devices, "
                 "move the inputs or the model with .to(device) first")  # fmt: skip
        with contextlib.suppress(AttributeError):  # an exception with slots
            error._lens_devices = devices  # pyright: ignore[reportAttributeAccessIssue]
    add_note(error, text)


def is_of_mixed_devices(error: BaseException) -> bool:
    """Tells whether a function of torch refused arguments that live on different devices."""
    return isinstance(error, RuntimeError) and hasattr(error, "_lens_devices")


def note_failed_module(recorder: Recorder, error: BaseException, module: ModuleRow | None) -> None:
    """Adds a note to an exception that no torch function raised."""
    if not getattr(error, "_lens_noted", False):
        where = f"{module_text(recorder, module)}{_line_text(error)}"
        after = f"after {len(recorder.rows)} recorded operations"
        add_note(error, f"Lens: raised in {where}, outside any torch function, {after}")


def add_note(error: BaseException, text: str) -> None:
    """Adds a note and marks the exception, so that it is told once."""
    error.add_note(f"{text}.")
    error.add_note("What was recorded so far is on this exception as `.lens_recording`.")
    try:
        error._lens_noted = True  # pyright: ignore[reportAttributeAccessIssue]
    except AttributeError:  # an exception with slots
        return


def module_text(recorder: Recorder, row: ModuleRow | None) -> str:
    """Returns `module features.3 (Conv2d)` for the innermost open module."""
    call = outer_call(row)
    module = recorder.model if call is None else recorder.state.modules[call.module]
    addresses = recorder.state.addresses_of(module)
    if not addresses or addresses[0] == "":
        return f"the model ({type(module).__name__})"
    return f"module {addresses[0]} ({type(module).__name__})"


def _line_text(error: BaseException) -> str:
    """Returns `, at model.py:31` for the model's innermost line that led to an exception; nothing where none did."""
    # What has been unwound by now stands in the traceback, innermost last; the rest is still on the stack.
    unwound = reversed(list(traceback.walk_tb(error.__traceback__)))
    for frame, line in itertools.chain(unwound, traceback.walk_stack(sys._getframe())):
        code = frame.f_code
        kind = kind_of_file(code.co_filename)
        if kind == LENS and code.co_name == "call_model":  # further out is who called Lens
            break
        if kind == OUTSIDE:
            return f", at {code.co_filename.removeprefix(os.getcwd() + os.sep)}:{line}"
    return ""


def shown_tensor(tensor: torch.Tensor) -> str:
    """Returns `float32[2, 3]`."""
    return f"{str(tensor.dtype)[6:]}{list(tensor.shape)}"


def _shown(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return shown_tensor(value)
    if isinstance(value, (list, tuple)):
        inner = ", ".join(_shown(item) for item in value[:4]) + (", ..." if len(value) > 4 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    if value is None or isinstance(value, (bool, int, float, complex, torch.dtype, torch.device)):
        return str(value)
    if isinstance(value, str):
        return repr(value[:_LONGEST])
    return type(value).__name__


def _tensors(values: Any) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found.extend(_tensors(value))
    return found
