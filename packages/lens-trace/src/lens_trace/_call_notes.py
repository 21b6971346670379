"""How is a call written down?

The general way: any number of results in containers, writes beside the result, results that are arguments.  The hot
path in `lens_trace._intercept` is this same account for a function that returns one fresh tensor and writes nothing.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

import torch

from lens_trace._aliases import Owner, is_functorch_wrapped
from lens_trace._errors import StopTrace
from lens_trace._notes import note_failed_call
from lens_trace._recorder import Call, ReadRow, Recorder, Row
from lens_trace._rng import RngState
from lens_trace._role import Role
from lens_trace._sites import Place, user_place
from lens_trace._specs import grad_type_of, spec_of

_Tensor = torch.Tensor
_storage_of = torch._C.TensorBase.untyped_storage
_scalars = (bool, int, float, complex, list)
_nothing: dict[str, Any] = {}
_quiet = torch._C.DisableTorchFunction


class CallNotes:
    """Writes the calls of one thread into its recorder."""

    recorder: Recorder
    thread: int
    module_calls: tuple[int, ...]
    _through: tuple[str, ...]

    def _origin(self, frame: Any) -> tuple[tuple[Any, ...], Place | None]:
        raise NotImplementedError

    def note_call(self, role: Role, func: Any, args: Any, kwargs: Any, held: tuple[Any, ...], named: Any, writes: Any,
                result: Any, elapsed: int, frame: Any, state: RngState | None = None) -> None:  # fmt: skip
        """Notes every tensor that a call returned or wrote."""
        recorder = self.recorder
        if type(result) is _Tensor and not writes:
            leaves = None
        else:
            leaves, writes, result = _targets(role, args, result, writes)
            if not leaves:
                if isinstance(result, _scalars) and result is not NotImplemented and not isinstance(result, str):
                    self.note_read(role, held, named, result, frame)
                return
        first = recorder.next_operation()
        if state is not None:
            recorder.rng_states[first] = state
        is_inplace = False
        beside: tuple[Any, ...] = ()
        if leaves is not None:
            beside, is_inplace = _beside(role, args, leaves, writes)
        through, user = self._origin(frame)
        call = Call(
            first, role, held, named, self.module_calls, through,
            current_modes(),
            elapsed, (frame.f_code, frame.f_lasti), user, self.thread, is_inplace,
            tuple([(path, spec) for path, _, spec in beside]),
        )  # fmt: skip
        if leaves is None:
            self._own(first, call, None, (), result, recorder)
            if recorder.sink is not None:
                recorder.sink_call(call, args, kwargs, [((), result)])
            if recorder.is_done:
                raise StopTrace
            return
        written = {id(tensor) for _, tensor in writes}
        single = len(leaves) == 1 and leaves[0][0] == ()
        for index, (path, tensor) in enumerate(leaves):
            operation = recorder.next_operation() if index else first
            self._own(operation, call, None if single else index, path, tensor, recorder, id(tensor) in written)
        for index, (_, tensor, _spec) in enumerate(beside):
            recorder.log_write(tensor, first, index)
            if recorder.keeps_all or (recorder.keeps_ids is not None and first in recorder.keeps_ids):
                key = recorder.memory.storage_key(tensor)
                recorder.saver.save_state((first, index), tensor, key, recorder.memory.log_length(key))
        if recorder.sink is not None:
            recorder.sink_call(call, args, kwargs, leaves)
        if recorder.is_done:
            raise StopTrace

    def _own(self, operation: int, call: Call, index: int | None, path: tuple[int | str, ...], tensor: torch.Tensor,
             recorder: Recorder, is_written: bool = False) -> None:  # fmt: skip
        """Notes one returned tensor."""
        memory = recorder.memory
        requires_grad = tensor.requires_grad
        try:
            storage = _storage_of(tensor)
            key = storage._cdata
            if key not in memory.holds:
                memory.holds[key] = storage._weak_ref()  # pyright: ignore[reportArgumentType] - a pointer, as an int
            spec = (
                (tensor.shape, tensor.dtype, tensor.device, tensor.layout, key, requires_grad, None, False)
                if type(tensor) is _Tensor
                else spec_of(tensor, key)
            )
        except (RuntimeError, NotImplementedError):
            key = memory.storage_key(tensor)
            spec = (*spec_of(tensor, key)[:7], is_functorch_wrapped(tensor))
        row = Row(operation, "call", call, index, path, spec,
                  grad_type_of(tensor) if requires_grad else None, None, None, None)  # fmt: skip
        recorder.rows.append(row)
        if is_written:
            recorder.log_write(tensor, operation, None)
        else:
            log = memory.logs.get(key) if memory.logs else None  # pyright: ignore[reportArgumentType]
            previous = memory.owners.get(id(tensor))
            seen = 0 if log is None else len(log)
            if previous is not None and previous.reference() is tensor:  # handed on: still the same parameter or buffer
                owner = Owner(previous.reference, operation, None, key, seen, previous.parameter, previous.buffer)
            else:
                owner = Owner(weakref.ref(tensor), operation, None, key, seen)
            memory.owners[id(tensor)] = owner
            if key is not None and key not in memory.first_owner:
                memory.first_owner[key] = owner
        if recorder.keeps_all:
            if not spec[7]:
                recorder.saver.save(operation, tensor, key, memory.log_length(key))
        elif recorder.keeps_ids is not None or recorder.asks_record:
            recorder.consider(row, tensor, key)

    def record_identity(self, role: Role, tensor: torch.Tensor, frame: Any) -> None:
        """Notes that a module hands a tensor on; the tensor object belongs to that operation from now on."""
        held = (self.recorder.template(tensor),)
        self.note_call(role, role.function, (tensor,), _nothing, held, None, (), tensor, 0, frame)

    def record_opaque(self, role: Role, module: Any, args: Any, kwargs: Any, results: Any, frame: Any) -> None:
        """Notes a module as one operation: its input is known, what happened inside was not seen."""
        recorder = self.recorder
        held = tuple([recorder.template(a) for a in args])
        named = {key: recorder.template(a) for key, a in kwargs.items()} if kwargs else None
        result = results[0] if len(results) == 1 else results
        self.note_call(role, module, args, kwargs, held, named, (), result, 0, frame)

    def note_read(self, role: Role, held: Any, named: Any, value: Any, frame: Any) -> None:
        """Notes a value that left the tensor world."""
        self.recorder.reads.append(
            ReadRow(
                role,
                held,
                named,
                value,
                len(self.recorder.rows),
                self.module_calls,
                (frame.f_code, frame.f_lasti),
                user_place(frame),
            )
        )

    def read(self, role: Role, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a function that reads a value off tensors."""
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            note_failed_call(self.recorder, error, role, args, kwargs, self.module_calls)
            raise
        if isinstance(result, _Tensor):  # `torch.equal` of a subclass and the like
            return result
        with _quiet():
            held = tuple([self.recorder.template(a) for a in args])
            named = {key: self.recorder.template(a) for key, a in kwargs.items()} if kwargs else None
        self.note_read(role, held, named, result, sys._getframe(2))
        return result

    def let_escape(self, role: Role, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a function that hands out a raw handle on a tensor's memory."""
        recorder = self.recorder
        tensor = args[0] if args else kwargs.get("self")
        held = args
        if isinstance(tensor, _Tensor):
            with _quiet():
                held = (recorder.template(tensor), *args[1:])
                recorder.escape(tensor)
        result = func(*args, **kwargs)
        if isinstance(tensor, _Tensor):
            with _quiet():
                if role.name in ("numpy", "__array__"):
                    self.note_read(role, held, None, None, sys._getframe(2))
                elif type(result).__name__ == "PyCapsule" or result is tensor:  # `share_memory_` moves the memory
                    recorder.escape(tensor, result)
        return result


def current_modes() -> tuple[Any, ...]:
    """Returns grad mode, inference mode, autocast and default dtype of this thread."""
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        autocast_types() if torch._C._is_any_autocast_enabled() else (),
        torch.get_default_dtype(),
    )


