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
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch

from lens_trace._backward_memory import lift_for_transforms
from lens_trace._composites import enter_composites
from lens_trace._intercept import RecordingMode
from lens_trace._modules import active, enter_calls
from lens_trace._replacing import made_once, replace, undo_all
from lens_trace._undispatched import wrap_scripted, wrap_undispatched

_lock = threading.RLock()
_RECURSION_FACTOR = 4
_ATTEMPTS = range(10)  # made beforehand: an interrupt may come at any call
_is_eager = [False]

Undo = Callable[[], None]


class _Counted:
    """Switches that are turned by the first who needs them and turned back by the last."""

    def __init__(self, *steps: Callable[[], Undo]) -> None:
        self._steps = steps
        self._count = 0
        self._undo: list[Undo] = []

    @contextmanager
    def turned(self) -> Generator[None, None, None]:
        """Turns them for the length of the body."""
        is_counted = False
        try:
            with _lock:
                if self._count == 0:
                    self._turn()
                self._count += 1
                is_counted = True  # no interrupt comes between the two, but one may as the lock is let go
            yield
        finally:
            if is_counted:
                self._leave()

    def add(self, step: Callable[[], Undo]) -> None:
        """Turns one more of them, if the others are turned now."""
        if self._count:
            self._undo.append(step())

    def forget(self) -> None:
        """Turns everything back, whoever needs it."""
        self._count = 0
        self._turn_back()

    def _turn(self) -> None:
        try:
            for step in self._steps:
                self._undo.append(step())
        except BaseException:
            self._turn_back()
            raise

    def _leave(self) -> None:
        # An interrupt may come in the middle of this: what was turned is turned back all the same, then it goes on.
        is_counted = False
        interrupted: BaseException | None = None
        for _ in _ATTEMPTS:
            try:
                with _lock:
                    if not is_counted:
                        is_counted = True
                        self._count -= 1
                    if self._count == 0:
                        self._turn_back()
                break
            except BaseException as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def _turn_back(self) -> None:
        while self._undo:  # each step may be undone twice
            self._undo[-1]()
            self._undo.pop()


@contextmanager
def recording_switches() -> Generator[None, None, None]:
    """Turns every switch for the length of the body."""
    with _results.turned(), _watching.turned():
        yield


@contextmanager
def plain_switches() -> Generator[None, None, None]:
    """Turns only what changes results (the fused attention path, compiled code), for a forward to compare with."""
    with _results.turned():
        yield


def _switch_fastpath_off() -> Callable[[], None]:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    return lambda: torch.backends.mha.set_fastpath_enabled(before)


def _force_eager() -> Callable[[], None]:
    if "torch._dynamo" not in sys.modules:  # importing it costs seconds; nothing is compiled without it
        return _do_nothing
    stance = getattr(torch.compiler, "set_stance", None)
    if stance is None:
        return _do_nothing
    setter = stance("force_eager")
    setter.__enter__()
    _is_eager[0] = True

    def undo() -> None:
        setter.__exit__(None, None, None)
        _is_eager[0] = False

    return undo


def _watch_compile() -> Callable[[], None]:
    # `torch.cond`, `while_loop` and flex attention compile themselves, and may be the first that do.
    return replace(torch, "compile", _wrap_compile).undo


@made_once
def _wrap_compile(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def compile(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        with _lock:
            if not _is_eager[0]:
                _results.add(_force_eager)
        return result

    return compile


def _do_nothing() -> None:
    return None


def _enter_composites() -> Callable[[], None]:
    return enter_composites(RecordingMode)


def _lift_hooks() -> Callable[[], None]:
    return replace(torch.autograd.graph, "disable_saved_tensors_hooks", lift_for_transforms).undo


def _wrap_threads() -> Callable[[], None]:
    undo = [
        replace(threading.Thread, "start", _wrap_start).undo,
        replace(concurrent.futures.ThreadPoolExecutor, "submit", _wrap_submit).undo,
    ]
    return lambda: undo_all(undo)


def _raise_recursion_limit() -> Callable[[], None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before * _RECURSION_FACTOR)

    def undo() -> None:
        if sys.getrecursionlimit() == before * _RECURSION_FACTOR:  # else the model has set its own
            sys.setrecursionlimit(before)

    return undo


def _pause_collector() -> Callable[[], None]:
    if not gc.isenabled():
        return _do_nothing
    gc.disable()
    return gc.enable


# -- threads that the model starts ------------------------------------------------------------------------------


@contextmanager
def attached(modes: tuple[RecordingMode, ...]) -> Generator[None, None, None]:
    """Makes modes the active ones of this thread, pushed in order."""
    before, depth = active.modes, torch._C._len_torch_function_stack()
    active.modes = (*before, *modes)
    try:
        for mode in modes:
            torch._C._push_on_torch_function_stack(mode)
        yield
    finally:
        interrupted: BaseException | None = None
        for _ in _ATTEMPTS:  # as above
            try:
                while torch._C._len_torch_function_stack() > depth:
                    torch._C._pop_torch_function_stack()
                active.modes = before
                break
            except BaseException as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted


def _modes_for_child() -> tuple[RecordingMode, ...]:
    return tuple(RecordingMode(mode.recorder, mode.recorder.next_thread(), mode.module) for mode in active.modes)


@made_once
def _wrap_start(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def start(self: threading.Thread) -> None:
        if active.modes:
            modes, run = _modes_for_child(), self.run

            def recorded_run() -> None:
                self.__dict__.pop("run", None)
                if all(mode.recorder.is_running for mode in modes):
                    with attached(modes):
                        run()
                else:
                    run()

            self.run = recorded_run  # pyright: ignore[reportAttributeAccessIssue]
        original(self)

    return start


@made_once
def _wrap_submit(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if not active.modes:
            return original(self, fn, *args, **kwargs)
        modes = _modes_for_child()

        def recorded(*inner_args: Any, **inner_kwargs: Any) -> Any:
            if active.modes or not all(mode.recorder.is_running for mode in modes):
                return fn(*inner_args, **inner_kwargs)
            with attached(modes):
                return fn(*inner_args, **inner_kwargs)

        return original(self, recorded, *args, **kwargs)

    return submit


def _forget_in_child() -> None:
    # A forked worker inherits the switches but not the traces: it works plainly.  The lock may have been somebody's.
    global _lock
    _lock = threading.RLock()
    active.modes = ()
    while torch._C._len_torch_function_stack():
        torch._C._pop_torch_function_stack()
    _watching.forget()
    _results.forget()


_results = _Counted(_switch_fastpath_off, _force_eager, _watch_compile)
_watching = _Counted(
    _enter_composites, enter_calls, wrap_scripted, wrap_undispatched, _lift_hooks, _wrap_threads,
    _raise_recursion_limit, _pause_collector,
)  # fmt: skip

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
