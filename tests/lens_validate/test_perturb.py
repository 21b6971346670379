"""Replacements are of the value's own kind, reach the interesting points, and touch no global state."""

from __future__ import annotations

import itertools

import pytest
import torch

from lens_validate._perturb import Noise, like_draws, poisons, wide_draws

VALUES = [
    torch.randn(4, 5),
    torch.randn(4, 5, dtype=torch.float64),
    torch.randn(7).half(),
    torch.randn(2, 3).bfloat16(),
    torch.randn(3, dtype=torch.complex64),
    torch.randint(-5, 9, (3, 4)),
    torch.randint(0, 9, (6,), dtype=torch.uint8),
    torch.tensor([True, False, True]),
    torch.tensor(3.5),
    torch.tensor(2),
    torch.full((3,), -float("inf")),
    torch.zeros(4),
    torch.empty(0, 3),
    torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{v.dtype}{list(v.shape)}")
def test_draws_have_the_kind_of_the_value_and_leave_it_alone(value: torch.Tensor) -> None:
    before, noise = value.clone(), Noise(0)
    draws = itertools.chain(like_draws(value, noise), wide_draws(value, noise, [0.5, 3.0], [torch.ones(2)]))
    for draw in draws:
        drawn = draw()
        assert drawn.shape == value.shape
        assert drawn.dtype == value.dtype
    assert torch.equal(before.nan_to_num(), value.nan_to_num())


def test_floats_cross_zero_at_their_own_scale() -> None:
    value = torch.rand(100) * 1e-4 + 1e-4
    drawn = next(like_draws(value, Noise(0)))()
    assert (drawn > 0).any()
    assert (drawn < 0).any()
    assert drawn.abs().max() < 1e-3


def test_indices_stay_valid() -> None:
    value = torch.tensor([0, 4, 2])
    draws = [draw() for draw in like_draws(value, Noise(0), bound=5)]
    assert draws
    for drawn in draws:
        assert drawn.min() >= 0
        assert drawn.max() < 5
    assert not torch.equal(draws[0], value)


def test_booleans_are_flipped_first() -> None:
    value = torch.tensor([True, False])
    assert torch.equal(next(like_draws(value, Noise(0)))(), ~value)


def test_both_parts_of_a_complex_number_change() -> None:
    value = torch.randn(50, dtype=torch.complex64)
    drawn = next(like_draws(value, Noise(0)))()
    assert (drawn.real != value.real).all()
    assert (drawn.imag != value.imag).all()


def test_wide_draws_go_around_the_numbers_given() -> None:
    value = torch.rand(50)
    draws = [draw() for draw in wide_draws(value, Noise(0), [1000.0], [])]
    assert any((drawn > 1000).any() for drawn in draws)
    assert any((drawn < -1000).any() for drawn in draws)
    assert any((drawn == 1000).any() for drawn in draws)


def test_draws_are_the_same_for_a_seed_and_leave_the_global_state() -> None:
    state = torch.get_rng_state()
    value = torch.ones(200_000)
    first = next(like_draws(value, Noise(4)))()
    assert torch.equal(first, next(like_draws(value, Noise(4)))())
    assert not torch.equal(first, next(like_draws(value, Noise(5)))())
    assert torch.equal(state, torch.get_rng_state())


def test_poison_differs_from_any_value() -> None:
    for value in (torch.zeros(3), torch.tensor([1, 2]), torch.tensor([True])):
        assert any(not torch.equal(poison, value) for poison in poisons(value))


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor, torch.quantize_per_channel")
def test_quantized_draws_reach_both_ends_of_the_range() -> None:
    plain = torch.rand(4, 5)
    values = [
        torch.quantize_per_tensor(plain, 0.1, 3, torch.quint8),
        torch.quantize_per_channel(plain, torch.rand(4) + 0.1, torch.zeros(4, dtype=torch.long), 0, torch.qint8),
    ]
    for value in values:
        drawn = [draw() for draw in like_draws(value, Noise(0))]
        assert all(d.qscheme() == value.qscheme() and d.dtype == value.dtype for d in drawn)
        limits = torch.iinfo(value.int_repr().dtype)
        assert {limits.min, limits.max} <= {int(n) for d in drawn for n in d.int_repr().flatten()}
        assert len({str(d.int_repr().tolist()) for d in drawn}) == len(drawn)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks:UserWarning")  # torch 2.11 says so once
def test_sparse_draws_change_the_places_too() -> None:
    value = torch.eye(4)[:3].to_sparse().coalesce()
    drawn = [draw().coalesce() for draw in like_draws(value, Noise(0))]
    assert any(d.indices().shape == value.indices().shape and (d.indices() != value.indices()).any() for d in drawn)
    assert any(d.indices().shape != value.indices().shape for d in drawn)


def test_whole_numbers_without_arithmetic_are_drawn_like_others() -> None:
    for dtype in (torch.uint16, torch.uint32, torch.uint64):
        value = torch.tensor([1, 2, 60_000]).to(dtype)
        drawn = [
            draw() for draw in itertools.chain(like_draws(value, Noise(0)), wide_draws(value, Noise(0), [3.0], []))
        ]
        assert all(d.dtype == dtype and d.shape == value.shape for d in drawn)
        assert any(not torch.equal(d, value) for d in drawn)
