"""Words and numbers that people read."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lens_viz import _engine, _text, _theme
from lens_viz._text import human_bytes, ranges, shown


@pytest.mark.parametrize("module", [_engine, _text, _theme], ids=lambda module: module.__name__)
def test_examples_in_docstrings_hold(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("nbytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KB"), (233_100_000, "222.3 MB"), (1024**5 * 2, "2.0 PB")],
)
def test_sizes_are_human(nbytes: int, text: str) -> None:
    assert human_bytes(nbytes) == text


@given(st.sets(st.integers(1, 60), min_size=1))
def test_ranges_say_exactly_the_numbers(numbers: set[int]) -> None:
    told: set[int] = set()
    for part in ranges(numbers).split(","):
        first, _, last = part.partition("-")
        told |= set(range(int(first), int(last or first) + 1))
    assert told == numbers
    assert all(len(part.split("-")) <= 2 for part in ranges(numbers).split(","))


@given(st.text())
def test_what_is_shown_is_one_clean_short_line(text: str) -> None:
    line = shown(text)
    assert len(line) <= 64
    assert not any(character in line for character in "\x00\n\r\t\x1b\u202e\u2028")
    line.encode("utf-8")
