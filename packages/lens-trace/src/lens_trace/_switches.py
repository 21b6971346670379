"""Which process-wide switches does a trace turn, and who turns them back?

The mode itself belongs to one thread.  A few things do not: `Module._call_impl` and the functions that PyTorch does not
dispatch are wrapped, composites are entered without a round trip, the fused attention path is switched off, compiled
code runs eagerly, threads that the model starts are given a mode, the garbage collector pauses, the recursion limit
grows.  Two traces at once must not restore each other's work, so all of this is counted under one lock: turned on by
the first trace, off by the last.
"""

from __future__ import annotations

import concurrent.futures
import functools
import gc
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import torch

from lens_trace._backward_memory import lift_for_transforms, tell_of_backward
from lens_trace._composites import enter_composites
from lens_trace._intercept import RecordingMode
from lens_trace._kernels import kernels
from lens_trace._modules import active, enter_calls
from lens_trace._replacing import Wanted, replace
from lens_trace._undispatched import undispatched
from lens_trace._undoing import Undoing, surely

_lock = threading.RLock()
_RECURSION_FACTOR = 4
_is_eager = [False]

Step = Callable[[Undoing], None]


class _Counted:
    """Switches that are turned by the first who needs them and turned back by the last."""

    def __init__(self, *steps: Step) -> None:
        self._steps = steps
        self._users: set[object] = set()
        self._is_turned = False
        self._undoing = Undoing()

    def turn(self, undoing: Undoing) -> None:
        """Turns them until whoever asked settles."""
        user = object()
        undoing.note(lambda: self._leave(user))
        with _lock:
            self._users.add(user)
            if not self._is_turned:
                self._undoing.settle()  # of one who was interrupted on the way
                for step in self._steps:
                    step(self._undoing)
                self._is_turned = True

    def add(self, step: Step) -> None:
        """Turns one more of them, if the others are turned now."""
        if self._is_turned:
            step(self._undoing)

    def forget(self) -> None:
        """Turns everything back, whoever needs it."""
        self._users.clear()
        self._turn_back()

    def _leave(self, user: object) -> None:
        with _lock:
            self._users.discard(user)
            if not self._users:
                self._turn_back()

    def _turn_back(self) -> None:
        self._is_turned = False
        self._undoing.settle()


def turn_recording_switches(undoing: Undoing) -> None:
    """Turns every switch."""
    _results.turn(undoing)
    _watching.turn(undoing)


def pause_collector(undoing: Undoing) -> None:
    """Pauses the garbage collector: the rows of a pass are many, and none of them is garbage."""
    _collector.turn(undoing)


def turn_plain_switches(undoing: Undoing) -> None:
    """Turns what changes results (the fused attention path, compiled code), for a forward to compare with.

    A backward within the forward is seen too, so that gradients can be put back.
    """
    _results.turn(undoing)


def _switch_fastpath_off(undoing: Undoing) -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    undoing.note(lambda: torch.backends.mha.set_fastpath_enabled(before))
    torch.backends.mha.set_fastpath_enabled(False)


def _force_eager(undoing: Undoing) -> None:
    if "torch._dynamo" not in sys.modules:  # importing it costs seconds; nothing is compiled without it
        return
    frames: Any = sys.modules.get("torch._dynamo.eval_frame")
    stance = getattr(torch.compiler, "set_stance", None)
    if stance is None or frames is None:
        return
    before = frames._stance  # what is put back has no public name

    def undo() -> None:
        frames._set_stance(before)
        _is_eager[0] = False

    undoing.note(undo)
    stance("force_eager")
    _is_eager[0] = True


