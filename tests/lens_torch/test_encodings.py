"""Every tensor that torch has comes back equal from a file, or is refused by name before anything is written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

import lens_torch as tl
from lens_graph import LoadError, SaveError
from lens_torch._decodings import decode
from lens_torch._encodings import CODES, Encoded, check, encode

DTYPES = sorted({str(v)[6:] for v in vars(torch).values() if isinstance(v, torch.dtype)})
REFUSED = {"bcomplex32", "quint4x2", "quint2x4"}
"""Types for which torch itself has no way in or out."""


pytestmark = pytest.mark.filterwarnings("ignore")  # torch says of many kinds that they are a prototype or deprecated


def _filled(name: str) -> torch.Tensor:
    dtype = getattr(torch, name)
    if name in ("qint8", "quint8", "qint32"):
        return torch.quantize_per_tensor(torch.linspace(0, 1, 12).reshape(3, 4), 0.1, 2, dtype)
    if dtype in CODES or dtype.is_complex:
        return torch.linspace(0, 100, 12).reshape(3, 4).to(dtype)
    bits = {1: torch.uint8, 2: torch.int16}[dtype.itemsize]
    return torch.arange(12, dtype=bits).reshape(3, 4).view(dtype)


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.dtype != b.dtype or a.layout != b.layout:
        return False
    if a.is_nested:
        return all(_equal(x, y) for x, y in zip(a.unbind(), b.unbind(), strict=True))
    if a.shape != b.shape or a.is_meta:
        return a.shape == b.shape and a.is_meta == b.is_meta
    if a.is_quantized:
        return torch.equal(a.int_repr(), b.int_repr()) and torch.equal(a.dequantize(), b.dequantize())
    if a.layout != torch.strided:
        return torch.equal(a.to_dense(), b.to_dense())
    a, b = (t.resolve_conj().resolve_neg().contiguous() for t in (a, b))
    if a.is_complex():
        a, b = torch.view_as_real(a), torch.view_as_real(b)
    return a.numel() == 0 or torch.equal(a.reshape(-1).view(torch.uint8), b.reshape(-1).view(torch.uint8))


def _jagged(layout: torch.layout) -> torch.Tensor:
    return torch.nested.nested_tensor([torch.rand(2, 3), torch.rand(4, 3)], layout=layout)


SHAPES: dict[str, Callable[[], torch.Tensor]] = {
    "0-d": lambda: torch.tensor(3.0),
    "0-d bool": lambda: torch.tensor(True),
    "empty": lambda: torch.empty(0, 3),
    "expanded": lambda: torch.ones(1).expand(5),
    "transposed": lambda: torch.arange(6).reshape(2, 3).t(),
    "channels last": lambda: torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last),
    "conjugate": lambda: torch.randn(3, dtype=torch.complex64).conj(),
    "negative": lambda: torch.randn(3, dtype=torch.complex64).conj().imag,
    "nan and infinite": lambda: torch.tensor([float("nan"), float("inf"), -0.0]),
    "parameter": lambda: nn.Parameter(torch.ones(3)),
    "per channel": lambda: torch.quantize_per_channel(
        torch.rand(2, 3), torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0, torch.qint8
    ),
    "coo": lambda: torch.eye(3).to_sparse(),
    "coo, uncoalesced": lambda: torch.sparse_coo_tensor(torch.tensor([[0, 0]]), torch.ones(2), (3,)),
    "coo, hybrid": lambda: torch.sparse_coo_tensor(torch.tensor([[0, 1]]), torch.ones(2, 3), (3, 3)),
    "coo, complex": lambda: torch.eye(3, dtype=torch.complex64).to_sparse(),
    "bsr": lambda: torch.eye(4).to_sparse_bsr((2, 2)),
    "bsc": lambda: torch.eye(4).to_sparse_bsc((2, 2)),
    "csr": lambda: torch.eye(3).to_sparse_csr(),
    "csc": lambda: torch.eye(3).to_sparse_csc(),
    "meta": lambda: torch.empty(3, 4, device="meta").t(),
    "mkldnn": lambda: torch.rand(3, 3).to_mkldnn(),
    "jagged": lambda: _jagged(torch.jagged),
    "nested": lambda: _jagged(torch.strided),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_tensor_of_any_kind_comes_back_equal(name: str) -> None:
    tensor = SHAPES[name]()
    assert _equal(tensor.detach(), decode(encode(tensor)))


@pytest.mark.parametrize("name", DTYPES)
def test_every_type_of_torch_comes_back_equal_or_is_refused_by_name(name: str) -> None:
    if name in REFUSED:
        fake: Any = torch.zeros(2, dtype=getattr(torch, name)) if name == "bcomplex32" else _four_bits()
        with pytest.raises(SaveError, match=r"bcomplex32|quint4x2"):
            check(fake)
    else:
        tensor = _filled(name)
        assert _equal(tensor, decode(encode(tensor)))


def _four_bits() -> torch.Tensor:
    scales, zeros = torch.tensor([0.1, 0.2]), torch.tensor([0.0, 1.0])
    return torch.quantize_per_channel(torch.rand(2, 4), scales, zeros, 0, torch.quint4x2)


class Fancy(nn.Module):
    """One value of each kind that a model can make on the way."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        complex_value = torch.complex(x, x).conj()
        half = x.bfloat16()
        eight = x.to(torch.float8_e4m3fn)
        whole = (x * 10).to(torch.uint16)
        sparse = x.to_sparse()
        quantized = torch.quantize_per_tensor(x, 0.1, 0, torch.qint8)
        parts = (
            complex_value.real,
            half.float(),
            eight.float(),
            whole.float(),
            sparse.to_dense(),
            quantized.dequantize(),
        )
        return sum(parts, x) * (x > 0).sum()


