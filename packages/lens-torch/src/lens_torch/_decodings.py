"""How does a tensor come back from its arrays?

The other half of `_encodings`.  The arrays come from a file, so nothing is taken for granted: indices that lead out of
the values, scales that are too few and shapes that do not fit are refused before torch is asked to follow them.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from typing import Any

import torch

from lens_graph import LoadError
from lens_torch._encodings import BIT_TYPES, COMPRESSED, REAL, Encoded


def decode(encoded: Encoded) -> torch.Tensor:
    """Puts a tensor together again.

    Raises:
        LoadError: The parts do not make up a tensor of this kind.
    """
    dtype = getattr(torch, encoded.dtype, None) if encoded.dtype in _KNOWN else None
    decoder = _DECODERS.get(encoded.encoding)
    if not isinstance(dtype, torch.dtype) or decoder is None:
        raise LoadError(
            f"A tensor of type {encoded.dtype!r} in encoding {encoded.encoding!r} is unknown to this torch."
        )
    try:
        with warnings.catch_warnings() if encoded.encoding not in _USUAL else contextlib.nullcontext():
            if encoded.encoding not in _USUAL:  # torch says of the rarer kinds that they are new, or old
                warnings.simplefilter("ignore")
            tensor = decoder(encoded, dtype)
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise LoadError(f"The parts of a {encoded.encoding} tensor do not fit together: {error}") from error
    if tensor.dtype != dtype or (not tensor.is_nested and tuple(tensor.shape) != encoded.shape):
        raise LoadError(f"A tensor should be {encoded.dtype}{list(encoded.shape)}, but is {tensor.dtype}.")
    return tensor


def _of_type(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return torch.view_as_complex(tensor) if dtype in REAL else tensor


def _decode_plain(encoded: Encoded, dtype: torch.dtype) -> torch.Tensor:
    return _of_type(encoded.parts[""], dtype)


def _decode_bits(encoded: Encoded, dtype: torch.dtype) -> torch.Tensor:
    if dtype not in BIT_TYPES:
        raise ValueError(f"{dtype} is not stored as integers of the same size")
    return encoded.parts[""].view(dtype)


def _decode_meta(encoded: Encoded, dtype: torch.dtype) -> torch.Tensor:
    return torch.empty_strided(encoded.shape, _wholes(encoded, "stride"), dtype=dtype, device="meta")


def _decode_quantized(encoded: Encoded, dtype: torch.dtype) -> torch.Tensor:
    integers, settings = encoded.parts["integers"], encoded.settings
    make: Any
    if "scale" in settings:
        make = torch._make_per_tensor_quantized_tensor  # pyright: ignore
        made = make(integers, float(settings["scale"]), int(settings["zero_point"]))  # pyright: ignore[reportArgumentType] - checked by float and int
    else:
        make = torch._make_per_channel_quantized_tensor  # pyright: ignore
        axis = settings["axis"]
        if not isinstance(axis, int) or not 0 <= axis < integers.dim():
            raise ValueError(f"there is no axis {axis!r}")
        scales, zeros = encoded.parts["scales"], encoded.parts["zero_points"]
        if scales.shape != (integers.shape[axis],) or zeros.shape != scales.shape:
            raise ValueError("there is not one scale and one zero point a channel")
        made = make(integers, scales, zeros, axis)
    return made


def _decode_coo(encoded: Encoded, dtype: torch.dtype) -> torch.Tensor:
    core: Any = torch  # torch declares these in part only
    return core.sparse_coo_tensor(
        encoded.parts["indices"], _of_type(encoded.parts["values"], dtype), encoded.shape, check_invariants=True,
        is_coalesced=bool(encoded.settings["is_coalesced"]),
    )  # fmt: skip


def _decode_compressed(encoded: Encoded, dtype: torch.dtype) -> torch.Tensor:
    core: Any = torch
    return core.sparse_compressed_tensor(
        encoded.parts["compressed"], encoded.parts["plain"], _of_type(encoded.parts["values"], dtype), encoded.shape,
        layout=getattr(torch, encoded.encoding), check_invariants=True,
    )  # fmt: skip


def _decode_mkldnn(encoded: Encoded, dtype: torch.dtype) -> torch.Tensor:
    return encoded.parts[""].to_mkldnn()


def _decode_jagged(encoded: Encoded, dtype: torch.dtype) -> torch.Tensor:
    values, offsets, lengths = (encoded.parts.get(name) for name in ("values", "offsets", "lengths"))
    if values is None or offsets is None:
        raise KeyError("values or offsets")
    ragged = encoded.settings["ragged"]
    if not isinstance(ragged, int) or not 1 <= ragged <= values.dim() or offsets.dim() != 1:
        raise ValueError(f"there is no ragged dimension {ragged!r}")
    size = values.shape[ragged - 1]
    steps = offsets.diff()
    if offsets.numel() < 1 or offsets[0] < 0 or offsets[-1] > size or bool((steps < 0).any()):
        raise ValueError("offsets lead out of the values")
    if lengths is not None and (lengths.shape != steps.shape or bool((lengths < 0).any() or (lengths > steps).any())):
        raise ValueError("lengths lead out of the values")
    make: Any = torch.nested.nested_tensor_from_jagged
    return make(_of_type(values, dtype), offsets, lengths, jagged_dim=ragged)


def _decode_nested(encoded: Encoded, dtype: torch.dtype) -> torch.Tensor:
    parts = [_of_type(encoded.parts[str(index)], dtype) for index in range(len(encoded.parts))]
    nested: Any = torch.nested
    return nested.nested_tensor(parts, dtype=dtype)


def _wholes(encoded: Encoded, name: str) -> Sequence[int]:
    value = encoded.settings[name]
    if not isinstance(value, (list, tuple)) or len(value) != len(encoded.shape):
        raise ValueError(f"{name} is {value!r}")
    return value


_DECODERS = {
    "plain": _decode_plain, "complex": _decode_plain, "bits": _decode_bits, "meta": _decode_meta,
    "quantized": _decode_quantized, "sparse_coo": _decode_coo, **dict.fromkeys(COMPRESSED, _decode_compressed),
    "mkldnn": _decode_mkldnn, "jagged": _decode_jagged, "nested": _decode_nested,
}  # fmt: skip
_USUAL = ("plain", "complex", "bits", "meta")
_KNOWN = frozenset(name for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype))
