"""How is every torch function seen?

The paper wraps each torch function in a logging decorator for the length of one forward pass.  Here that decorator is
installed through PyTorch's own protocol, `TorchFunctionMode`: it also sees functions that the model captured long
before (closures, partials, defaults), `torch.ops`, custom operators and the bodies of autograd functions, and it is
gone by itself when the pass ends.

One `RecordingMode` belongs to one thread of one trace.  Its handler runs with the mode itself switched off, so what it
does is not recorded.  This file is the hot path: about ten microseconds an operation are all there is.
"""

from __future__ import annotations

import sys
import weakref
from time import perf_counter_ns
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from lens_trace._adopting import ATOMS
from lens_trace._call_notes import current_modes, default_device
from lens_trace._functions import known_roles, role_of
from lens_trace._general_way import GeneralWay
from lens_trace._notes import note_failed_call
from lens_trace._recorder import Recorder
from lens_trace._role import METADATA
from lens_trace._rows import HERE, Held, ModuleRow, Owner, Row, TrackedRow
from lens_trace._sites import COMPOSITES, INSIDE, OUTSIDE, border_code, known_files
from lens_trace._specs import grad_type_of

_Tensor = torch.Tensor
_Parameter = torch.nn.Parameter
_storage_of = torch._C.TensorBase.untyped_storage
_is_grad_enabled = torch.is_grad_enabled
_is_inference = torch.is_inference_mode_enabled
_is_autocast = torch._C._is_any_autocast_enabled
_default_dtype = torch.get_default_dtype
_quiet = torch._C.DisableTorchFunction
_weak = weakref.ref
_frame = sys._getframe
_file_kind = known_files().get
_known_role = known_roles().get
_are_atoms = ATOMS.issuperset
_nothing: dict[str, Any] = {}


