"""Which module does an operation run in, and what does each module return?

For the length of a trace `torch.nn.Module._call_impl` is wrapped (once for the process, however many traces run; taken
off when the last one ends).  Compared with forward hooks the wrapper sees keyword arguments and what the module's own
hooks made of the result, is left by every exception, and costs less.

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
from typing import Any

import torch

from lens_trace._aliases import Owner, Seen
from lens_trace._intercept import RecordingMode
from lens_trace._leaves import plain_leaves
from lens_trace._notes import note_failed_module
from lens_trace._recorder import ModuleRow
from lens_trace._role import OPERATION, Role
from lens_trace._sites import wrapper_code

_MODULE, _INPUTS, _OUTPUTS, _FIRST, _END, _LAST = (ModuleRow._fields.index(name) for name in
                                                   ("module", "inputs", "outputs", "first", "end", "last"))  # fmt: skip
_Tensor = torch.Tensor
_quiet = torch._C.DisableTorchFunction


class ActiveModes(threading.local):
    """The modes of the traces that run in this thread, outermost first."""

    modes: tuple[RecordingMode, ...] = ()


active = ActiveModes()


def _pass_on(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


_identity = Role(_pass_on, OPERATION, "identity", "identity", "identity")


def wrapped_call(original: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the wrapper for `Module._call_impl`, which every way of calling a module ends in."""

    def _call_impl(self: torch.nn.Module, /, *args: Any, **kwargs: Any) -> Any:
        modes = active.modes
        if not modes or "_orig_mod" in self._modules:  # a compiled module: the one inside is recorded
            return original(self, *args, **kwargs)
        if len(modes) > 1:
            return _layered(modes, original)(self, *args, **kwargs)
        mode = modes[-1]  # pyright: ignore[reportGeneralTypeIssues] - not empty, as tested above
        # `_enter` and the usual way out are written out here: this runs at every module call.
        recorder = mode.recorder
        outside = mode.module_calls
        owners = recorder.memory.owners
        rows = recorder.rows
        inputs: list[int] = []
        number = recorder.next_module_call()
        first = len(rows)
        row: list[Any] = [number, self, outside[-1] if outside else None, len(outside), inputs, [],
               getattr(self, "training", False), first, perf_counter_ns(), 0, 0]  # fmt: skip
        for value in (*args, *kwargs.values()) if kwargs else args:
            if type(value) is _Tensor and (owner := owners.get(id(value))) is not None and owner[0]() is value:
                inputs.append(owner[1])
            elif value is not None:
                _note_inputs(recorder, inputs, value)
        recorder.module_rows[number] = row
        mode.module_calls = (*outside, number)
        places = mode.places
        places.append(None)
        try:
            result = original(self, *args, **kwargs)
            if (
                type(result) is _Tensor
                and (owner := owners.get(id(result))) is not None
                and owner[1] >= first
                and owner[0]() is result
                and not recorder.memory.logs
                and recorder.keeps_outputs_of is None
            ):  # what nearly every module does: returns one tensor that it made, and nothing was written anywhere
                row[_OUTPUTS].append(owner[1])
            else:
                with _quiet():
                    _leave(mode, row, self, args, kwargs, result)
            return result
        except BaseException as error:
            note_failed_module(recorder, error, mode.module_calls)
            raise
        finally:
            row[_END] = perf_counter_ns()
            row[_LAST] = len(rows)
            mode.module_calls = outside
            places.pop()

    _call_impl.__wrapped__ = original  # pyright: ignore[reportFunctionMemberAccess]
    wrapper_code[0] = _call_impl.__code__
    return _call_impl


def _layered(modes: tuple[RecordingMode, ...], original: Callable[..., Any]) -> Callable[..., Any]:
    # Traces within traces: each notes the module, the innermost first.
    call = original
    for mode in modes:
        call = _one_layer(mode, call)
    return call


def _one_layer(mode: RecordingMode, inner: Callable[..., Any]) -> Callable[..., Any]:
    def call(module: torch.nn.Module, /, *args: Any, **kwargs: Any) -> Any:
        row = _enter(mode, module, args, kwargs)
        outside = mode.module_calls
        mode.module_calls = (*outside, row[0])
        mode.places.append(None)
        try:
            result = inner(module, *args, **kwargs)
            with _quiet():
                _leave(mode, row, module, args, kwargs, result)
            return result
        except BaseException as error:
            note_failed_module(mode.recorder, error, mode.module_calls)
            raise
        finally:
            row[_END] = perf_counter_ns()
            row[_LAST] = len(mode.recorder.rows)
            mode.module_calls = outside
            mode.places.pop()

    return call


def _enter(mode: RecordingMode, module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    recorder = mode.recorder
    outside = mode.module_calls
    owners = recorder.memory.owners
    inputs: list[int] = []
    number = recorder.next_module_call()
    row = [number, module, outside[-1] if outside else None, len(outside), inputs, [],
           getattr(module, "training", False), len(recorder.rows), perf_counter_ns(), 0, 0]  # fmt: skip
    for value in (*args, *kwargs.values()) if kwargs else args:
        if type(value) is _Tensor:
            owner = owners.get(id(value))
            if owner is not None and owner.reference() is value:
                inputs.append(owner.operation)
        elif value is not None:
            _note_inputs(recorder, inputs, value)
    recorder.module_rows[number] = row
    return row


def _note_inputs(recorder: Any, inputs: list[int], value: Any) -> None:
    with _quiet():
        for tensor in plain_leaves(value):
            owner = recorder.memory.find(tensor)
            if owner is not None and owner.operation >= 0:
                inputs.append(owner.operation)


def _leave(mode: RecordingMode, row: list[Any], module: torch.nn.Module, args: Any, kwargs: Any, result: Any) -> None:
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
    if unseen and row[_INPUTS]:
        _note_opaque(mode, module, args, kwargs, unseen)
    seen = [(leaf, recorder.reference(leaf)) for leaf in leaves]
    made_inside = any(_is_inside(row, _owner(reference).operation) for _, reference in seen)
    for leaf, reference in seen:
        is_written_through_a_view = isinstance(reference, Seen) and bool(reference.overlays)
        if not made_inside or is_written_through_a_view:
            mode.record_identity(_identity, leaf, sys._getframe(3))
        owner = memory.find(leaf)
        if owner is not None and owner.operation >= 0:
            row[_OUTPUTS].append(owner.operation)
            _keep_if_chosen(recorder, row, owner.operation, leaf)


def _is_inside(row: list[Any], operation: int) -> bool:
    return operation >= row[_FIRST]


def _owner(reference: Owner | Seen) -> Owner:
    return reference.owner if isinstance(reference, Seen) else reference


def _held_by(module: torch.nn.Module, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    if not tensors:
        return []
    held = {id(value) for value in module.__dict__.values() if isinstance(value, _Tensor)}
    return [tensor for tensor in tensors if id(tensor) in held]


def _note_opaque(mode: RecordingMode, module: torch.nn.Module, args: Any, kwargs: Any, unseen: list[Any]) -> None:
    role = Role(module, OPERATION, type(module).__name__, type(module).__qualname__, "module")
    mode.record_opaque(role, module, args, kwargs, unseen, sys._getframe(4))


def _keep_if_chosen(recorder: Any, row: list[Any], operation: int, tensor: torch.Tensor) -> None:
    chosen = recorder.keeps_outputs_of
    if chosen is not None and not chosen.isdisjoint(recorder.state.addresses_of(row[_MODULE])):
        recorder.keep_output(operation, tensor, recorder.memory.storage_key(tensor))
