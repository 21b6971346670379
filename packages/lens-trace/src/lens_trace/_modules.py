"""Which module does an operation run in, and what does each module return?

For the length of a trace `torch.nn.Module._call_impl` runs other code (once for the process, however many traces run;
its own again when the last one ends).  Compared with forward hooks the wrapper sees keyword arguments and what the
module's own hooks made of the result, is left by every exception, and costs less.

When a module returns, its result gets an operation of its own in three cases:

* none of its tensors was made inside (Identity, dropout in eval where nothing runs): an `identity` for each, so that
  the module's border does not vanish;
* a tensor was written through another view after its operation made it: an `identity` that holds the value returned;
* nobody has seen the tensor although the module's input is known: the module is one opaque operation.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import perf_counter_ns
from types import CodeType
from typing import Any, NamedTuple

import torch

from lens_trace._adopting import ATOMS
from lens_trace._intercept import RecordingMode
from lens_trace._leaves import plain_leaves
from lens_trace._notes import note_failed_module
from lens_trace._recorder import Recorder
from lens_trace._replacing import Wanted, code_with, replace
from lens_trace._role import OPERATION, Role
from lens_trace._rows import ModuleRow, Owning, Reference, Seen
from lens_trace._sites import INSIDE, OUTSIDE, border_code, calling_frame, frame_that_called_module, known_files
from lens_trace._undoing import Undoing

_Tensor = torch.Tensor
_frame = sys._getframe
_file_kind = known_files().get
_quiet = torch._C.DisableTorchFunction


class ActiveModes(threading.local):
    """The modes of the traces that run in this thread, outermost first."""

    modes: tuple[RecordingMode, ...] = ()


active = ActiveModes()


def _pass_on(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


_identity = Role(_pass_on, OPERATION, "identity", "identity", "identity")


def enter_calls(undoing: Undoing) -> None:
    """Sees every module call from now on."""
    original_call[0] = original = replace(undoing, _CALL)[0]
    border_code[0] = getattr(original, "__code__", None)


original_call: list[Any] = [None]
"""What a module call runs when nobody looks."""


class _Rarely(NamedTuple):
    """What a module call needs only now and then."""

    layered: Callable[..., Any]
    pass_through: Callable[..., Any]
    inputs: Callable[..., list[int]]
    leave: Callable[..., None]
    note_failure: Callable[..., None]


def _watched_call(original: Callable[..., Any]) -> CodeType:
    rarely = _Rarely(_layered, _pass_through, _inputs, _leave, note_failed_module)
    return code_with(_call_impl, (
        original, active, _frame, _file_kind, OUTSIDE, INSIDE, border_code, ModuleRow, perf_counter_ns, _Tensor, rarely,
    ))  # fmt: skip


def _call_impl(self: torch.nn.Module, /, *args: Any, **kwargs: Any) -> Any:
    # This code runs as that of torch's own function: it has nothing but what it is given here.
    needs: Any = "what it needs"
    original, active, frame, kind_of, outside_torch, inside_torch, border, make, clock, plain_tensor, rarely = needs
    modes: tuple[RecordingMode, ...] = active.modes
    if len(modes) != 1:
        return rarely.layered(modes, original)(self, *args, **kwargs) if modes else original(self, *args, **kwargs)
    mode = modes[0]
    # `_enter` and the usual way out are written out here: this runs at every module call.
    recorder, owners, logs, rows, number_of, module_rows, next_call, keeps_outputs_of = mode.call_tables
    module = number_of.get(id(self))
    if module is None:
        if "_orig_mod" in self._modules:  # a compiled module: the one inside is recorded
            return rarely.pass_through(mode, original, self, args, kwargs)
        module = recorder.state.add_module(self)
    outside = mode.module
    near = frame(2)  # the frame in between is torch's
    code = near.f_code
    kind = kind_of(code.co_filename)
    if kind == outside_torch:
        user = (code, near.f_lasti)
    else:
        user = outside.user
        if kind != inside_torch or user is None or near.f_back.f_code is not border[0]:
            user = mode.place_of_call(near)
    if len(args) == 1 and not kwargs and (owner := owners.get(id(value := args[0]))) and owner.reference() is value:
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
        result = original(self, *args, **kwargs)
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
            _leave(mode, row, module, args, kwargs, result)
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
        _inputs(recorder, args, kwargs), _training(module), len(recorder.rows), perf_counter_ns(),
    )  # fmt: skip
    recorder.module_rows.append(row)
    return row


def _training(module: torch.nn.Module) -> bool:
    try:
        return module.training
    except AttributeError:  # a frozen scripted module has no flag
        return False


def _inputs(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int]:
    inputs: list[int] = []
    owners = recorder.memory.owners
    for value in (*args, *kwargs.values()) if kwargs else args:
        kind = type(value)
        if kind is _Tensor and (owner := owners.get(id(value))) is not None and owner.reference() is value:
            inputs.append(owner.operation)
        elif kind not in ATOMS:
            _note_inputs(recorder, inputs, value)
    return inputs


def _note_inputs(recorder: Any, inputs: list[int], value: Any) -> None:
    with _quiet():
        for tensor in plain_leaves(value):
            owner = recorder.memory.find(tensor)
            if owner is not None and owner.operation >= 0:
                inputs.append(owner.operation)


def _leave(mode: RecordingMode, row: ModuleRow, module: torch.nn.Module, args: Any, kwargs: Any, result: Any) -> None:
    with _quiet():
        _note_outputs(mode, row, module, args, kwargs, result)


def _note_outputs(
    mode: RecordingMode, row: ModuleRow, module: torch.nn.Module, args: Any, kwargs: Any, result: Any
) -> None:
    recorder = mode.recorder
    memory = recorder.memory
    leaves = [result] if type(result) is _Tensor else list(plain_leaves(result))
    if not leaves:
        return
    leaves = list({id(leaf): leaf for leaf in leaves}.values())
    unseen = [leaf for leaf in leaves if memory.find(leaf) is None and not recorder.state.holds(leaf)]
    for leaf in _held_by(module, unseen):
        recorder.adopt(leaf)
    unseen = [leaf for leaf in unseen if memory.find(leaf) is None]
    if unseen and row.inputs != []:
        _note_opaque(mode, module, args, kwargs, unseen)
    seen = [(leaf, recorder.reference(leaf)) for leaf in leaves]
    made_inside = any(_is_inside(row, _owner(reference).operation) for _, reference in seen)
    outputs: list[int] = []
    row.outputs = outputs
    for leaf, reference in seen:
        is_written_through_a_view = isinstance(reference, Seen) and bool(reference.overlays)
        if not made_inside or is_written_through_a_view:
            mode.record_identity(_identity, leaf, frame_that_called_module())
        owner = memory.find(leaf)
        if owner is not None and owner.operation >= 0:
            outputs.append(owner.operation)
            _keep_if_chosen(recorder, row, owner.operation, leaf)


def _is_inside(row: ModuleRow, operation: int) -> bool:
    return operation >= row.first


def _owner(reference: Reference) -> Owning:
    return reference.owner if isinstance(reference, Seen) else reference


def _held_by(module: torch.nn.Module, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    if not tensors:
        return []
    held = {id(value) for value in module.__dict__.values() if isinstance(value, _Tensor)}
    return [tensor for tensor in tensors if id(tensor) in held]


def _note_opaque(mode: RecordingMode, module: torch.nn.Module, args: Any, kwargs: Any, unseen: list[Any]) -> None:
    role = Role(module, OPERATION, type(module).__name__, type(module).__qualname__, "module")
    mode.record_opaque(role, module, args, kwargs, unseen, frame_that_called_module())


def _keep_if_chosen(recorder: Recorder, row: ModuleRow, operation: int, tensor: torch.Tensor) -> None:
    chosen = recorder.keeps_outputs_of
    if chosen is not None and not chosen.isdisjoint(recorder.state.addresses_at(row.module)):
        recorder.keep_output(operation, tensor, recorder.memory.storage_key(tensor))
