"""Is this the value that was saved?

Two tensors are the same when shape, dtype and layout agree and every element does: NaN equals NaN, infinities agree in
sign, and so do zeros unless the value is a sum.  Bitwise equality is asked first, because it is the usual case and the
cheapest; only values that differ somewhere are measured against the tolerance (see `_tolerance`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lens_validate._ragged import lies_in_strides, shape_of
from lens_validate._tolerance import EXACT, ULPS, Tolerance
from lens_validate._transforms import unwrapped
from lens_validate._values import MissingValue

_no_dispatch: Any = vars(Tensor)["__torch_dispatch__"]
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def find_difference(saved: Tensor, replayed: Tensor, tolerance: Tolerance = EXACT, *, output: int = 0) -> str | None:
    """Returns how two tensors differ, in words, or None when they agree.

    Args:
        saved: The value on record.
        replayed: The value to judge it by.
        tolerance: What a difference may be.
        output: Which of the call's outputs this is; picks its magnitudes.

    Raises:
        MissingValue: Their class has other operations than tensors have, so that they cannot be compared.
    """
    saved, replayed = unwrapped(saved).detach(), unwrapped(replayed).detach()
    shapes = ("shape", shape_of(saved), shape_of(replayed))
    others = ((what, getattr(saved, what), getattr(replayed, what)) for what in ("dtype", "layout", "is_quantized"))
    for what, left, right in (shapes, *others):
        if left != right:
            return f"saved with {what} {_plain(left)}, replayed with {what} {_plain(right)}"
    if saved.device.type == "meta" or replayed.device.type == "meta":
        return None
    if saved.device != replayed.device:
        replayed = replayed.to(saved.device)
    try:
        return _difference_of_values(saved, replayed, tolerance, output)
    except (TypeError, RuntimeError, NotImplementedError) as error:
        kind: Any = type(saved)
        if kind.__torch_dispatch__ is _no_dispatch:
            raise
        name = kind.__name__  # its class answers for its values, and not as tensors do
        raise MissingValue(f"the values of a {name} cannot be compared ({type(error).__name__}: {error})") from None


def _difference_of_values(saved: Tensor, replayed: Tensor, tolerance: Tolerance, output: int) -> str | None:
    parts = _dense_parts(saved, replayed)
    if isinstance(parts, str):
        return parts
    for left, right in parts:
        found = _dense_difference(left, right, tolerance, output)
        if found is not None:
            return found
    return None


def is_same(left: Tensor, right: Tensor) -> bool:
    """Whether two tensors agree in every bit (NaN equal to NaN)."""
    return find_difference(left, right) is None


def _plain(value: object) -> str:
    return str(value).removeprefix("torch.")


def _dense_parts(saved: Tensor, replayed: Tensor) -> list[tuple[Tensor, Tensor]] | str:
    if saved.is_quantized:
        return _quantized_parts(saved, replayed)
    if saved.is_nested:
        left, right = list(saved.unbind()), list(replayed.unbind())
        if [part.shape for part in left] != [part.shape for part in right]:
            return "the nested parts have other shapes"
        return [(_resolved(a), _resolved(b)) for a, b in zip(left, right, strict=True)]
    if saved.layout is torch.strided:
        return [(_resolved(saved), _resolved(replayed))]
    if saved.layout is torch.sparse_coo:
        left, right = saved.coalesce(), replayed.coalesce()
        if left._nnz() != right._nnz():
            return f"saved with {left._nnz()} stored elements, replayed with {right._nnz()}"
        return [(left.indices(), right.indices()), (left.values(), right.values())]
    if saved.layout in (torch.sparse_csr, torch.sparse_bsr):
        accessors = ("crow_indices", "col_indices", "values")
    elif saved.layout in (torch.sparse_csc, torch.sparse_bsc):
        accessors = ("ccol_indices", "row_indices", "values")
    else:
        return [(saved.to_dense(), replayed.to_dense())]
    pairs = [(getattr(saved, name)(), getattr(replayed, name)()) for name in accessors]
    if any(a.shape != b.shape for a, b in pairs):
        return "the stored elements stand at other places"
    return pairs


def _quantized_parts(saved: Tensor, replayed: Tensor) -> list[tuple[Tensor, Tensor]] | str:
    if saved.qscheme() != replayed.qscheme():
        return f"saved with {saved.qscheme()}, replayed with {replayed.qscheme()}"
    pairs = [(saved.int_repr(), replayed.int_repr())]
    if saved.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        left, right = (saved.q_scale(), saved.q_zero_point()), (replayed.q_scale(), replayed.q_zero_point())
        return pairs if left == right else f"saved with scale and zero point {left}, replayed with {right}"
    pairs += [(saved.q_per_channel_scales(), replayed.q_per_channel_scales())]
    return [*pairs, (saved.q_per_channel_zero_points(), replayed.q_per_channel_zero_points())]


def _resolved(tensor: Tensor) -> Tensor:
    if tensor.is_neg():
        tensor = tensor.resolve_neg()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return tensor


def _dense_difference(saved: Tensor, replayed: Tensor, tolerance: Tolerance, output: int) -> str | None:
    if saved.shape != replayed.shape:
        return f"saved {tuple(saved.shape)} values, replayed {tuple(replayed.shape)}"
    if saved.dtype in _EXACT_DTYPES or not saved.is_floating_point():
        return None if torch.equal(saved, replayed) else _first(saved, replayed, saved != replayed)
    bits = _BITS[saved.element_size()]
    left_bits, right_bits = saved.view(bits), replayed.view(bits)
    if torch.equal(left_bits, right_bits):
        return None
    wrong = (left_bits != right_bits) & ~(_isnan(saved) & _isnan(replayed))
    if tolerance.is_exact:
        return _first(saved, replayed, wrong) if bool(wrong.any()) else None
    return _beyond_tolerance(saved, replayed, wrong, tolerance, output)


_EXACT_DTYPES = frozenset({torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})


def _isnan(tensor: Tensor) -> Tensor:
    return torch.isnan(tensor if tensor.element_size() > 1 else tensor.to(torch.float32))


def _beyond_tolerance(saved: Tensor, replayed: Tensor, wrong: Tensor, tolerance: Tolerance, output: int) -> str | None:
    # Only the elements that differ are looked at, in float64, so that the measuring itself rounds nothing.
    eps = torch.finfo(saved.dtype).eps
    left, right = _chosen(saved, wrong), _chosen(replayed, wrong)
    allowed = ULPS * eps * left.abs()
    if tolerance.length > 1:
        eps_sum = eps if saved.element_size() >= 4 else torch.finfo(torch.float32).eps
        allowed = allowed + (1 + math.log2(tolerance.length)) * eps_sum * _magnitude(saved, wrong, tolerance, output)
    is_finite = torch.isfinite(left) & torch.isfinite(right)
    bad = ~(is_finite & ((left - right).abs() <= allowed))
    if tolerance.length == 1:
        bad |= (left == 0) & (right == 0)  # they differ in bits, so one of them is -0.0
    if not bool(bad.any()):
        return None
    beyond = torch.zeros_like(wrong)
    beyond[wrong] = bad
    return _first(saved, replayed, beyond)


def _chosen(values: Tensor, places: Tensor) -> Tensor:
    # Types of eight bits cannot be indexed everywhere.
    values = values.to(torch.float32) if values.element_size() == 1 else values
    return values[places].to(torch.float64)


def _magnitude(saved: Tensor, wrong: Tensor, tolerance: Tolerance, output: int) -> Tensor:
    found = tolerance.magnitudes() if tolerance.magnitudes is not None else None
    if found is not None and output < len(found):
        magnitude = _resolved(found[output].detach()).to(device=saved.device, dtype=torch.float64).abs()
        if magnitude.shape == saved.shape:
            return torch.nan_to_num(magnitude[wrong], nan=0.0, posinf=0.0)
    values = saved.to(torch.float64)
    return torch.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).abs().max()


def _first(saved: Tensor, replayed: Tensor, wrong: Tensor) -> str:
    places = wrong.nonzero()
    place = tuple(int(i) for i in places[0])
    left, right = saved[place].item(), replayed[place].item()
    count = places.shape[0]
    return f"{count} of {saved.numel()} elements differ, first at {list(place)}: saved {left!r}, replayed {right!r}"


def changed(before: Tensor, after: Tensor, tolerance: Callable[[], Tolerance]) -> bool:
    """Whether `after` differs from `before` by more than rounding or the sign of a zero.

    A sample is looked at before everything is, because nearly every replacement shows there.
    """
    before, after = unwrapped(before), unwrapped(after)
    if shape_of(before) != shape_of(after) or before.dtype != after.dtype or before.layout != after.layout:
        return True
    if before.device.type == "meta":
        return False
    sample = _sample(before, after)
    if sample is not None and _is_far(*sample):
        return True
    if lies_in_strides(before) and torch.equal(before, after):
        return False
    limits = tolerance()
    if sample is not None and _is_beyond(*sample, before, limits):
        return True
    return (
        find_difference(before + 0, after + 0, limits) is not None
        if _has_signed_zeros(before)
        else (find_difference(before, after, limits) is not None)
    )


def is_far(before: Tensor, after: Tensor) -> bool:
    """Whether some element moved by more than a hundredth of the largest: more than any other kernel would round.

    Only floating-point values are looked at, and of many only a sample.
    """
    if before.shape != after.shape or not before.is_floating_point() or not before.numel():
        return False
    sample = _sample(before, after)
    return _is_far(*(sample if sample is not None else (before.to(torch.float32), after.to(torch.float32))))


def _has_signed_zeros(value: Tensor) -> bool:
    is_plain = lies_in_strides(value) and not value.is_quantized and value.element_size() > 1
    return is_plain and (value.is_floating_point() or value.is_complex())


_SAMPLE = 2048
_FAR = 0.01


def _sample(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor] | None:
    if not lies_in_strides(before) or not before.is_floating_point() or before.is_quantized:
        return None
    if before.numel() <= _SAMPLE or before.dim() == 0:
        return None
    pair: list[Tensor] = []
    for tensor in (before, after):
        piece: Any = tensor.detach()
        while piece.dim() > 1 and piece.numel() > _SAMPLE:
            piece = piece[piece.shape[0] // 2]
        pair.append(piece.reshape(-1)[:_SAMPLE].to(torch.float32))
    return pair[0], pair[1]


def _is_far(before: Tensor, after: Tensor) -> bool:
    if not before.numel():
        return False
    # A change by a hundredth of the largest value is no rounding in any dtype wider than eight bits.
    return _any_beyond(before, after, _largest(before) * _FAR + 1e-30)


def _is_beyond(before: Tensor, after: Tensor, whole: Tensor, tolerance: Tolerance) -> bool:
    """Whether a sample lies beyond the tolerance that the whole tensor has."""
    if tolerance.magnitudes is not None:
        return False  # its terms can be larger than all that is in the result
    if tolerance.is_exact:
        return _any_beyond(before, after, 0.0)
    terms = 1 + math.log2(tolerance.length) if tolerance.length > 1 else 0.0
    return _any_beyond(before, after, 2 * (ULPS + terms) * torch.finfo(whole.dtype).eps * _largest(whole))


def _largest(tensor: Tensor) -> float:
    return float(torch.nan_to_num(tensor.abs(), nan=0.0, posinf=0.0).max())


def _any_beyond(before: Tensor, after: Tensor, limit: float) -> bool:
    # What became NaN or infinite is beyond any limit; what was so before and is the same now is not.
    is_within = ((before - after).abs() <= limit) | (before == after) | (torch.isnan(before) & torch.isnan(after))
    return not bool(is_within.all())
