"""Do two traces of one model say the same?

Everything is compared but what is measured (times) and a user's call site that lies outside the model: it called the
tracer itself, and a second trace is called from elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lens_trace import CallSite, Operation, Trace
from lens_validate._arguments import tensor_leaves

_MEASURED = frozenset({"elapsed_s"})
_OF_OPERATION = tuple(name for name in Operation.__struct_fields__ if name not in _MEASURED)
_WHILE_RUNNING = tuple(
    name for name in _OF_OPERATION if name not in ("grad_fn", "call_site", "user_call_site", "thread", "address")
)


def record_difference(left: Operation, right: Operation, *, is_running: bool = False) -> str | None:
    """Returns what differs between the records of one operation in two traces, None when they say the same.

    Args:
        left: One record.
        right: The other.
        is_running: The other was made while the model runs: storages are numbered in another order there.
    """
    for name in _WHILE_RUNNING if is_running else _OF_OPERATION:
        ours, theirs = getattr(left, name), getattr(right, name)
        if ours is theirs or (name == "grad_fn" and _is_scripted(left)):
            continue
        if is_running and name == "output":
            ours, theirs = replace(ours, storage=None), replace(theirs, storage=None)
        elif is_running and name == "writes":
            ours, theirs = [write.path for write in ours], [write.path for write in theirs]
        elif is_running and name in ("args", "kwargs"):
            ours, theirs = tensor_leaves(left), tensor_leaves(right)  # opaque objects are numbered in another order too
        if ours != theirs and not (name == "user_call_site" and _is_ours(theirs)):
            return f"its {name} differs from that in a second trace: {shortened(ours)} here, {shortened(theirs)} there"
    return None


def _is_scripted(operation: Operation) -> bool:
    # TorchScript profiles its first runs and then makes other autograd nodes.
    return operation.function is not None and operation.function.kind == "scripted"


_LISTS = ("module_calls", "reads", "modules", "parameters", "buffers")
_SINGLE = ("model_name", "inputs", "outputs", "output_structure", "is_complete")


def trace_differences(left: Trace, right: Trace) -> list[str]:
    """Returns what differs between two traces beside their operations, the first difference of each kind of record."""
    found: list[str] = []
    for name in _SINGLE:
        ours, theirs = getattr(left, name), getattr(right, name)
        if ours != theirs:
            found.append(f"its {name} differs from that of a second trace: {_apart(ours, theirs)}")
    for name in _LISTS:
        difference = _list_difference(getattr(left, name), getattr(right, name))
        if difference is not None:
            found.append(f"its {name} differ from those of a second trace: {difference}")
    if len(left.operations) != len(right.operations):
        found.append(f"it has {len(left.operations)} operations, a second trace has {len(right.operations)}")
    return found


def _list_difference(ours: Sequence[Struct], theirs: Sequence[Struct]) -> str | None:
    if len(ours) != len(theirs):
        return f"{len(ours)} here, {len(theirs)} there"
    for index, (left, right) in enumerate(zip(ours, theirs, strict=True)):
        for name in left.__struct_fields__:
            a, b = getattr(left, name), getattr(right, name)
            is_same = name in _MEASURED or a == b or (a != a and b != b)
            if not is_same and not (name == "user_call_site" and _is_ours(b)):
                return f"{name} of number {index} is {_apart(a, b)}"
    return None


def _is_ours(site: Any) -> bool:
    """Whether a place is on the stack below: then it called the tracer, and the recording was called from elsewhere."""
    frame: Any = sys._getframe()
    while isinstance(site, CallSite) and frame is not None:
        if (frame.f_code.co_filename, frame.f_code.co_qualname) == (site.file, site.function):
            return True
        frame = frame.f_back
    return False


def _apart(ours: Any, theirs: Any) -> str:
    return f"{shortened(ours)} here, {shortened(theirs)} there"


def shortened(value: Any) -> str:
    """Returns a value in words, cut where it gets long."""
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
