"""Which module does an operation run in, and what does each module return?

For the length of a trace `torch.nn.Module._call_impl` runs other code (once for the process, however many traces run;
its own again when the last one ends).  Compared with forward hooks the wrapper sees keyword arguments and what the
module's own hooks made of the result, is left by every exception, and costs less.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import perf_counter_ns
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import torch

from lens_trace._borders import inputs_of, leave
from lens_trace._intercept import RecordingMode
from lens_trace._notes import note_failed_module
from lens_trace._replacing import Wanted, code_with, replace
from lens_trace._rows import ModuleRow
from lens_trace._sites import INSIDE, MODULE_FILE, OUTSIDE, border_code, calling_frame, known_files
from lens_trace._undoing import Undoing

_Tensor = torch.Tensor
_frame = sys._getframe
_file_kind = known_files().get
_module = sys.modules[torch.nn.Module.__module__]


class ActiveModes(threading.local):
    """The modes of the traces that run in this thread, outermost first."""

    modes: tuple[RecordingMode, ...] = ()


active = ActiveModes()


def enter_calls(undoing: Undoing) -> None:
    """Sees every module call from now on."""
    original_call[0] = original = replace(undoing, _CALL)[0]
    border_code[:] = torch.nn.Module._call_impl.__code__, getattr(original, "__code__", None)


original_call: list[Any] = [None]
"""What a module call runs when nobody looks."""


class _Rarely(NamedTuple):
    """What a module call needs only now and then."""

    original: Callable[..., Any]
    layered: Callable[..., Any]
    pass_through: Callable[..., Any]
    inputs: Callable[..., list[int]]
    leave: Callable[..., None]
    note_failure: Callable[..., None]


def _watched_call(original: Callable[..., Any]) -> CodeType:
    rarely = _Rarely(original, _layered, _pass_through, inputs_of, leave, note_failed_module)
    is_traced, shared = _questions(original)
    return code_with(_call_impl, (
        active, _frame, _file_kind, OUTSIDE, INSIDE, border_code, ModuleRow, perf_counter_ns, _Tensor, is_traced,
        shared, rarely,
    ))  # fmt: skip


def _questions(original: Any) -> tuple[Callable[[], Any], ModuleType | None]:
    """Returns what torch's own call asks before it calls `forward`, and nothing else: whether it is being traced, and
    the module that has the global hooks; None where this is another call, or one that asks something else.

    The same is asked here and `forward` called at once: the call itself is two more calls of Python functions, which
    cost a third of what recording the module does.
    """
    code = getattr(original, "__code__", None)
    if code is None or code.co_filename != MODULE_FILE or code.co_names[3:14] != _ASKED:
        return bool, None
    return getattr(torch._C, code.co_names[2]), _module


_ASKED = (
    "_slow_forward", "forward", "_backward_hooks", "_backward_pre_hooks", "_forward_hooks", "_forward_pre_hooks",
    "_global_backward_pre_hooks", "_global_backward_hooks", "_global_forward_hooks", "_global_forward_pre_hooks", "set",
)  # fmt: skip
"""Names in the code of torch's own call, in order; `set` is the first one beyond."""