class RecordingMode(TorchFunctionMode, GeneralWay):
    """Records what one thread does."""

    def __init__(self, recorder: Recorder, thread: int, module: ModuleRow | None) -> None:
        super().__init__()
        self.recorder = recorder
        self.module = ModuleRow(None, -1, module, thread, None, ())
        self.is_nested = torch._C._len_torch_function_stack() > 0
        self.default_device = default_device() if self.is_nested and thread == 0 else None
        self.is_simple = not self.is_nested and recorder.sink is None and recorder.clock is perf_counter_ns
        self._through: tuple[Any, ...] = ()
        self._opening: list[Any] = []
        self._delegated: list[Any] = []
        self._rng = None
        self._modes = current_modes()
        memory = recorder.memory
        self._tables = (
            recorder, memory.owners, memory.first_owner, memory.logs, memory.storages, recorder.rows,
            recorder.state.parameter_of, recorder.next_operation,
        )  # fmt: skip
        self.call_tables = (
            recorder, memory.owners, memory.logs, recorder.rows, recorder.state.number_of, recorder.module_rows,
            recorder.next_module_call, recorder.keeps_outputs_of,
        )  # fmt: skip

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Sees one call.

        Written out here is what nearly every call is: a function that draws nothing, returns one tensor, and writes
        nothing or only what nobody else looks at.  It is the same as `_run` followed by `note_call`, in one piece,
        since calls between Python functions would cost as much again.
        """
        try:
            role = _known_role(func)
        except TypeError:
            role = None
        if role is None:
            with _quiet():
                role = role_of(func)
        target = None
        if types or not (role.is_simple and self.is_simple) or (kwargs and "out" in kwargs):
            if role.kind == METADATA:
                return func(*args, **kwargs) if kwargs else func(*args)
            if types or not self.is_simple or not args:
                return self._tell_apart(role, func, types, args, kwargs or _nothing)
            if role.is_inplace and self._is_alone(args[0]):
                target = args[0]
            elif (
                role.quiet_at is None
                or len(args) <= role.quiet_at
                or args[role.quiet_at] is not False
                or (kwargs and "out" in kwargs)
            ):
                return self._tell_apart(role, func, types, args, kwargs or _nothing)
        recorder, owners, first_owner, logs, storages, rows, parameter_of, next_operation = self._tables
        held: list[Any] = []
        make = Row
        for value in args:
            kind = type(value)
            if kind is _Tensor:
                owner = owners.get(id(value))
                if (
                    owner is None
                    or owner.reference() is not value
                    or owner.is_stray
                    or (logs and owner.storage in logs)
                    or recorder.has_escaped
                ):
                    owner = recorder.reference(value)
                held.append(owner)
            elif kind is _Parameter:
                owner = owners.get(id(value))
                if logs or recorder.has_escaped:
                    held.append(recorder.reference(value))
                elif owner is None and id(value) in parameter_of:
                    held.append(value)  # as it was before the pass, which the parameter itself stands for
                elif owner is None or type(owner.reference) is not Held or owner.reference.tensor is not value:  # pyright: ignore[reportFunctionMemberAccess] - it is a Held
                    held.append(recorder.reference(value))
                else:
                    held.append(owner)
            elif kind in ATOMS or (kind is tuple and _are_atoms(map(type, value))):
                held.append(value)
            else:
                make = TrackedRow
                held.append(recorder.template(value))
        named = None
        try:
            if kwargs:
                make = TrackedRow
                named = {key: recorder.template(value) for key, value in kwargs.items()}
                start = perf_counter_ns()
                result = func(*args, **kwargs)
                elapsed = perf_counter_ns() - start
            else:
                start = perf_counter_ns()
                result = func(*args)
                elapsed = perf_counter_ns() - start
        except BaseException as error:
            note_failed_call(recorder, error, role, args, kwargs or _nothing, self.module)
            raise
        frame = _frame(1)
        if type(result) is not _Tensor or (target is not None and result is not target):
            writes = () if target is None else [((0,), target)]
            self.note_call(role, func, args, kwargs or _nothing, tuple(held), named, writes, result, elapsed, frame)
            return result
        try:
            storage, shape = _storage_of(result), result.shape
        except (RuntimeError, NotImplementedError):  # sparse; nested tensors have no shape
            self.note_call(role, func, args, kwargs or _nothing, tuple(held), named, (), result, elapsed, frame)
            return result
        memory = _weak(storage)
        key = id(memory)
        module = self.module
        code = frame.f_code
        kind = _file_kind(code.co_filename)
        through: tuple[Any, ...] = self._through
        user: Any = HERE
        if kind != OUTSIDE:  # as `_origin` finds, where it has one or two steps to go
            near: Any = frame
            user = None
            if kind == COMPOSITES and not through and type(frame.f_globals) is dict:
                through = (code,)
                near = frame.f_back
                kind = _file_kind(near.f_code.co_filename)
                if kind == OUTSIDE:
                    user = (near.f_code, near.f_lasti)
            if kind == INSIDE and module.user is not None:  # in one of torch's own modules
                outer = near.f_back
                if outer.f_code is not border_code[0] and _file_kind(outer.f_code.co_filename) == INSIDE:
                    outer = outer.f_back
                if outer.f_code is border_code[0]:
                    user = module.user
            if user is None:
                through, user = self._origin(frame)
        modes = self._modes
        if (
            _is_grad_enabled() is not modes[0]
            or _default_dtype() is not modes[3]
            or _is_inference() is not modes[1]
            or modes[2]
            or _is_autocast()
        ):
            modes = self._modes = current_modes()
        requires_grad = result.requires_grad
        operation = next_operation()
        row = make(
            _weak(result), operation, key, role, held, named, module, through, modes, elapsed, code, frame.f_lasti,
            user, shape, result.dtype, result.device, requires_grad, grad_type_of(result) if requires_grad else None,
        )  # fmt: skip
        rows.append(row)
        epoch = 0
        if key not in first_owner:
            storages[key] = memory
            first_owner[key] = row
            if recorder.keeps_all:
                recorder.memory.tell_apart(storage)
        elif target is not None:  # what it held before is nowhere to be seen any more
            epoch = recorder.rewrite(row, target, key)
        else:  # a view, or an argument handed on: that is still the same parameter or buffer
            if logs and key in logs:
                row.seen = len(logs[key])
            epoch = recorder.memory.epoch(key)
            previous = owners.get(id(result))
            if previous is not None and previous.reference() is result:
                row.reference, row.parameter, row.buffer = previous.reference, previous.parameter, previous.buffer
        owners[id(result)] = row
        if recorder.keeps_nothing:
            return result
        if recorder.keeps_all:
            recorder.saver.save_new(operation, result, key, epoch)
        elif recorder.keeps_ids is not None or recorder.asks_record:
            recorder.consider(row, result, key)
            if recorder.is_done:
                self.stop()
        return result

    def _is_alone(self, value: Any) -> bool:
        """Tells whether a write changes one value and no other; if so, what is kept of that one is protected here."""
        recorder = self.recorder
        owner = recorder.memory.owners.get(id(value))
        if owner is None or type(owner) is Owner or not recorder.has_alone(value, owner):
            return False
        if recorder.saver.payloads:
            recorder.saver.before_write(owner.storage)  # pyright: ignore[reportArgumentType] - it has one
        return True