@pytest.mark.parametrize("how", ["save", "save_to"])
def test_values_of_many_types_survive_in_a_history(how: str, tmp_path: Path) -> None:
    x = torch.rand(2, 3)
    held = tl.get_model_activations(Fancy(), x)
    if how == "save":
        held.save(tmp_path / "h")
    else:
        tl.get_model_activations(Fancy(), x, save_to=tmp_path / "h")
    loaded = tl.load(tmp_path / "h", check="now")
    kinds = set()
    for operation in held.operations:
        kinds.add((operation.tensor_dtype, operation.tensor_contents.layout))
        assert _equal(operation.tensor_contents, loaded[operation.label].tensor_contents), operation.label
    assert len(kinds) >= 8


class FourBits(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scales, zeros = torch.tensor([0.1, 0.2]), torch.tensor([0.0, 1.0])
        return torch.quantize_per_channel(x, scales, zeros, 0, torch.quint4x2).dequantize()


@pytest.mark.parametrize("how", ["save", "save_to"])
def test_a_value_that_no_file_holds_is_refused_and_nothing_is_left(how: str, tmp_path: Path) -> None:
    def save() -> None:
        if how == "save":
            tl.get_model_activations(FourBits(), torch.rand(2, 4)).save(tmp_path / "h")
        else:
            tl.get_model_activations(FourBits(), torch.rand(2, 4), save_to=tmp_path / "h")

    with pytest.raises(SaveError, match=r"operation \d .*quint4x2"):
        save()
    assert list(tmp_path.iterdir()) == []


NUMBERS = st.sampled_from([-1, 0, 1, 2, 3, 7, 1 << 40])


@example(kind="bits", dtype="qint8", shape=[], roles={"": (torch.int8, [])}, settings_of={})
@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(
        ["sparse_coo", "sparse_csr", "sparse_bsc", "quantized", "jagged", "nested", "meta", "bits", "plain"]
    ),
    dtype=st.sampled_from(["float32", "qint8", "complex64", "bits8", "int64", "no_type", "load"]),
    shape=st.lists(NUMBERS, max_size=3),
    roles=st.dictionaries(
        st.sampled_from(["", "indices", "values", "compressed", "plain", "integers", "offsets", "lengths", "scales"]),
        st.tuples(st.sampled_from([torch.int64, torch.float32, torch.int8]), st.lists(st.integers(0, 3), max_size=3)),
        max_size=4,
    ),
    settings_of=st.dictionaries(
        st.sampled_from(["scale", "zero_point", "axis", "ragged", "stride", "is_coalesced"]),
        st.one_of(NUMBERS, st.floats(), st.text(max_size=3), st.tuples(NUMBERS, NUMBERS)),
    ),
)
def test_parts_that_do_not_fit_are_a_load_error(
    kind: str, dtype: str, shape: list[int], roles: dict[str, Any], settings_of: dict[str, Any]
) -> None:
    parts = {role: torch.ones(size, dtype=of) for role, (of, size) in roles.items()}
    try:
        tensor = decode(Encoded(kind, dtype, tuple(shape), parts, settings_of))
    except LoadError:
        return
    assert tensor.is_nested or tuple(tensor.shape) == tuple(shape)
    with contextlib.suppress(NotImplementedError):  # torch shows no bits8
        repr(tensor)
