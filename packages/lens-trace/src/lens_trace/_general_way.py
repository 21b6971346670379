"""How is a call recorded that is not of the common kind?

Composites are opened, subclasses of tensors asked, values that leave the tensor world noted as reads; operations that
write, draw random numbers or return several tensors are run and noted step by step.  The common kind has its hot path
in `lens_trace._intercept`.
"""

from __future__ import annotations

from typing import Any

import torch

from lens_trace._attention import NAME as ATTENTION
from lens_trace._call_notes import copied_arguments
from lens_trace._function_names import KEEPS_PLACE_NAMES
from lens_trace._functions import role_of
from lens_trace._notes import note_failed_call
from lens_trace._openings import Openings
from lens_trace._recorder import Recorder
from lens_trace._rng import RngState, capture_state
from lens_trace._role import COMPOSITE, ESCAPE, OPERATION, PLAIN, READ, Role
from lens_trace._sites import calling_frame
from lens_trace._writes import versions_of, written_arguments

_Tensor = torch.Tensor
_TensorBase = torch._C.TensorBase
_Parameter = torch.nn.Parameter
_quiet = torch._C.DisableTorchFunction
_plain_types = ((), (_Tensor,), (_Parameter,), (_Tensor, _Parameter), (_Parameter, _Tensor))


class GeneralWay(Openings):
    """Records any call of one thread."""

    is_nested: bool
    """Whether the trace runs inside another one."""
    _rng: RngState | None
    """State of the generators when they were last asked."""

    def _tell_apart(self, role: Role, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        kind = role.kind
        if self.recorder.is_done:
            return self.after_stop(func, args, kwargs)
        if (
            types
            and types not in _plain_types
            and self._has_own_protocol(types)
            and not (self._delegated and self._delegated[-1] == func)
        ):
            return self._delegate(role, func, types, args, kwargs)
        if kind == OPERATION:
            return self._run(role, func, args, kwargs)
        if kind == COMPOSITE:
            if self._opening and self._opening[-1] == func:
                # Back through `super().method`: what was called is the method in C, not the Python one again.
                inner = getattr(_TensorBase, role.name, None) if role.family == "method" else None
                if inner is None:
                    return self._run(role, func, args, kwargs)
                return self._run(role_of(inner), inner, args, kwargs)
            return self._open(role, func, args, kwargs)
        if kind == READ:
            return self.read(role, func, args, kwargs)
        if kind == ESCAPE:
            return self.let_escape(role, func, args, kwargs)
        assert kind == PLAIN
        if role.name == "set_requires_grad":
            self.recorder.state.before_flag(args[0])
        elif role.name == "set_grad":
            self.recorder.state.before_backward()
        return func(*args, **kwargs)

    def _run(self, role: Role, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        recorder = self.recorder
        try:
            if self.is_nested:
                with _quiet():
                    before = self._before(recorder, role, args, kwargs)
            else:
                before = self._before(recorder, role, args, kwargs)
            shown_args, shown_kwargs = args, kwargs
            if recorder.sink is not None and before[2]:
                shown_args, shown_kwargs = copied_arguments(args, kwargs, before[2])
            versions = versions_of(before[2]) if role.write_rule == "watched" else None
            clock = recorder.clock
            start = clock()
            result = func(*args, **kwargs) if kwargs else func(*args)
            elapsed = clock() - start
        except BaseException as error:
            note_failed_call(recorder, error, role, args, kwargs, self.module)
            raise
        held, named, writes, state = before
        if versions is not None:
            pairs = zip(writes, versions, versions_of(writes), strict=True)
            writes = [write for write, old, now in pairs if now is None or old != now]
        frame = calling_frame()
        if self.is_nested:
            with _quiet():
                self.note_call(role, func, shown_args, shown_kwargs, held, named, writes, result, elapsed, frame, state)
        else:
            self.note_call(role, func, shown_args, shown_kwargs, held, named, writes, result, elapsed, frame, state)
        return result

    def _before(self, recorder: Recorder, role: Role, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        template = recorder.template
        held = tuple([template(a) for a in args])
        named = {key: template(a) for key, a in kwargs.items()} if kwargs else None
        state = None
        if role.is_random:
            is_attention = role.name == ATTENTION
            state = self._rng = capture_state(kwargs.get("generator"), self._rng, chooses_attention=is_attention)
        writes: Any = ()
        if role.write_rule != "none" or "out" in kwargs:
            writes = written_arguments(role, args, kwargs)
            recorder.before_writes(writes, role.name.startswith("resize"))
        elif role.name in ("set_data", "set_") and args:
            recorder.state.before_write(args[0], recorder.memory.storage_key(args[0]))
            recorder.saver.before_move(args[0])
        elif role.name == "requires_grad_" and args:
            recorder.state.before_flag(args[0])
        elif role.moves_object and args and role.name not in KEEPS_PLACE_NAMES:
            recorder.state.before_move(args[0])
            recorder.saver.before_move(args[0])
        return held, named, writes, state

    def run_foreign(self, role: Role, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs and records a function that makes a tensor of memory that others can write."""
        with _quiet():
            for value in args:
                if isinstance(value, _Tensor):  # `torch.from_dlpack` takes the tensor itself: both see each write
                    self.recorder.reference(value)
                    self.recorder.escape(value)

        def watched(*args: Any, **kwargs: Any) -> Any:  # an object may hand on the memory of a tensor that it has
            torch._C._push_on_torch_function_stack(self)
            try:
                return function(*args, **kwargs)
            finally:
                torch._C._pop_torch_function_stack()

        result = self._run(role, function if self.is_nested else watched, args, kwargs)
        with _quiet():
            if isinstance(result, _Tensor):
                self.recorder.escape(result)
        return result

    def run_outside_protocol(self, role: Role, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs and records a function that PyTorch does not dispatch."""
        return self._run(role, function, args, kwargs)
