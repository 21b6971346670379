"""How is a plain value written down?

Records hold what msgspec can encode: numbers, strings, booleans and None as they are, everything else without a tensor
in it (dtypes, devices, infinities, numbers beyond 64 bits) as its kind and a text.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from lens_trace import _records as records

SCALARS = (int, float, bool, str, type(None))
_LARGEST = 2**63 - 1
QUANTIZED = frozenset(
    getattr(torch, name) for name in ("qint8", "quint8", "qint32", "quint4x2", "quint2x4") if hasattr(torch, name)
)
_dtype_names: dict[Any, str] = {}


def dtype_name(dtype: torch.dtype) -> str:
    """Returns the name of a dtype without `torch.`."""
    name = _dtype_names.get(dtype)
    if name is None:
        name = _dtype_names[dtype] = str(dtype).removeprefix("torch.")
    return name


def constant(value: Any) -> records.Argument:
    """Returns the record of a scalar."""
    if type(value) is int and not -_LARGEST <= value <= _LARGEST:
        return records.Special("bigint", str(value))
    if type(value) is float and not math.isfinite(value):
        return records.Special("nan" if math.isnan(value) else "inf" if value > 0 else "-inf", str(value))
    return records.Constant(value)


def special(value: Any) -> records.Argument | None:
    """Returns the record of another plain value, None for what is none."""
    if isinstance(value, torch.dtype):
        return records.Special("dtype", dtype_name(value))
    if isinstance(value, torch.device):
        return records.Special("device", str(value))
    if isinstance(value, torch.layout):
        return records.Special("layout", str(value).removeprefix("torch."))
    if isinstance(value, torch.memory_format):
        return records.Special("memory_format", str(value).removeprefix("torch."))
    if value is Ellipsis:
        return records.Special("ellipsis", "...")
    if type(value) is complex:
        return records.Special("complex", repr(value))
    if type(value) is bytes:
        return records.Special("bytes", value.hex())
    if type(value) is torch.Size:
        return records.SequenceArgument("size", tuple([records.Constant(int(n)) for n in value]))
    if isinstance(value, bool):
        return records.Constant(bool(value))
    if isinstance(value, (int, float)) and type(value).__module__ == "numpy":
        return constant(value.item())  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(value, (str, int, float)) and not isinstance(value, type):
        base = str if isinstance(value, str) else int if isinstance(value, int) else float
        return constant(base(value))
    return None


def read_value(value: Any) -> Any:
    """Returns what a record of a read holds: None for what is no scalar."""
    if type(value) in (bool, str, type(None)):
        return value
    if isinstance(value, (int, float)):
        plain = int(value) if isinstance(value, int) else float(value)
        return str(plain) if isinstance(plain, int) and not -_LARGEST <= plain <= _LARGEST else plain
    return repr(value) if isinstance(value, complex) else None
