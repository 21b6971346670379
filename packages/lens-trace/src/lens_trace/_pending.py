"""Is what the CPU sees of a copy from a device already there?

A copy into pinned memory may be asked for without waiting for it (`non_blocking=True`): it takes its place in the queue
of the device, and the memory holds something else until its turn comes.  The model is free to hand such a tensor back
to the device, which keeps the order.  Whoever looks at its values on the CPU has to wait, and so does the tracer,
before it copies one and before it hands one to the user.  Nothing else makes a trace wait for a device.
"""

from __future__ import annotations

import torch

_is_initialized = torch.cuda.is_initialized


def settle(tensor: torch.Tensor) -> None:
    """Waits for the device if a tensor lies in pinned memory."""
    if is_pinned(tensor):
        torch.cuda.synchronize()


def is_pinned(tensor: torch.Tensor) -> bool:
    """Tells whether a tensor lies in memory of the CPU that a device reads and writes in its own time."""
    if not tensor.is_cpu or not _is_initialized() or tensor.layout is not torch.strided:
        return False
    try:
        return tensor.is_pinned()
    except RuntimeError:  # a kind of tensor without memory of its own
        return False
