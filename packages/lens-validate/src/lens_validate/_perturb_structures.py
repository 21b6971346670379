"""By what are values replaced that are stored in an odd way?

Sparse tensors have a structure beside their values, and some functions read nothing else: so other values are drawn at
the same places first, then other places.  Quantized tensors are whole numbers with a scale: a small change can round
away in the result, so draws go up to the ends of the range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor

Draw: TypeAlias = Callable[[], Tensor]
_torch: Any = torch  # the stubs of some functions are incomplete


def draws_of_sparse(value: Tensor, draws: Callable[[Tensor], Iterator[Draw]]) -> Iterator[Draw]:
    """Yields sparse tensors with other values, then with the values at other places.

    Args:
        value: The saved value.
        draws: Gives draws for the values that are stored.
    """
    if value.layout is torch.sparse_coo:
        whole = value.coalesce()
        for draw in draws(whole.values()):
            yield lambda draw=draw: _coordinates(whole.indices(), draw(), value)
        yield lambda: _moved(whole)
        yield lambda: _shortened(whole)
        return
    names = _COMPRESSED.get(value.layout)
    if names is None:
        return
    pointers, indices = (getattr(value, name)() for name in names)
    for draw in draws(value.values()):
        yield lambda draw=draw: _torch.sparse_compressed_tensor(
            pointers, indices, draw(), value.shape, layout=value.layout
        )
    if value.layout in (torch.sparse_csr, torch.sparse_csc):
        for change in (_moved, _shortened):
            yield lambda change=change: change(value.to_sparse_coo().coalesce()).to_sparse(layout=value.layout)


_COMPRESSED = {
    torch.sparse_csr: ("crow_indices", "col_indices"),
    torch.sparse_bsr: ("crow_indices", "col_indices"),
    torch.sparse_csc: ("ccol_indices", "row_indices"),
    torch.sparse_bsc: ("ccol_indices", "row_indices"),
}


def _coordinates(indices: Tensor, values: Tensor, like: Tensor) -> Tensor:
    return _torch.sparse_coo_tensor(indices, values, like.shape).coalesce()


def _moved(whole: Tensor) -> Tensor:
    """Every element one further along every dimension."""
    sizes = torch.tensor(whole.shape[: whole.sparse_dim()], device=whole.device)[:, None]
    return _coordinates((whole.indices() + 1) % sizes, whole.values(), whole)


def _shortened(whole: Tensor) -> Tensor:
    """All but the first element that is stored."""
    return _coordinates(whole.indices()[:, 1:], whole.values()[1:], whole)


def draws_of_quantized(value: Tensor, noise: Callable[[Tensor], Tensor]) -> Iterator[Draw]:
    """Yields quantized tensors of the same scale that reach to the ends of the range.

    Args:
        value: The saved value.
        noise: Gives numbers in [-1, 1) of the shape of a tensor.
    """
    stored = value.int_repr()
    limits = torch.iinfo(stored.dtype)
    low, high = limits.min, limits.max
    like = torch.empty(stored.shape, device=stored.device)
    spread = lambda: noise(like).add_(1).div_(2).mul_(float(high) - low).add_(low)  # noqa: E731
    yield lambda: _requantized(value, spread().to(torch.int64).clamp_(low, high).to(stored.dtype))
    for _ in range(3):
        yield lambda: _requantized(value, torch.where(noise(like) > 0, high, low).to(stored.dtype))
    for end in (high, low):
        yield lambda end=end: _requantized(value, torch.full_like(stored, end))
    yield lambda: _requantized(value, stored.flip(tuple(range(stored.dim()))))


def _requantized(value: Tensor, stored: Tensor) -> Tensor:
    if value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return _torch._make_per_tensor_quantized_tensor(stored, value.q_scale(), value.q_zero_point())
    return _torch._make_per_channel_quantized_tensor(
        stored, value.q_per_channel_scales(), value.q_per_channel_zero_points(), value.q_per_channel_axis()
    )