def _wrap_compile(original: Callable[..., Any]) -> Callable[..., Any]:
    # `torch.cond`, `while_loop` and flex attention compile themselves, and may be the first that do.
    @functools.wraps(original)
    def compile(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        with _lock:
            if not _is_eager[0]:
                _results.add(_force_eager)
        return result

    return compile


def _enter_composites(undoing: Undoing) -> None:
    enter_composites(undoing, RecordingMode)


def _watch_any_pass(undoing: Undoing) -> None:
    replace(undoing, _IN_ANY_PASS)


def _watch_functions(undoing: Undoing) -> None:
    replace(undoing, (*undispatched(), *kernels(), *_STARTS_THREADS, *_LIFTS_HOOKS))


def _raise_recursion_limit(undoing: Undoing) -> None:
    before = sys.getrecursionlimit()

    def undo() -> None:
        if sys.getrecursionlimit() == before * _RECURSION_FACTOR:  # else the model has set its own
            sys.setrecursionlimit(before)

    undoing.note(undo)
    sys.setrecursionlimit(before * _RECURSION_FACTOR)


def _pause_collector(undoing: Undoing) -> None:
    if gc.isenabled():
        undoing.note(gc.enable)
        gc.disable()


# -- threads that the model starts ------------------------------------------------------------------------------


def attach(undoing: Undoing, modes: tuple[RecordingMode, ...]) -> None:
    """Makes modes the active ones of this thread, pushed in order."""
    before, depth = active.modes, torch._C._len_torch_function_stack()

    def undo() -> None:
        while torch._C._len_torch_function_stack() > depth:
            torch._C._pop_torch_function_stack()
        active.modes = before

    undoing.note(undo)
    active.modes = (*before, *modes)
    for mode in modes:
        torch._C._push_on_torch_function_stack(mode)


def _attached(modes: tuple[RecordingMode, ...], function: Callable[[], Any]) -> Any:
    def body(undoing: Undoing) -> Any:
        attach(undoing, modes)
        return function()

    return surely(body)


def _modes_for_child() -> tuple[RecordingMode, ...]:
    return tuple(RecordingMode(mode.recorder, mode.recorder.next_thread(), mode.module) for mode in active.modes)


def _wrap_start(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        if active.modes:
            modes, run = _modes_for_child(), self.run

            def recorded_run() -> None:
                self.__dict__.pop("run", None)
                if all(mode.recorder.is_running for mode in modes):
                    _attached(modes, run)
                else:
                    run()

            self.run = recorded_run  # pyright: ignore[reportAttributeAccessIssue]
        original(self)

    return start


def _wrap_submit(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if not active.modes:
            return original(self, fn, *args, **kwargs)
        modes = _modes_for_child()

        def recorded(*inner_args: Any, **inner_kwargs: Any) -> Any:
            if active.modes or not all(mode.recorder.is_running for mode in modes):
                return fn(*inner_args, **inner_kwargs)
            return _attached(modes, functools.partial(fn, *inner_args, **inner_kwargs))

        return original(self, recorded, *args, **kwargs)

    return submit


def _forget_in_child() -> None:
    # A forked worker inherits the switches but not the traces: it works plainly.  The lock may have been somebody's.
    global _lock
    _lock = threading.RLock()
    active.modes = ()
    while torch._C._len_torch_function_stack():
        torch._C._pop_torch_function_stack()
    _collector.forget()
    _watching.forget()
    _results.forget()


_LIFTS_HOOKS: tuple[Wanted, ...] = ((torch.autograd.graph, "disable_saved_tensors_hooks", lift_for_transforms),)
_IN_ANY_PASS: tuple[Wanted, ...] = (
    (torch, "compile", _wrap_compile),
    (torch.autograd.graph, "_engine_run_backward", tell_of_backward),
)
_STARTS_THREADS: tuple[Wanted, ...] = (
    (threading.Thread, "start", _wrap_start),
    (concurrent.futures.ThreadPoolExecutor, "submit", _wrap_submit),
)
_results = _Counted(_switch_fastpath_off, _force_eager, _watch_any_pass)
_watching = _Counted(
    _enter_composites, enter_calls, _watch_functions, _raise_recursion_limit,
)  # fmt: skip

_collector = _Counted(_pause_collector)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
