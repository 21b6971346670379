"""An interrupt may come whenever a function is entered or left: whatever had been changed is as it was."""

from __future__ import annotations

import concurrent.futures
import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

import pytest
import torch
from torch import nn

import lens_trace
from lens_trace import _backward_memory, _originals, _switches, _trace
from tests.lens_trace.models import Calls

SOURCES = str(Path(_trace.__file__).parent)
OWNERS = (
    torch, torch.Tensor, torch.nested, torch.functional, torch.utils, torch.autograd.graph, torch._C.ScriptMethod,
    torch._C.ScriptFunction, nn.Module, nn.functional, threading.Thread, concurrent.futures.ThreadPoolExecutor,
)  # fmt: skip
EVERY = 5  # of some 2,000 places: each takes a trace


class WritesEverywhere(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.linear = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x.add_(1)
        self.linear.weight.data.mul_(2)
        return self.linear(self.norm(x) + torch.rand(3))


def code_of(value: Any) -> Any:
    return value.__code__ if isinstance(value, FunctionType) else None


def are_values_kept_plainly() -> bool:
    x = torch.ones((), requires_grad=True)
    with torch.enable_grad():
        return x.sin().grad_fn._saved_self is x  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]


def everything_around(model: nn.Module, x: torch.Tensor) -> dict[str, Any]:
    return {
        "names": [{k: (v, code_of(v)) for k, v in vars(owner).items()} for owner in OWNERS],
        "fast path": torch.backends.mha.get_fastpath_enabled(),
        "collector": gc.isenabled(),
        "recursion": sys.getrecursionlimit(),
        "modes": (torch._C._len_torch_function_stack(), _switches.active.modes),
        "hooks": are_values_kept_plainly(),
        "grad mode": torch.is_grad_enabled(),
        "random": torch.get_rng_state().tolist(),
        "model": {key: value.tolist() for key, value in model.state_dict().items()},
        "input": x.tolist(),
        "copies": dict(_originals._copies),
        "users": (set(_switches._results._users), set(_switches._watching._users)),
    }


@pytest.mark.parametrize(
    "run",
    [
        lambda model, x: lens_trace.trace(model, x, seed=1),
        lambda model, x: lens_trace.trace(model, x, seed=1, detach=False),
        lambda model, x: lens_trace.run_plain(model, x, seed=1),
    ],
    ids=["trace", "trace with graph", "plain"],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in a generator that is cleared away
def test_an_interrupt_at_any_place_leaves_everything_as_it_was(run: Callable[..., Any]) -> None:
    model, x = WritesEverywhere().train(), torch.ones(2, 3)
    run(model, x)  # what is made once is there
    before = everything_around(model, x)
    count, place, left = 0, 1, 0

    def interrupt(frame: FrameType, event: str, _: Any) -> None:
        nonlocal left
        file = frame.f_code.co_filename
        if event != "c_call" and (file.startswith(SOURCES) or file.endswith(("contextlib.py", "grad_mode.py"))):
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

    while left <= 0:
        left = place
        raised: BaseException | None = None
        sys.setprofile(interrupt)
        try:
            run(model, x)
        except KeyboardInterrupt as error:
            raised = error  # held, with all the frames that it went through
        finally:
            sys.setprofile(None)
        after = everything_around(model, x)
        assert [key for key in before if before[key] != after[key]] == [], raised
        place += EVERY
        count += 1
    assert count > 50


def test_an_interrupt_leaves_what_somebody_else_does_with_values_kept_for_backward() -> None:
    model, x, kept = WritesEverywhere().train(), torch.ones(2, 3), []
    place, left = 0, 0

    def interrupt(frame: FrameType, event: str, _: Any) -> None:
        nonlocal left
        if event != "c_call" and frame.f_code.co_filename == _backward_memory.__file__:
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

    while left <= 0:
        place += 1
        left = place
        with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t), t)[1], lambda t: t):
            sys.setprofile(interrupt)
            try:
                lens_trace.trace(model, x, seed=1, detach=False)
            except KeyboardInterrupt:
                pass
            finally:
                sys.setprofile(None)
            kept.clear()
            torch.ones((), requires_grad=True).sin()
            assert len(kept) == 1, place
        assert are_values_kept_plainly()
    assert place > 10


def test_modules_compiled_in_place_stay_so_after_an_error_before_the_pass() -> None:
    model = nn.Linear(3, 3)
    model._compiled_call_impl = compiled = model._call_impl  # what `model.compile()` sets, without the compiler
    with pytest.raises(lens_trace.TraceError):
        lens_trace.trace(model, torch.ones(2, 3, device="meta"))
    assert model._compiled_call_impl is compiled


@pytest.mark.parametrize("run", [lens_trace.trace, lens_trace.run_plain])
def test_grad_mode_that_a_model_sets_for_good_stays_set(run: Callable[..., Any]) -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        torch.set_grad_enabled(False)
        return x + 1

    try:
        run(Calls(forward), torch.ones(3))
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
