"""How are the functions of `torch.nn.functional` entered without handing themselves over first?

`F.relu` is Python: with a mode on, it asks `has_torch_function_unary(input)`, hears yes, and travels through
`handle_torch_function` to the mode, which then has to open it (`lens_trace._opening`).  That round trip costs more than
recording the operation inside.  For the length of a trace the question is therefore answered No in the two modules
where nearly all composites live, where the mode asked would be our own and every value asked about is an ordinary
tensor; then the function simply runs and its parts are recorded.  In every other case (a subclass, somebody else's
mode, a thread that is not traced) the question goes to torch, and the round trip with the opening remains.

Which composites an operation was reached through is then told by the frames above it.  During the pass only their code
objects are noted; `composite_name` finds out afterwards under which name the function would have been handed over.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
from collections.abc import Callable
from typing import Any

import torch
import torch.functional
import torch.nn.functional
from torch.overrides import has_torch_function, has_torch_function_unary, has_torch_function_variadic

from lens_trace._functions import role_of
from lens_trace._role import COMPOSITE
from lens_trace._undoing import Undoing

_MODULES: tuple[types.ModuleType, ...] = (torch.nn.functional, torch.functional)
COMPOSITE_FILES = frozenset(str(module.__file__) for module in _MODULES)
"""Source files whose functions are entered directly."""

_ordinary = frozenset((torch.Tensor, torch.nn.Parameter, type(None), int, float, bool))
_depth = torch._C._len_torch_function_stack
_mode_at = torch._C._get_function_stack_at
_frame = sys._getframe
# The one function that calls a function of the user: what runs in there could not be told by the frames up to the
# user's own, so it stays with the round trip.
_calls_back = torch.nn.functional.triplet_margin_with_distance_loss.__code__
_names: dict[types.CodeType, str | None] = {}


def enter_composites(undoing: Undoing, mode_type: type) -> None:
    """Makes composites answer the question themselves while a mode of this type is on top."""
    answers = _answers(mode_type)
    before = [
        (vars(module), name, vars(module)[name]) for module in _MODULES for name in answers if name in vars(module)
    ]

    def undo() -> None:
        for names, name, original in before:
            names[name] = original

    undoing.note(undo)
    for names, name, _ in before:
        names[name] = answers[name]


def composite_name(code: types.CodeType) -> str | None:
    """Returns the name of the function that this code would have handed over, None if none that would be opened."""
    if code not in _names:
        _names[code] = _find_name(code)
    return _names[code]


@functools.cache  # made once: scripting knows them by identity
def _answers(mode_type: type) -> dict[str, Callable[..., bool]]:
    # Without any mode an ordinary tensor means No as well, so an empty stack needs no question either.
    def unary(value: Any) -> bool:
        if type(value) in _ordinary:
            depth = _depth()
            if not depth or type(_mode_at(depth - 1)) is mode_type:
                return False
        return has_torch_function_unary(value)

    def variadic(*values: Any) -> bool:
        for value in values:
            if type(value) not in _ordinary:
                return has_torch_function_variadic(*values)
        depth = _depth()
        if (not depth or type(_mode_at(depth - 1)) is mode_type) and _frame(1).f_code is not _calls_back:
            return False
        return has_torch_function_variadic(*values)

    def several(values: Any) -> bool:
        for value in values:
            if type(value) not in _ordinary:
                return has_torch_function(values)
        depth = _depth()
        if not depth or type(_mode_at(depth - 1)) is mode_type:
            return False
        return has_torch_function(values)

    answers: dict[str, Callable[..., bool]] = {
        "has_torch_function": several,
        "has_torch_function_unary": unary,
        "has_torch_function_variadic": variadic,
    }
    for answer in answers.values():
        _tell_compiler(answer)
    return answers


def _tell_compiler(answer: Callable[..., bool]) -> None:
    # `torch.jit.script` takes the three questions for a builtin; a model may script one of its parts in its forward.
    builtins = sys.modules.get("torch.jit._builtins")
    known: list[tuple[Any, str]] = getattr(builtins, "_builtin_ops", [])
    known.append((answer, "aten::has_torch_function"))
    table: dict[int, str] | None = getattr(builtins, "_builtin_table", None)
    if table is not None:
        table[id(answer)] = "aten::has_torch_function"


def _find_name(code: types.CodeType) -> str | None:
    # `_max_pool2d` hands over `torch.max_pool2d`, an operation, and `_adaptive_max_pool2d` hands over
    # `adaptive_max_pool2d`: the name is that of the first argument of `handle_torch_function`.
    module = next((m for m in _MODULES if m.__file__ == code.co_filename), None)
    if module is None:
        return None
    if "handle_torch_function" not in code.co_names:  # `torch.unique` asks in one function, hands over in the next
        if not any(name.startswith("has_torch_function") for name in code.co_names):
            return None
        bodies = [getattr(vars(module).get(name), "__code__", code) for name in code.co_names]
        return next((composite_name(body) for body in bodies if "handle_torch_function" in body.co_names), None)
    function: Any = None
    instructions = iter(dis.get_instructions(code))
    next(i for i in instructions if i.opname == "LOAD_GLOBAL" and i.argval == "handle_torch_function")
    for instruction in instructions:
        if instruction.opname == "LOAD_GLOBAL":
            if function is not None:
                break
            function = vars(module).get(instruction.argval)
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD") and function is not None:
            function = getattr(function, instruction.argval, None)
        elif function is not None:
            break
    if not callable(function):
        return None
    role = role_of(function)
    return role.qualified_name if role.kind == COMPOSITE else None
