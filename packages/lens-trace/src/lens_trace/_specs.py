"""What does a tensor look like, noted in as few steps as can be?

A spec is a tuple in this order: shape, dtype, device, layout, storage, whether it requires a gradient, bytes where they
do not follow from the shape, whether the tensor dies with a transform (vmap, grad).  The hot path writes it out itself
for ordinary tensors.
"""

from __future__ import annotations

from typing import Any

import torch

from lens_trace._storages import is_functorch_wrapped


def spec_of(tensor: torch.Tensor, key: int | None) -> tuple[Any, ...]:
    """Returns the spec of any tensor; `key` is its storage."""
    if tensor.is_nested:  # some of its sizes are no numbers, so its bytes are noted too
        shape, nbytes = _ragged_shape(tensor), tensor.numel() * tensor.element_size()
    else:
        try:
            shape, nbytes = tensor.shape, None
        except RuntimeError:  # a lazy parameter that was never made
            shape, nbytes = (), 0
    return (shape, tensor.dtype, tensor.device, tensor.layout, key, tensor.requires_grad, nbytes,
            key is None and is_functorch_wrapped(tensor))  # fmt: skip


def grad_type_of(tensor: torch.Tensor) -> Any:
    """Returns the type of a tensor's autograd node, None without one."""
    try:
        grad_fn = tensor.grad_fn
    except RuntimeError:  # a view whose base was written in a way that autograd cannot follow; it is told when read
        return None
    return None if grad_fn is None else type(grad_fn)


def _ragged_shape(tensor: torch.Tensor) -> tuple[int, ...]:
    sizes: list[int] = []
    for dimension in range(tensor.dim()):
        try:
            size = tensor.size(dimension)
        except RuntimeError:
            size = -1
        sizes.append(size if type(size) is int else -1)
    return tuple(sizes)
