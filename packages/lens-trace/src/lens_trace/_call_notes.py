"""How is a call written down?

The general way: any number of results in containers, writes beside the result, results that are arguments.  The hot
path in `lens_trace._intercept` is this same account for a function that returns one fresh tensor and writes nothing.
"""

from __future__ import annotations

import sys
import weakref
from copy import copy
from typing import Any, NoReturn

import torch

from lens_trace._errors import StopTrace
from lens_trace._notes import note_failed_call
from lens_trace._origin import Origins
from lens_trace._recorder import Recorder
from lens_trace._rng import RngState
from lens_trace._role import Role
from lens_trace._rows import ReadRow, TrackedRow, no_tensor
from lens_trace._sites import calling_frame
from lens_trace._specs import grad_type_of, spec_of
from lens_trace._storages import is_functorch_wrapped
from lens_trace._unseen import unseen

_Tensor = torch.Tensor
_storage_of = torch._C.TensorBase.untyped_storage
_scalars = (bool, int, float, complex, list)
_nothing: dict[str, Any] = {}
_quiet = torch._C.DisableTorchFunction
_any_dtype, _any_device = torch.float32, torch.device("cpu")


class CallNotes(Origins):
    """Writes the calls of one thread into its recorder."""

    recorder: Recorder
    is_simple: bool
    is_nested: bool
    """Whether other modes are below."""
    default_device: str | None
    """What `torch.set_default_device` or `with torch.device(...)` has set around the pass."""

    def stop(self) -> NoReturn:
        """Ends the pass; from now on no call takes the short way."""
        self.is_simple = False
        self.recorder.note_stop()
        raise StopTrace

    def after_stop(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs what a model does while the end of the pass goes through it, unrecorded (`finally`, leaving a `with`).

        A model that goes on because it catches everything is stopped again.
        """
        if isinstance(sys.exc_info()[1], StopTrace):
            return func(*args, **kwargs)
        raise StopTrace

    def note_call(self, role: Role, func: Any, args: Any, kwargs: Any, held: tuple[Any, ...], named: Any, writes: Any,
                result: Any, elapsed: int, frame: Any, state: RngState | None = None) -> None:  # fmt: skip
        """Notes every tensor that a call returned or wrote."""
        recorder = self.recorder
        if recorder.is_done:  # a module that returned all the same
            self.stop()
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
        modes = (*current_modes(), self.default_device) if self.is_nested else current_modes()
        row = TrackedRow(
            no_tensor, first, None, role, held, named, self.module, through, modes, elapsed, frame.f_code,
            frame.f_lasti, user, (), _any_dtype, _any_device, False, None, is_inplace=is_inplace,
            writes=tuple([(path, spec) for path, _, spec in beside]),
        )  # fmt: skip
        if leaves is None:
            self._own(row, result, recorder)
            if recorder.sink is not None:
                recorder.sink_call(args, kwargs, [((), result)])
            if recorder.is_done:
                self.stop()
            return
        written = {id(tensor) for _, tensor in writes}
        is_single = len(leaves) == 1 and leaves[0][0] == ()
        for index, (path, tensor) in enumerate(leaves):
            one = row
            if not is_single:
                one = copy(row)
                one.index, one.path, one.call = index, path, first
                if index:
                    one.operation = recorder.next_operation()
            self._own(one, tensor, recorder, id(tensor) in written)
        for index, (_, tensor, _spec) in enumerate(beside):
            recorder.log_write(tensor, first, index)
            if recorder.keeps_all or (recorder.keeps_ids is not None and first in recorder.keeps_ids):
                key = recorder.memory.storage_key(tensor)
                recorder.memory.own_rest()
                recorder.saver.save_state((first, index), tensor, key, recorder.memory.epoch(key))
        if recorder.sink is not None:
            recorder.sink_call(args, kwargs, leaves)
        if recorder.is_done:
            self.stop()

    def _own(self, row: TrackedRow, tensor: torch.Tensor, recorder: Recorder, is_written: bool = False) -> None:
        """Notes one returned tensor."""
        memory = recorder.memory
        try:
            storage = _storage_of(tensor)
            reference = weakref.ref(storage)
            key = id(reference)
            memory.storages[key] = reference
            is_dead = False
        except (RuntimeError, NotImplementedError):
            key = memory.storage_key(tensor)
            is_dead = is_functorch_wrapped(tensor)
        row.shape, row.dtype, row.device, row.layout, row.storage, row.requires_grad, row.nbytes, _ = spec_of(
            tensor, key
        )
        row.is_dead = is_dead
        if row.requires_grad:
            row.grad_type = grad_type_of(tensor)
        recorder.rows.append(row)
        if is_written:
            recorder.log_write(tensor, row.operation, None)
        else:
            row.seen = memory.log_length(key)
            previous = memory.owners.get(id(tensor))
            if previous is None and id(tensor) in recorder.state.parameter_of:  # it stood for itself till now
                previous = recorder.adopt(tensor)
            if previous is not None and previous.reference() is tensor:  # handed on: still the same parameter or buffer
                row.reference, row.parameter, row.buffer = previous.reference, previous.parameter, previous.buffer
            else:
                row.reference = weakref.ref(tensor)
            memory.own(tensor, row)
        if recorder.keeps_all:
            if not is_dead:
                memory.own_rest()
                recorder.saver.save(row.operation, tensor, key, memory.epoch(key))
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
        place = (frame.f_code, frame.f_lasti)
        user = self._origin(frame)[1]
        row = ReadRow(role, held, named, value, len(self.recorder.rows), self.module, place, user)
        self.recorder.reads.append(row)

    def read(self, role: Role, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a function that reads a value off tensors."""
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            note_failed_call(self.recorder, error, role, args, kwargs, self.module)
            raise
        if isinstance(result, _Tensor):  # `torch.equal` of a subclass and the like
            return result
        with _quiet():
            held = tuple([self.recorder.template(a) for a in args])
            named = {key: self.recorder.template(a) for key, a in kwargs.items()} if kwargs else None
        self.note_read(role, held, named, result, calling_frame())
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
                    self.note_read(role, held, None, None, calling_frame())
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


def default_device() -> str | None:
    """Returns the device that factories of this thread use by default, None for the CPU."""
    from torch.utils._device import DeviceContext  # asked only where there are modes

    for place in reversed(range(torch._C._len_torch_function_stack())):
        mode: Any = torch._C._get_function_stack_at(place)
        if isinstance(mode, DeviceContext):
            return None if mode.device.type == "cpu" else str(mode.device)
    return None


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


@unseen
def copied_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any], writes: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns arguments as they are before the call writes into them, for the sink."""
    copies = {id(tensor): tensor.detach().clone() for _, tensor in writes}
    return tuple([_replaced(a, copies) for a in args]), {key: _replaced(a, copies) for key, a in kwargs.items()}


def _replaced(value: Any, copies: dict[int, torch.Tensor]) -> Any:
    # Not nested in the other function: one that calls itself is a cycle, which holds the copies until the pass ends.
    if isinstance(value, _Tensor):
        return copies.get(id(value), value)
    if type(value) in (list, tuple):
        return type(value)([_replaced(item, copies) for item in value])
    return value
