"""Memory is laid out again as it was, and every byte knows who wrote it."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_trace import Geometry
from lens_validate._layout import compose, geometry_of, owners


def test_a_write_through_a_view_shows_in_the_base() -> None:
    base = torch.arange(6.0).view(2, 3)
    seen = compose((geometry_of(base), base), [(Geometry((3,), (1,), 3, "float32"), torch.zeros(3))], geometry_of(base))
    assert torch.equal(seen, torch.tensor([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]))


def test_later_writes_win() -> None:
    base, place = torch.ones(4), Geometry((2,), (1,), 1, "float32")
    layers = [(place, torch.full((2,), 5.0)), (Geometry((2,), (1,), 2, "float32"), torch.full((2,), 7.0))]
    assert compose((geometry_of(base), base), layers, geometry_of(base)).tolist() == [1, 5, 7, 7]


def test_another_dtype_through_the_same_memory() -> None:
    base = torch.ones(2)
    bits = Geometry((1,), (1,), 1, "int32")
    seen = compose((geometry_of(base), base), [(bits, torch.zeros(1, dtype=torch.int32))], geometry_of(base))
    assert seen.tolist() == [1.0, 0.0]


def test_far_offsets_need_little_memory() -> None:
    far = Geometry((2,), (1,), 10**12, "float64")
    assert compose((far, torch.ones(2, dtype=torch.float64)), [], far).tolist() == [1, 1]


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(1, 4)), max_size=4))
@settings(deadline=None)
def test_owners_are_what_plain_slices_say(writes: list[tuple[int, int]]) -> None:
    expected = torch.zeros(12, dtype=torch.int16)
    geometries: list[Geometry] = []
    for number, (start, length) in enumerate(writes, 1):
        expected[start : start + length] = number
        geometries.append(Geometry((length,), (1,), start, "float32"))
    whole = Geometry((12,), (1,), 0, "float32")
    found = owners(whole, geometries, whole, torch.device("cpu"))
    assert torch.equal(found[:, 0], expected)
    assert (found == found[:, :1]).all()