def _call_impl(self: torch.nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    # This code runs as that of torch's own function: it has nothing but what it is given here.
    needs: Any = "what it needs"
    active, frame, kind_of, user_file, torch_file, border, make, clock, plain_tensor, is_traced, shared, rarely = needs
    modes: tuple[RecordingMode, ...] = active.modes
    if len(modes) != 1:
        original = rarely.original
        return rarely.layered(modes, original)(self, *args, **kwargs) if modes else original(self, *args, **kwargs)
    mode = modes[0]
    # `_enter` and the usual way out are written out here: this runs at every module call.
    recorder, owners, logs, rows, number_of, module_rows, next_call, keeps_outputs_of = mode.call_tables
    module = number_of.get(id(self))
    if module is None:
        if "_orig_mod" in self._modules:  # a compiled module: the one inside is recorded
            return rarely.pass_through(mode, rarely.original, self, args, kwargs)
        module = recorder.state.add_module(self)
    outside = mode.module
    near = frame(2)  # the frame in between is torch's
    code = near.f_code
    kind = kind_of(code.co_filename)
    if kind == user_file:
        user = (code, near.f_lasti)
    else:
        user = outside.user
        if kind != torch_file or user is None or near.f_back.f_code is not border[0]:
            user = mode.place_of_call(near)
    value = args[0] if len(args) == 1 and not kwargs else None
    if value is not None and (owner := owners.get(id(value))) and owner.reference() is value:
        inputs = owner.operation
    else:
        inputs = rarely.inputs(recorder, args, kwargs)
    first = len(rows)
    try:
        training = self.training
    except AttributeError:  # a frozen scripted module has no flag
        training = False
    row = make(next_call(), module, outside, outside.thread, user, inputs, training, first, clock())
    module_rows.append(row)
    mode.module = row
    try:
        if (
            shared is None
            or self._backward_hooks
            or self._backward_pre_hooks
            or self._forward_hooks
            or self._forward_pre_hooks
            or shared._global_backward_pre_hooks
            or shared._global_backward_hooks
            or shared._global_forward_hooks
            or shared._global_forward_pre_hooks
            or is_traced()
        ):
            result = rarely.original(self, *args, **kwargs)
        elif value is not None:
            result = self.forward(value)
        else:
            result = self.forward(*args, **kwargs)
        if (
            type(result) is plain_tensor
            and (owner := owners.get(id(result))) is not None
            and owner.operation >= first
            and owner.reference() is result
            and (not logs or owner.storage not in logs or len(logs[owner.storage]) <= owner.seen)
            and keeps_outputs_of is None
        ):  # what nearly every module does: returns one tensor that it made, and nothing was written anywhere
            row.outputs = owner.operation
        else:
            rarely.leave(mode, row, self, args, kwargs, result)
        return result
    except BaseException as error:
        rarely.note_failure(recorder, error, row)
        raise
    finally:
        row.end = clock()
        row.last = len(rows)
        mode.module = outside


_CALL: tuple[Wanted, ...] = ((torch.nn.Module, "_call_impl", _watched_call),)


def _pass_through(
    mode: RecordingMode, original: Callable[..., Any], module: torch.nn.Module, args: Any, kwargs: Any
) -> Any:
    # Not a module call of its own, but a border all the same: the user's place is where this one was called.
    outside = mode.module
    mode.module = ModuleRow(None, -1, outside, outside.thread, mode.place_of_call(calling_frame()), ())
    try:
        return original(module, *args, **kwargs)
    finally:
        mode.module = outside


def call_model(mode: RecordingMode, model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Calls the model itself, whose call is noted also where it has a `__call__` of its own."""
    usual = torch.nn.Module.__call__
    if type(model).__call__ is usual:
        return model(*args, **kwargs)
    original = original_call[0]

    def once(*args: Any, **kwargs: Any) -> Any:
        # Its `__call__` may well go on to the usual one: that is the same call.
        vars(model).pop("_call_impl", None)
        return original(model, *args, **kwargs)

    vars(model)["_call_impl"] = once
    try:
        return _one_layer(mode, _by_its_own_call)(model, *args, **kwargs)
    finally:
        vars(model).pop("_call_impl", None)


def _by_its_own_call(model: torch.nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    return model(*args, **kwargs)


def _layered(modes: tuple[RecordingMode, ...], original: Callable[..., Any]) -> Callable[..., Any]:
    # Traces within traces: each notes the module, the innermost first.
    call = original
    for mode in modes:
        call = _one_layer(mode, call)
    return call


def _one_layer(mode: RecordingMode, inner: Callable[..., Any]) -> Callable[..., Any]:
    def call(module: torch.nn.Module, /, *args: Any, **kwargs: Any) -> Any:
        if "_orig_mod" in module._modules:
            return _pass_through(mode, inner, module, args, kwargs)
        row = _enter(mode, module, args, kwargs)
        outside = mode.module
        mode.module = row
        try:
            result = inner(module, *args, **kwargs)
            leave(mode, row, module, args, kwargs, result)
            return result
        except BaseException as error:
            note_failed_module(mode.recorder, error, row)
            raise
        finally:
            row.end = perf_counter_ns()
            row.last = len(mode.recorder.rows)
            mode.module = outside

    return call


def _enter(mode: RecordingMode, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ModuleRow:
    recorder, outside = mode.recorder, mode.module
    number = recorder.state.number_of.get(id(module))
    if number is None:
        number = recorder.state.add_module(module)
    row = ModuleRow(
        recorder.next_module_call(), number, outside, outside.thread, mode.place_of_call(calling_frame()),
        inputs_of(recorder, args, kwargs), _training(module), len(recorder.rows), perf_counter_ns(),
    )  # fmt: skip
    recorder.module_rows.append(row)
    return row


def _training(module: torch.nn.Module) -> bool:
    try:
        return module.training
    except AttributeError:  # a frozen scripted module has no flag
        return False
