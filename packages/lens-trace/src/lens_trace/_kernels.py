"""How is a Triton kernel seen that the model launches itself?

A kernel is no function of torch: it is given addresses and writes where it likes, and neither a schema nor a version
counter tells of it.  So the launch is wrapped for the length of a trace and is one operation with the kernel's name.
Its parents are the tensors given.  What it wrote is found by comparing them before and after, bit for bit, which waits
for the device; memory that nobody had written before counts as written, for it may hold the same bits by chance.

A kernel that is tuned is launched many times by the tuner: that is one operation too.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch

from lens_trace._intercept import RecordingMode
from lens_trace._modules import active
from lens_trace._replacing import Wanted
from lens_trace._role import OPERATION, Role
from lens_trace._sites import calling_frame
from lens_trace._undispatched import record_call
from lens_trace._unseen import unseen

_LAUNCHERS = {"triton.runtime.autotuner": ("Autotuner", "Heuristics"), "triton.runtime.jit": ("JITFunction",)}


def kernels() -> tuple[Wanted, ...]:
    """Returns what is to be replaced so that every launch of a kernel is one operation, if Triton is there."""
    return _found(*map(sys.modules.get, _LAUNCHERS))


@functools.cache
def _found(*modules: Any) -> tuple[Wanted, ...]:
    kinds = [
        getattr(module, name, None)
        for module, names in zip(modules, _LAUNCHERS.values(), strict=True)
        for name in names
    ]
    return tuple([(kind, "run", _wrap_run) for kind in kinds if kind is not None and "run" in vars(kind)])


def _wrap_run(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not active.modes or kwargs.get("warmup"):
            return original(self, *args, **kwargs)
        name = _name_of(self)
        launch = functools.partial(original, self)
        role = Role(launch, OPERATION, name, f"triton.{name}", "extension")
        role.write_rule = "watched"
        return record_call(launch, role, args, kwargs, _record_launch)

    return run


def _name_of(kernel: Any) -> str:
    while not hasattr(kernel, "__name__") and hasattr(kernel, "fn"):  # the tuner has the kernel that it tunes
        kernel = kernel.fn
    return str(getattr(kernel, "__name__", type(kernel).__name__))


def _record_launch(
    mode: RecordingMode, role: Role, launch: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    with torch._C.DisableTorchFunction():
        held, named, targets, state = mode._before(mode.recorder, role, args, kwargs)
        copies = [None if _is_untouched(mode, tensor) else _bytes_of(tensor).clone() for _, tensor in targets]
    clock = mode.recorder.clock
    start = clock()
    result = launch(*args, **kwargs)
    elapsed = clock() - start
    with torch._C.DisableTorchFunction():
        writes = [
            target
            for target, copy in zip(targets, copies, strict=True)
            if copy is None or not _is_equal(_bytes_of(target[1]), copy)
        ]
        mode.note_call(role, launch, args, kwargs, held, named, writes, None, elapsed, calling_frame(), state)
    return result


def _is_untouched(mode: RecordingMode, tensor: torch.Tensor) -> bool:
    """Tells whether a tensor's memory was made in this pass and holds nothing yet."""
    memory = mode.recorder.memory
    key = memory.storage_key(tensor)
    maker = memory.first_owner.get(key) if key is not None else None
    role: Role | None = getattr(maker, "role", None)
    return role is not None and "empty" in role.name and memory.epoch(key) == 0


@unseen
def _bytes_of(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().reshape(-1).view(torch.uint8)


@unseen
def _is_equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.equal(one, other)
