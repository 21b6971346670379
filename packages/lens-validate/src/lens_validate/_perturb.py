"""By what other values is a parent replaced?

By values of its own kind: like in size at first, on both sides of zero, out of order, inside the range that was seen,
then wider, around the numbers and the other tensors that the function was given, so that its interesting points are
crossed.  Indices stay valid, booleans are flipped, both parts of a complex number change.  All draws come from a
generator of their own; the global random state is never touched.

Terms.  A *draw* is one replacement tensor.  *Like* draws keep to the scale of the saved value; a result that they
change shows that the value matters.  *Wide* draws are tried when they changed nothing and nothing proves that nothing
can; for an index, *index* draws are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from lens_validate._perturb_structures import Draw, draws_of_quantized, draws_of_sparse
from lens_validate._ragged import lies_in_strides

_HALF_SUPPORTED = frozenset({torch.uint16, torch.uint32, torch.uint64})
"""Whole numbers that torch stores and converts, and can hardly compute with."""
_PERIOD = 65_521  # a prime: rows and planes of a tensor do not repeat each other
_torch: Any = torch  # the stubs of some functions are incomplete


class Noise:
    """Numbers spread evenly over [-1, 1), made once and read from changing places."""

    def __init__(self, seed: int) -> None:
        block = torch.rand(_PERIOD, device="cpu", generator=torch.Generator().manual_seed(seed)).mul_(2).sub_(1)
        self._blocks = {torch.device("cpu"): torch.cat([block, block])}
        self._start = 0

    def like(self, value: Tensor) -> Tensor:
        """Returns noise of this shape and device in its own fresh memory, float32 or wider."""
        block = self._blocks.get(value.device)
        if block is None:
            block = self._blocks[value.device] = self._blocks[torch.device("cpu")].to(value.device)
        self._start = (self._start + 7919) % _PERIOD
        block = block[self._start : self._start + _PERIOD]
        dtype = torch.float64 if value.dtype in (torch.float64, torch.complex128) else torch.float32
        drawn = torch.empty(value.numel(), dtype=dtype, device=value.device)
        whole = value.numel() // _PERIOD * _PERIOD
        drawn[:whole].view(-1, _PERIOD).copy_(block.expand(whole // _PERIOD, _PERIOD))
        drawn[whole:] = block[: value.numel() - whole]
        return drawn.view(value.shape)


def like_draws(value: Tensor, noise: Noise, *, bound: int | None = None) -> Iterator[Draw]:
    """Yields draws of the saved value's own scale, the most telling first.

    Args:
        value: The saved value.
        noise: Source of randomness.
        bound: Number of valid indices, when the value is an index.
    """
    if value.is_nested:
        yield lambda: value * -1.5
        yield lambda: value * 0.25 + value
    elif value.layout is not torch.strided:
        yield from draws_of_sparse(value, lambda stored: like_draws(stored, noise))
    elif value.is_quantized:
        yield lambda: value.clone().copy_(noise.like(value) * _scale(value.dequantize()))
        yield from draws_of_quantized(value, noise.like)
    elif value.dtype in _HALF_SUPPORTED:
        for draw in like_draws(value.to(torch.int64), noise, bound=bound):
            yield lambda draw=draw: draw().to(value.dtype)
    elif value.dtype is torch.bool:
        yield lambda: ~value
        yield lambda: torch.ones_like(value)
        yield lambda: torch.zeros_like(value)
        yield lambda: noise.like(value) > 0
    elif value.is_complex():
        yield lambda: _complex(value, noise, 1.7)
        yield lambda: value.flip(tuple(range(value.dim()))) * (0.5 - 1.5j) + 0.25j
    elif value.is_floating_point():
        yield from _floating(value, noise)
    else:
        yield from _integer(value, noise, bound)


def wide_draws(value: Tensor, noise: Noise, numbers: Sequence[float], others: Sequence[Tensor]) -> Iterator[Draw]:
    """Yields draws that reach beyond the saved value's scale.

    Args:
        value: The saved value.
        noise: Source of randomness.
        numbers: Numbers among the arguments of the call.
        others: Its other tensor arguments.
    """
    if not lies_in_strides(value) or value.dtype is torch.bool or value.is_quantized:
        return
    if value.dtype in _HALF_SUPPORTED:
        for draw in wide_draws(value.to(torch.int64), noise, numbers, others):
            yield lambda draw=draw: draw().to(value.dtype)
        return
    for other in others:
        if other.device == value.device and other.numel() and lies_in_strides(other) and not other.is_quantized:
            yield lambda other=other: _borrowed(value, other)
    if not (value.is_floating_point() or value.is_complex()):
        yield from _wide_integers(value, [*numbers, *_ends(others)])
        return
    reach = max(
        [_scale(value), *(abs(n) for n in numbers if abs(n) < 1e30), *(_scale(o) for o in others if _is_real(o))]
    )
    yield lambda: _converted(noise.like(value).abs().mul_(4 * reach).add_(reach), value)
    yield lambda: _converted(noise.like(value).abs().mul_(-4 * reach).sub_(reach), value)
    for number in dict.fromkeys(numbers):
        yield lambda number=number: _half(value, noise, number)
    yield lambda: _half(value, noise, 0.0)
    yield lambda: torch.zeros_like(value)
    for factor in (1e3, 1e6):
        yield lambda factor=factor: _converted(noise.like(value).mul_(factor * reach), value)
    for scale in (_scale(other) for other in others if _is_real(other)):
        if scale < 1e-3:  # so large that the product with the other is not small
            yield lambda scale=scale: _converted(noise.like(value).mul_(8 / scale), value)


def index_draws(value: Tensor, bound: int, others: Sequence[Tensor]) -> Iterator[Draw]:
    """Yields indices that point at what differs most, where nearly all that can be indexed is the same.

    Args:
        value: The saved index.
        bound: Number of valid indices.
        others: The other tensor arguments of the call: what is indexed is among them.
    """
    for other in others:
        if not lies_in_strides(other) or other.is_quantized or other.is_complex() or not other.numel():
            continue
        for dimension in (d for d in range(other.dim()) if other.shape[d] == bound):
            rows = (
                other.detach().movedim(dimension, 0).reshape(bound, -1).to(torch.float64)
            )  # some types cannot compare
            for extreme in (int(rows.amin(1).argmin()), int(rows.amax(1).argmax())):
                yield lambda extreme=extreme: torch.full_like(value, extreme)


def poisons(value: Tensor) -> list[Tensor]:
    """Returns replacements that show in whatever reads them: not-a-number and infinity, extremes, inverted bits."""
    if value.is_floating_point() or value.is_complex():
        return [torch.full_like(value, float("nan")), torch.full_like(value, float("inf"))]
    if value.dtype is torch.bool:
        return [~value, torch.ones_like(value), torch.zeros_like(value)]
    limits = torch.iinfo(value.dtype)
    inverted = (~value.to(torch.int64)).to(value.dtype)
    return [torch.full_like(value, limits.max), torch.full_like(value, limits.min), inverted]


def _floating(value: Tensor, noise: Noise) -> Iterator[Draw]:
    scale = _scale(value)
    yield lambda: _converted(noise.like(value).mul_(1.7 * scale), value)
    yield lambda: _converted(noise.like(value).mul_(0.8 * scale).add_(torch.nan_to_num(value.detach())), value)
    yield lambda: _converted(noise.like(value).mul_(-3.0 * scale), value)
    yield lambda: value.flip(tuple(range(value.dim())))
    yield lambda: -value
    yield lambda: value * 1.5
    yield lambda: value * 0.5
    yield lambda: _within(value, noise)
    yield lambda: _converted(noise.like(value).abs_(), value)


def _within(value: Tensor, noise: Noise) -> Tensor:
    finite = value[torch.isfinite(value)].to(torch.float32) if value.numel() else value
    low, high = (finite.min(), finite.max()) if finite.numel() else (torch.zeros(()), torch.ones(()))
    return _converted(noise.like(value).abs_().mul_(high - low).add_(low), value)


def _integer(value: Tensor, noise: Noise, bound: int | None) -> Iterator[Draw]:
    if not value.numel():
        return
    low, high = int(value.min()), int(value.max())
    if bound is not None:
        if bound > 1:
            yield lambda: (value + 1) % bound
            for _ in range(3):
                yield lambda: _integers(value, noise, 0, bound - 1)
        return
    yield lambda: value.flip(tuple(range(value.dim())))
    if high > low:
        yield lambda: _integers(value, noise, low, high)
        yield lambda: low + high - value
    limits = torch.iinfo(value.dtype)
    if high < limits.max:
        yield lambda: value + 1
    if low > limits.min:
        yield lambda: value - 1
    if abs(low) < limits.max // 4 and abs(high) < limits.max // 4:
        yield lambda: value * 2 + 3
        yield lambda: _integers(value, noise, min(-high, low) - 2, max(-low, high) + 2)


def _wide_integers(value: Tensor, numbers: Sequence[float]) -> Iterator[Draw]:
    limits = torch.iinfo(value.dtype)
    for number in dict.fromkeys(int(n) for n in numbers if abs(n) < 2**31):
        for candidate in (number, number + 1, number - 1):
            if limits.min <= candidate <= limits.max:
                yield lambda candidate=candidate: torch.full_like(value, candidate)
    yield lambda: torch.zeros_like(value)
    yield lambda: ~value


def _ends(others: Sequence[Tensor]) -> Iterator[int]:
    """The least and the largest of each tensor of whole numbers."""
    for other in others:
        if _is_real(other) and other.numel() and not other.is_floating_point() and not other.is_complex():
            yield from (int(other.min()), int(other.max()))


def _integers(value: Tensor, noise: Noise, low: int, high: int) -> Tensor:
    limits = torch.iinfo(value.dtype)
    low, high = max(low, limits.min), min(high, limits.max)
    drawn = noise.like(value).abs_().to(torch.float64).mul_(float(high - low + 1)).floor_().to(torch.int64)
    return drawn.clamp_(0, high - low).add_(low).to(value.dtype)


def _complex(value: Tensor, noise: Noise, factor: float) -> Tensor:
    scale = _scale(value.abs())
    real, imaginary = noise.like(value).mul_(factor * scale), noise.like(value).mul_(factor * scale)
    return torch.complex(real, imaginary).to(value.dtype)


def _half(value: Tensor, noise: Noise, number: float) -> Tensor:
    drawn = noise.like(value).mul_(1.7 * _scale(value))
    return _converted(torch.where(drawn > 0, torch.full_like(drawn, number), drawn), value)


def _borrowed(value: Tensor, other: Tensor) -> Tensor:
    if other.shape == value.shape:
        return other.detach().to(value.dtype, copy=True)
    flat = other.detach().reshape(-1)
    repeated = flat[: value.numel()].repeat(value.numel() // max(1, min(flat.numel(), value.numel())) + 1)
    return repeated[: value.numel()].to(value.dtype).reshape(value.shape)


def _converted(drawn: Tensor, value: Tensor) -> Tensor:
    drawn = drawn.to(value.dtype)
    if value.is_contiguous() or value.dim() < 3:
        return drawn
    # Kernels are chosen by memory format, and a reading in another order rounds differently.
    return torch.empty_like(value).copy_(drawn)


def _is_real(tensor: Tensor) -> bool:
    return lies_in_strides(tensor) and not tensor.is_quantized and tensor.dtype is not torch.bool


def _scale(value: Tensor) -> float:
    """Returns the root mean square of the finite elements, 1 where there are none or all are zero."""
    if value.is_complex():
        value = value.abs()
    if not value.numel():
        return 1.0
    value = value.detach().to(torch.float64) if value.element_size() > 4 or value.numel() < _PERIOD else value.detach()
    value = value if value.is_floating_point() and value.element_size() >= 4 else value.to(torch.float32)
    scale = float(_torch.linalg.vector_norm(value)) / value.numel() ** 0.5
    if scale != scale or scale == float("inf"):
        finite = value[torch.isfinite(value)].to(torch.float64)
        scale = float(_torch.linalg.vector_norm(finite)) / max(1, finite.numel()) ** 0.5
    return scale if 0 < scale < float("inf") else 1.0
