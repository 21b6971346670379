"""Runs of a word against their definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lens_graph._loops_runs import find_runs


def runs_by_definition(word: list[int]) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    for period in range(1, len(word) // 2 + 1):
        start = 0
        while start + period < len(word):
            end = start
            while end + period < len(word) and word[end] == word[end + period]:
                end += 1
            is_new = not any(first <= start and end + period <= last and p < period for first, last, p in found)
            if end - start >= period and is_new:
                found.append((start, end + period, period))
            start = end + 1
    return sorted(found)


@given(st.integers(1, 3).flatmap(lambda size: st.lists(st.integers(0, size), max_size=24)))
def test_runs_are_what_the_definition_says(word: list[int]) -> None:
    assert find_runs(word) == runs_by_definition(word)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=6), st.integers(2, 9))
def test_a_repeated_block_is_covered_by_a_run(block: list[int], times: int) -> None:
    word = block * times
    assert any(start == 0 and end == len(word) and len(block) % period == 0 for start, end, period in find_runs(word))


def test_a_word_without_repeats_has_no_runs() -> None:
    assert find_runs(range(1000)) == []
    assert find_runs([]) == []
    assert find_runs([1]) == []


def test_there_are_fewer_runs_than_letters() -> None:
    word, following = [0], [0, 1]
    while len(word) < 2000:
        word, following = following, following + word
    assert 0 < len(find_runs(word)) < len(word)
