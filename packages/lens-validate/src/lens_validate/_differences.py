"""Do two traces say the same?"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from lens_trace import Operation
from lens_validate._arguments import tensor_leaves

_COMPARED = (
    "id",
    "kind",
    "function",
    "call_id",
    "args",
    "kwargs",
    "parents",
    "parameters",
    "writes",
    "output_index",
    "output_path",
    "module_calls",
    "called_through",
    "is_inplace",
    "uses_rng",
    "grad_fn",
    "context",
    "buffer",
    "output",
)


def record_difference(left: Operation, right: Operation, *, is_running: bool = False) -> str | None:
    """Returns what differs between the records of one operation in two traces, None when they say the same.

    Args:
        left: One record.
        right: The other.
        is_running: The other was made while the model runs: storages are numbered in another order there.
    """
    for name in _COMPARED:
        ours, theirs = getattr(left, name), getattr(right, name)
        if is_running and name == "output":
            ours, theirs = replace(ours, storage=None), replace(theirs, storage=None)
        elif is_running and name == "writes":
            ours, theirs = [write.path for write in ours], [write.path for write in theirs]
        elif is_running and name == "grad_fn":
            continue
        elif is_running and name in ("args", "kwargs"):
            ours, theirs = tensor_leaves(left), tensor_leaves(right)  # opaque objects are numbered in another order too
        if ours is not theirs and ours != theirs:
            return f"its {name} differs from that in a second trace: {shortened(ours)} here, {shortened(theirs)} there"
    return None


def shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."
