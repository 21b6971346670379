"""How does any tensor become arrays that a safetensors file can hold?

    plain      the tensor itself, row by row
    bits       elements of a type that safetensors lacks, as integers of the same size (float8_e4m3fnuz, bits8, ...)
    complex    real and imaginary part in a last dimension of two
    meta       no values: shape and type are all there is
    quantized  the integers, with scale and zero point, one each or one per channel
    sparse_coo, sparse_csr, sparse_csc, sparse_bsr, sparse_bsc    indices and values
    mkldnn     the same values in rows
    jagged     a nested tensor: values, offsets, lengths
    nested     a nested tensor of the older kind: its tensors one by one

Values come back equal, as plain detached tensors in rows on the CPU: strides, classes, gradients and devices are not
kept.  What fits none of these is refused with a `SaveError` that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from msgspec import Struct

from lens_graph import SaveError

CODES: dict[torch.dtype, str] = {
    torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.uint16: "U16", torch.int16: "I16",
    torch.uint32: "U32", torch.int32: "I32", torch.uint64: "U64", torch.int64: "I64", torch.float16: "F16",
    torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64", torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
}  # fmt: skip
"""The types that safetensors holds, with its names for them."""
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
REAL = frozenset((torch.complex32, torch.complex64, torch.complex128))
"""Complex types."""
COMPRESSED = {"sparse_csr": True, "sparse_csc": False, "sparse_bsr": True, "sparse_bsc": False}
"""Layouts with compressed indices; whether rows are compressed."""

Setting = int | float | bool | str | tuple[int, ...]


class Encoded(Struct, frozen=True):
    """A tensor in parts."""

    encoding: str
    """How the parts make up the tensor."""
    dtype: str
    """Its type in the words of torch."""
    shape: tuple[int, ...]
    """Its shape."""
    parts: Mapping[str, torch.Tensor]
    """Plain CPU tensors in rows, of types that safetensors holds."""
    settings: Mapping[str, Setting] = {}
    """What is needed beside them."""


def check(tensor: torch.Tensor) -> None:
    """Raises `SaveError` when no encoding fits a tensor; copies nothing."""
    _name_encoding(tensor)


def encode(tensor: torch.Tensor) -> Encoded:
    """Takes a tensor apart.

    Raises:
        SaveError: No encoding fits; the message names kind and type.
    """
    name = _name_encoding(tensor)
    tensor = _plain(tensor)
    parts, settings = _ENCODERS[name](tensor)
    shape = () if name in ("nested", "jagged") else tuple(int(n) for n in tensor.shape)
    return Encoded(name, str(tensor.dtype)[6:], shape, parts, settings)


def _name_encoding(tensor: torch.Tensor) -> str:
    with torch._C.DisableTorchFunction():  # pyright: ignore[reportPrivateUsage] - subclasses may not know these
        if tensor.is_nested:
            name = "jagged" if tensor.layout is torch.jagged else "nested"
            _refuse_unless(_value_type(tensor), tensor)
            return name
        if _is_wrapper(tensor):
            raise SaveError(f"A {_named(tensor)} cannot be stored: its class keeps its values in a way of its own.")
        if tensor.is_meta:
            return "meta"
        if tensor.is_quantized:
            scheme = tensor.qscheme()
            if scheme in (torch.per_tensor_affine, torch.per_channel_affine) and tensor.dtype in _INTEGERS:
                return "quantized"
            raise SaveError(f"A {_named(tensor)}, quantized {scheme}, cannot be stored: torch tells no integers of it.")
        name = str(tensor.layout).removeprefix("torch.").removeprefix("_")
        if name == "strided":
            return _value_type(tensor) or _refuse(tensor)
        if name in _ENCODERS:
            _refuse_unless(_value_type(tensor), tensor)
            return name
        return _refuse(tensor)


def _value_type(tensor: torch.Tensor) -> str | None:
    if tensor.dtype in CODES:
        return "plain"
    if tensor.dtype in REAL:
        return "complex"
    return "bits" if tensor.dtype in BIT_TYPES else None


def _refuse_unless(encoding: str | None, tensor: torch.Tensor) -> None:
    if encoding not in ("plain", "complex"):
        _refuse(tensor)


def _refuse(tensor: torch.Tensor) -> str:
    raise SaveError(f"A {_named(tensor)} cannot be stored: there is no encoding for {tensor.dtype} in {tensor.layout}.")


def _named(tensor: torch.Tensor) -> str:
    return f"{type(tensor).__name__} of {str(tensor.dtype)[6:]} with shape {list(tensor.shape)}"


def _is_wrapper(tensor: torch.Tensor) -> bool:
    if hasattr(type(tensor), "__tensor_flatten__") or type(tensor).__name__ == "FakeTensor":
        return True
    return bool(torch._C._functorch.is_functorch_wrapped_tensor(tensor))  # pyright: ignore


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    with torch._C.DisableTorchFunction():  # pyright: ignore[reportPrivateUsage]
        tensor = tensor.detach()
        return tensor if tensor.is_nested or type(tensor) is torch.Tensor else tensor.as_subclass(torch.Tensor)


# -- into parts -------------------------------------------------------------------------------------------------------


def _in_rows(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()


def _values(tensor: torch.Tensor) -> torch.Tensor:
    tensor = _in_rows(tensor)
    return torch.view_as_real(tensor).contiguous() if tensor.is_complex() else tensor


def _encode_plain(tensor: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, Setting]]:
    return {"": _values(tensor)}, {}


def _encode_bits(tensor: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, Setting]]:
    return {"": _in_rows(tensor).view(_BITS[tensor.dtype.itemsize])}, {}


def _encode_meta(tensor: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, Setting]]:
    return {}, {"stride": tuple(int(n) for n in tensor.stride())}


def _encode_quantized(tensor: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, Setting]]:
    parts = {"integers": tensor.int_repr().cpu().contiguous()}
    if tensor.qscheme() is torch.per_tensor_affine:
        return parts, {"scale": tensor.q_scale(), "zero_point": tensor.q_zero_point()}
    parts["scales"] = tensor.q_per_channel_scales().cpu().contiguous()
    parts["zero_points"] = tensor.q_per_channel_zero_points().cpu().contiguous()
    return parts, {"axis": tensor.q_per_channel_axis()}


def _encode_coo(tensor: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, Setting]]:
    parts = {"indices": _in_rows(tensor._indices()), "values": _values(tensor._values())}  # pyright: ignore[reportPrivateUsage] - uncoalesced, too
    return parts, {"is_coalesced": tensor.is_coalesced()}


def _encode_compressed(tensor: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, Setting]]:
    by_row = COMPRESSED[str(tensor.layout).removeprefix("torch.")]
    compressed = tensor.crow_indices() if by_row else tensor.ccol_indices()
    plain = tensor.col_indices() if by_row else tensor.row_indices()
    parts = {"compressed": _in_rows(compressed), "plain": _in_rows(plain), "values": _values(tensor.values())}
    return parts, {}


def _encode_mkldnn(tensor: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, Setting]]:
    return {"": tensor.to_dense().contiguous()}, {}


def _encode_jagged(tensor: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, Setting]]:
    jagged: Any = tensor  # what only nested tensors have
    parts = {"values": _values(jagged.values()), "offsets": _in_rows(jagged.offsets())}
    if jagged.lengths() is not None:
        parts["lengths"] = _in_rows(jagged.lengths())
    return parts, {"ragged": int(jagged._ragged_idx)}


def _encode_nested(tensor: torch.Tensor) -> tuple[dict[str, torch.Tensor], dict[str, Setting]]:
    return {str(index): _values(part) for index, part in enumerate(tensor.unbind())}, {}


_ENCODERS = {
    "plain": _encode_plain, "complex": _encode_plain, "bits": _encode_bits, "meta": _encode_meta,
    "quantized": _encode_quantized, "sparse_coo": _encode_coo, **dict.fromkeys(COMPRESSED, _encode_compressed),
    "mkldnn": _encode_mkldnn, "jagged": _encode_jagged, "nested": _encode_nested,
}  # fmt: skip
_INTEGERS = (torch.qint8, torch.quint8, torch.qint32)
_SUB_BYTE = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8))
BIT_TYPES = frozenset(
    getattr(torch, name)
    for name in ("float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2", "bits8", "bits16",
                 "bits1x8", "bits2x4", "bits4x2", *_SUB_BYTE)
    if hasattr(torch, name)
)  # fmt: skip
"""Types that safetensors has no name for, stored as integers of the same size."""
