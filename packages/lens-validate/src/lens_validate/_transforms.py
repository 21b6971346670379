"""What lies inside a tensor of vmap, grad or jvp?

Inside these transforms a tensor is a wrapper around another one that has the memory, with a batch dimension that the
function does not see.  Values are compared unwrapped; replacements are drawn for the shape that the function sees.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_torch: Any = torch
_functorch: Any = _torch._C._functorch  # nothing public tells wrappers from plain tensors


def is_wrapped(tensor: Tensor) -> bool:
    """Whether a tensor lives inside a transform."""
    return _functorch.is_functorch_wrapped_tensor(tensor)


def unwrapped(tensor: Tensor) -> Tensor:
    """Returns the tensor that has the memory, batch dimensions and all."""
    while _functorch.is_functorch_wrapped_tensor(tensor):
        tensor = _functorch.get_unwrapped(tensor)
    return tensor


def first_of_batch(tensor: Tensor) -> Tensor:
    """Returns the first element of every batch: a plain tensor of the shape that the function sees."""
    while _functorch.is_functorch_wrapped_tensor(tensor):
        dimension = _functorch.maybe_get_bdim(tensor)
        tensor = _functorch.get_unwrapped(tensor)
        tensor = tensor.select(dimension, 0) if dimension >= 0 else tensor
    return tensor


def wrapped_like(replacement: Tensor, value: Tensor) -> Tensor:
    """Returns a replacement that lives in the same transforms as the value it replaces."""
    if not is_wrapped(value):
        return replacement
    return torch.where(torch.ones_like(value, dtype=torch.bool), replacement, value)