def autocast_types() -> tuple[tuple[str, str], ...]:
    """Returns the device types with autocast on, each with its dtype."""
    found: list[tuple[str, str]] = []
    for device in ("cpu", "cuda", "mps", "xpu"):
        try:
            if torch.is_autocast_enabled(device):
                found.append((device, str(torch.get_autocast_dtype(device))[6:]))
        except RuntimeError:
            continue
    return tuple(found)


def _targets(role: Role, args: Any, result: Any, writes: Any) -> tuple[list[Any], Any, Any]:
    leaves: list[tuple[tuple[int | str, ...], torch.Tensor]] = []
    result_leaves(result, (), leaves)
    if not leaves and writes:  # `x[0] = 1` returns nothing: the written argument is the value
        first = writes[0][1]
        return [((), first)], writes, first
    if not leaves and role.name == "set_data":
        return [((), args[0])], writes, args[0]
    return leaves, writes, result


def _beside(role: Role, args: Any, leaves: list[Any], writes: Any) -> tuple[tuple[Any, ...], bool]:
    returned = {id(tensor) for _, tensor in leaves}
    written = {id(tensor) for _, tensor in writes}
    beside = tuple((path, tensor, spec_of(tensor, None)) for path, tensor in writes if id(tensor) not in returned)
    is_inplace = bool(returned & written) or (role.moves_object and bool(args) and id(args[0]) in returned)
    return beside, is_inplace


def result_leaves(value: Any, path: tuple[int | str, ...], found: list[Any]) -> None:
    """Appends path and tensor of every tensor in a result."""
    if isinstance(value, _Tensor):
        found.append((path, value))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            result_leaves(item, (*path, index), found)
    elif isinstance(value, dict):
        for key, item in value.items():
            result_leaves(item, (*path, key if isinstance(key, (str, int)) else str(key)), found)


def copied_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any], writes: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns arguments as they are before the call writes into them, for the sink."""
    copies = {id(tensor): tensor.detach().clone() for _, tensor in writes}

    def copy(value: Any) -> Any:
        if isinstance(value, _Tensor):
            return copies.get(id(value), value)
        if type(value) in (list, tuple):
            return type(value)([copy(item) for item in value])
        return value

    return tuple([copy(a) for a in args]), {key: copy(a) for key, a in kwargs.items()}
