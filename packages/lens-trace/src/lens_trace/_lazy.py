"""When is a copy made only if somebody writes?

torch's own lazy clone is copy-on-write inside the allocator: the next write moves the tensor's memory and leaves the
old one to the clone.  It works for plain tensors in the memory of torch's own allocator, and not where that memory is
mapped, shared or numpy's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch

from lens_trace._unseen import unseen

lazy_clone: Callable[[torch.Tensor], torch.Tensor] | None = getattr(torch, "_lazy_clone", None)
"""None where torch has none; raises `RuntimeError` for memory that it cannot share so."""
_no_dispatch: Any = vars(torch.Tensor)["__torch_dispatch__"]
_strided = torch.strided


def is_lazy_kind(tensor: torch.Tensor) -> bool:
    """Tells whether torch can clone a tensor lazily."""
    is_plain = type(tensor) is torch.Tensor and tensor.layout is _strided and not tensor.is_quantized
    return is_plain and tensor.is_cpu and lazy_clone is not None


def cloned(tensor: torch.Tensor) -> torch.Tensor:
    """Returns a lazy clone, or a copy where the memory is not torch's alone."""
    try:
        return lazy_clone(tensor)  # pyright: ignore[reportOptionalCall] - asked before
    except RuntimeError:  # mapped or shared memory, memory of numpy
        return tensor.clone()


@unseen
def own_memory(tensor: torch.Tensor) -> None:
    """Gives a tensor memory of its own again if saved values share it.

    torch cannot resize memory that is shared in this way: the next write would fail.
    """
    kind: Any = type(tensor)
    dispatches_itself = kind.__torch_dispatch__ is not _no_dispatch  # then it has no address of torch's
    if tensor.is_cpu and tensor.layout is _strided and not dispatches_itself:
        with contextlib.suppress(RuntimeError):  # a kind of tensor without an address
            tensor.data_ptr()
