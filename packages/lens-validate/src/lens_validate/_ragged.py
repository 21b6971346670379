"""What can be asked of a tensor whose rows have different lengths?

A nested tensor has no shape of whole numbers: torch raises where it is asked for, or answers with symbols that differ
from run to run.  Records write -1 for a ragged size, and so does this.  Such tensors are compared part by part.
"""

from __future__ import annotations

import torch
from torch import Tensor


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """Returns the shape as records write it: -1 where a nested tensor is ragged."""
    if not tensor.is_nested:
        return tuple(tensor.shape)
    return tuple(_size(tensor, dimension) for dimension in range(tensor.dim()))


def lies_in_strides(tensor: Tensor) -> bool:
    """Whether shape, strides and an offset say where every element lies."""
    return tensor.layout is torch.strided and not tensor.is_nested


def _size(tensor: Tensor, dimension: int) -> int:
    try:
        size = tensor.size(dimension)
    except RuntimeError:
        return -1
    return size if type(size) is int else -1
