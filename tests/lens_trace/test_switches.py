"""Process-wide switches are turned back by the last who needs them, whatever happens in between."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import lens_trace
from lens_trace import _switches
from lens_trace._saving import Saver
from lens_trace._undoing import Undoing, surely
from tests.lens_trace.models import Calls

X = torch.arange(6.0) + 1


def test_overlapping_plain_forwards_leave_the_fast_path_on() -> None:
    first_runs, second_runs = threading.Event(), threading.Event()

    def first(x: torch.Tensor) -> torch.Tensor:
        first_runs.set()
        second_runs.wait(10)
        return x

    def second(x: torch.Tensor) -> torch.Tensor:
        second_runs.set()
        worker.join(10)
        return x

    worker = threading.Thread(target=lambda: lens_trace.run_plain(Calls(first), X))
    worker.start()
    first_runs.wait(10)
    lens_trace.run_plain(Calls(second), X)
    assert torch.backends.mha.get_fastpath_enabled()


def test_an_interrupt_while_switches_are_turned_back_is_told_after_they_are() -> None:
    undone: list[str] = []
    interrupts = [KeyboardInterrupt()]

    def undo() -> None:
        if interrupts:
            raise interrupts.pop()
        undone.append("first")

    def last() -> None:
        undone.append("last")

    def note(step: Callable[[], None]) -> Callable[[Undoing], None]:
        return lambda undoing: undoing.note(step)

    switches = _switches._Counted(note(undo), note(last))
    with pytest.raises(KeyboardInterrupt):
        surely(switches.turn)
    assert undone == ["last", "first"]


def test_the_mode_is_gone_though_the_stack_was_disturbed() -> None:
    class Disturbs(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x + 1
            mode = torch._C._get_function_stack_at(0)
            torch._C._push_on_torch_function_stack(mode)
            return y

    lens_trace.trace(Disturbs(), X)
    assert torch._C._len_torch_function_stack() == 0


def test_threads_that_meet_a_buffer_at_once_share_its_record() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.buffer = nn.Buffer(torch.ones(6))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            results: list[torch.Tensor] = []
            ready = threading.Barrier(4)

            def read() -> None:
                ready.wait(10)
                results.append(x + self.buffer)

            threads = [threading.Thread(target=read) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return torch.stack(results)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        recordings = [lens_trace.trace(Reads(), X) for _ in range(20)]
    finally:
        sys.setswitchinterval(before)
    kinds = [[o.kind for o in recording.trace.operations].count("buffer") for recording in recordings]
    assert kinds == [1] * 20


def test_an_interrupt_as_the_lock_is_let_go_leaves_nothing_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    class InterruptedLock:
        is_interrupted = False

        def __enter__(self) -> None:
            return None

        def __exit__(self, *_: object) -> None:
            if not self.is_interrupted:
                self.is_interrupted = True
                raise KeyboardInterrupt

    own: Any = nn.Module._call_impl
    code = own.__code__
    monkeypatch.setattr(_switches, "_lock", InterruptedLock())
    with pytest.raises(KeyboardInterrupt):
        lens_trace.trace(nn.ReLU(), X)
    assert own.__code__ is code
    assert torch.backends.mha.get_fastpath_enabled()
    lens_trace.trace(nn.ReLU(), X)
    assert own.__code__ is code
    assert torch.backends.mha.get_fastpath_enabled()


def test_an_interrupt_while_a_value_is_saved_goes_on_and_the_model_is_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupting(dict[int, Any]):
        calls = 0

        def setdefault(self, key: int, default: Any = None) -> Any:
            self.calls += 1
            value = super().setdefault(key, default)
            if self.calls == 2:
                raise KeyboardInterrupt
            return value

    def begin(self: Any, **options: Any) -> None:
        before(self, **options)
        self.borrowed = Interrupting()

    before = Saver.__init__
    monkeypatch.setattr(Saver, "__init__", begin)
    x = X.clone()
    with pytest.raises(KeyboardInterrupt):
        lens_trace.trace(Calls(lambda x: x.add_(1) * 2), x)
    assert torch.equal(x, X)


def test_an_interrupt_as_the_mode_is_taken_away_leaves_no_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    depth = torch._C._len_torch_function_stack
    has_run = [False]

    def interrupted_depth() -> int:
        if has_run[0]:
            has_run[0] = False
            raise KeyboardInterrupt
        return depth()

    def forward(x: torch.Tensor) -> torch.Tensor:
        has_run[0] = True
        return x

    monkeypatch.setattr(torch._C, "_len_torch_function_stack", interrupted_depth)
    with pytest.raises(KeyboardInterrupt):
        lens_trace.trace(Calls(forward), X)
    assert not has_run[0]
    assert depth() == 0
    assert _switches.active.modes == ()
