"""Which module does an operation run in, and what does each module return?

For the length of a trace `torch.nn.Module.__call__` is wrapped (once for the process, however many traces run; taken
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
from lens_trace._functions import OPERATION, Role
from lens_trace._intercept import RecordingMode
from lens_trace._leaves import plain_leaves
from lens_trace._notes import note_failed_module
from lens_trace._recorder import ModuleRow

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
    """Returns the wrapper for `Module.__call__`."""

    def __call__(self: torch.nn.Module, /, *args: Any, **kwargs: Any) -> Any:
        modes = active.modes
        if not modes or getattr(self, "_orig_mod", None) is not None:  # a compiled module: the one inside is recorded
            return original(self, *args, **kwargs)
        if len(modes) == 1:
            return _recorded(modes[0], original, self, args, kwargs)
        call: Callable[..., Any] = original
        for mode in modes:
            call = _layer(mode, call)
        return call(self, *args, **kwargs)

    __call__.__name__ = original.__name__
    __call__.__qualname__ = original.__qualname__
    __call__.__wrapped__ = original  # pyright: ignore[reportFunctionMemberAccess]
    return __call__


def _layer(mode: RecordingMode, call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args, **kwargs: _recorded(mode, call, self, args, kwargs)


def _recorded(mode: RecordingMode, original: Callable[..., Any], module: torch.nn.Module, args: Any, kwargs: Any) -> Any:
    recorder = mode.recorder
    outside = mode.module_calls
    row = ModuleRow(recorder.next_module_call(), module, outside[-1] if outside else None, len(outside), 0)
    row.first = row.last = len(recorder.rows)
    owners = recorder.memory.owners
    for value in (*args, *kwargs.values()) if kwargs else args:
        if type(value) is _Tensor:
            owner = owners.get(id(value))
            if owner is not None and owner.reference() is value:
                row.inputs.append(owner.operation)
        elif value is not None:
            _note_inputs(recorder, row, value)
    recorder.module_rows[row.id] = row
    mode.module_calls = (*outside, row.id)
    row.start = perf_counter_ns()
    try:
        result = original(module, *args, **kwargs)
        with _quiet():
            _leave(mode, row, module, args, kwargs, result)
        return result
    except BaseException as error:
        note_failed_module(recorder, error, mode.module_calls)
        raise
    finally:
        row.end = perf_counter_ns()
        row.last = len(recorder.rows)
        mode.module_calls = outside


def _note_inputs(recorder: Any, row: ModuleRow, value: Any) -> None:
    with _quiet():
        for tensor in plain_leaves(value):
            owner = recorder.memory.find(tensor)
            if owner is not None and owner.operation >= 0:
                row.inputs.append(owner.operation)


def _leave(mode: RecordingMode, row: ModuleRow, module: torch.nn.Module, args: Any, kwargs: Any, result: Any) -> None:
    recorder = mode.recorder
    memory = recorder.memory
    if type(result) is _Tensor:
        owner = memory.owners.get(id(result))
        if (
            owner is not None
            and owner.reference() is result
            and owner.operation >= 0
            and not memory.logs
            and _is_inside(row, owner.operation)
        ):
            row.outputs.append(owner.operation)
            _keep_if_chosen(recorder, row, owner.operation, result)
            return
        leaves = [result]
    else:
        leaves = list(plain_leaves(result))
    if not leaves:
        return
    leaves = list({id(leaf): leaf for leaf in leaves}.values())
    unseen = [leaf for leaf in leaves if memory.find(leaf) is None and id(leaf) not in recorder.state.by_id]
    for leaf in _held_by(module, unseen):
        recorder.adopt(leaf)
    unseen = [leaf for leaf in unseen if memory.find(leaf) is None]
    if unseen and row.inputs:
        _note_opaque(mode, module, args, kwargs, unseen)
    seen = [(leaf, recorder.reference(leaf)) for leaf in leaves]
    made_inside = any(_is_inside(row, _owner(reference).operation) for _, reference in seen)
    for leaf, reference in seen:
        is_written_through_a_view = isinstance(reference, Seen) and bool(reference.overlays)
        if not made_inside or is_written_through_a_view:
            mode.record_identity(_identity, leaf, sys._getframe(3))
        owner = memory.find(leaf)
        if owner is not None and owner.operation >= 0:
            row.outputs.append(owner.operation)
            _keep_if_chosen(recorder, row, owner.operation, leaf)


def _is_inside(row: ModuleRow, operation: int) -> bool:
    return operation >= row.first


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


def _keep_if_chosen(recorder: Any, row: ModuleRow, operation: int, tensor: torch.Tensor) -> None:
    chosen = recorder.keeps_outputs_of
    if chosen is not None and not chosen.isdisjoint(recorder.state.addresses.get(id(row.module), ())):
        recorder.keep_output(operation, tensor, recorder.memory.storage_key(tensor))
