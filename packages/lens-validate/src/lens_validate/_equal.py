"""Are values zero, or equal to each other, everywhere?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def is_zero(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() > 0 and not bool((value != 0).any())
    return isinstance(value, (int, float, complex)) and value == 0


def is_constant(value: Tensor) -> bool:
    flat = value.reshape(-1)
    return flat.numel() > 0 and bool((flat == flat[0]).all())


def rows_are_equal(value: Tensor, dimension: int) -> bool:
    return value.shape[dimension] > 0 and bool((value == value.narrow(dimension, 0, 1)).all())


def are_equal(left: Any, right: Any) -> bool:
    if not isinstance(left, Tensor) and not isinstance(right, Tensor):
        return bool(left == right)
    pair = [torch.as_tensor(x) for x in (left, right)]
    return bool(((pair[0] == pair[1]) | ((pair[0] != pair[0]) & (pair[1] != pair[1]))).all())
