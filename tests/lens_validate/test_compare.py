"""Equal values agree, and every difference beyond the stated tolerance is told."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_validate._compare import changed, find_difference
from lens_validate._tolerance import EXACT, Tolerance, tolerance_of

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.complex64, torch.complex128,
    torch.int64, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_value_agrees_with_its_copy(dtype: torch.dtype) -> None:
    value = torch.randn(3, 4).mul(10).to(dtype)
    assert find_difference(value, value.clone()) is None


@given(st.sampled_from(DTYPES), st.integers(0, 11))
@settings(deadline=None)
def test_one_changed_element_is_found_and_placed(dtype: torch.dtype, place: int) -> None:
    value = torch.arange(12).add(1).to(dtype).view(3, 4)
    other = value.clone()
    other.view(-1)[place] = 0
    found = find_difference(value, other, Tolerance(length=10))
    assert found is not None
    assert "1 of" in found
    assert f"[{place // 4}, {place % 4}" in found


def test_nan_equals_nan_and_nothing_else() -> None:
    value = torch.tensor([float("nan"), 1.0])
    assert find_difference(value, value.clone()) is None
    assert find_difference(value, torch.tensor([0.0, 1.0]), Tolerance(length=10)) is not None


def test_infinities_agree_in_sign() -> None:
    value = torch.tensor([float("inf")])
    assert find_difference(value, value.clone(), Tolerance(length=9)) is None
    assert find_difference(value, -value, Tolerance(length=9)) is not None
    assert find_difference(value, torch.tensor([3e38]), Tolerance(length=9)) is not None


def test_zeros_agree_in_sign_unless_they_are_sums() -> None:
    zero = torch.tensor([0.0])
    assert find_difference(zero, -zero) is not None
    assert find_difference(zero, -zero, Tolerance()) is not None
    assert find_difference(zero, -zero, Tolerance(length=5)) is None


def test_shape_dtype_and_layout_count() -> None:
    value = torch.ones(2, 3)
    for other in (torch.ones(3, 2), torch.ones(2, 3, dtype=torch.float64), torch.ones(2, 3).to_sparse()):
        assert find_difference(value, other) is not None


@pytest.mark.filterwarnings("ignore:Sparse CS")
@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr", "to_sparse_csc"])
def test_sparse_values_are_compared(layout: str) -> None:
    dense = torch.eye(3)
    value = getattr(dense, layout)()
    assert find_difference(value, getattr(dense.clone(), layout)()) is None
    assert find_difference(value, getattr(dense * 2, layout)()) is not None


def test_conjugates_are_compared_by_value() -> None:
    value = torch.randn(3, dtype=torch.complex64)
    assert find_difference(value.conj(), value.conj().resolve_conj()) is None
    assert find_difference(value, value.conj()) is not None


def test_reordered_sums_are_within_tolerance_and_real_differences_are_not() -> None:
    generator = torch.Generator().manual_seed(0)
    x, w = torch.randn(16, 512, generator=generator), torch.randn(32, 512, generator=generator)
    saved = torch.nn.functional.linear(x, w)
    reordered = (x[:, None] * w).flip(-1).sum(-1)
    tolerance = tolerance_of("linear", [x, w], saved, lambda: [torch.nn.functional.linear(x.abs(), w.abs())])
    assert tolerance.length == 512
    assert find_difference(saved, reordered, tolerance) is None
    reordered[3, 4] += 2e-3
    assert find_difference(saved, reordered, tolerance) is not None


def test_functions_that_round_nothing_are_exact() -> None:
    value = torch.ones(3)
    for name in ("__getitem__", "relu_", "torch.cat".rpartition(".")[2], "masked_fill_", "max_pool2d", "view"):
        assert tolerance_of(name, [value], value, None) is EXACT
    assert tolerance_of("argmax", [value], value.long(), None) is EXACT
    assert not tolerance_of("__iadd__", [value], value, None).is_exact


def test_a_change_outside_the_sample_is_seen() -> None:
    value = torch.randn(5000)
    other = value.clone()
    other[-1] += 1
    assert changed(value, other, lambda: EXACT)
    assert not changed(value, value.clone(), lambda: EXACT)


def test_a_change_between_not_a_numbers_is_seen() -> None:
    value = torch.full((5000,), float("nan"))
    other = value.clone()
    other[4000] = 1
    assert changed(value, other, lambda: EXACT)
    assert not changed(value, value.clone(), lambda: EXACT)
