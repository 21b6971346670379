"""Where does a word repeat itself?

Terms.  A *run* of period p in a word is an interval of at least 2p letters, each equal to the one p later as far as the
interval goes, that can be made no longer at either end, and for which no smaller p would do.  `abcabcab` is a run of
period 3; `aaaa` one of period 1 and no other.

Idea.  The smallest turn of the repeated block in alphabetical order (its Lyndon root) stands, in every run, at a
place from which it is the longest Lyndon word; that word ends where the next smaller suffix begins.  So: order all
suffixes, take for each place the distance to the next smaller suffix as a candidate period, and see how far the
repetition reaches to both sides.  One of the alphabet's two directions shows every run.  There are fewer runs than
letters, and long ones are rare: all their lengths together are O(n log n).

Suffixes are ordered by doubling: the *names* of length 2^(k+1) are the ranks of the pairs of names of length 2^k.
The same names answer "how far do the letters from x on agree with those from y on?" in log n steps, for all
candidates at once.  Cost O(n log^2 n), nearly all of it inside numpy.

Source: H. Bannai et al., "The runs theorem", SIAM J. Comput. 46 (2017).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def find_runs(word: Sequence[int]) -> list[tuple[int, int, int]]:
    """All runs of the word as (start, end, period), in order."""
    letters = np.asarray(word, dtype=np.int64)
    if len(letters) < 2:
        return []
    levels = _names(letters)
    starts: list[Numbers] = []
    periods: list[Numbers] = []
    for ranks in (levels[-1], _names(-letters)[-1]):
        start, period = _lyndon_words(ranks)
        starts.append(start)
        periods.append(period)
    start, period = np.concatenate(starts), np.concatenate(periods)
    end = start + period + _agreement(levels, start, start + period)
    start = start - _agreement_before(levels, start, start + period)
    found = np.stack((start, end, period), axis=1)[end - start >= 2 * period]
    return [(run[0], run[1], run[2]) for run in np.unique(found, axis=0).tolist()]


def _names(letters: Numbers) -> list[Numbers]:
    """Ranks of the words of length 1, 2, 4, ... at each place, until all differ; the word's end counts as smallest."""
    levels = [_ranks(letters)]
    length = 1
    while length < len(letters) and int(levels[-1].max()) < len(letters):
        names = levels[-1]
        following = np.zeros_like(names)
        following[:-length] = names[length:]
        levels.append(_ranks(names * (len(letters) + 1) + following))
        length *= 2
    return levels


def _ranks(values: Numbers) -> Numbers:
    """Rank of each value, from 1 on."""
    return np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64) + 1


def _lyndon_words(ranks: Numbers) -> tuple[Numbers, Numbers]:
    """Start and length of the longest Lyndon word at each place, where it ends before the word does."""
    following = [0] * len(ranks)
    open_places: list[int] = []
    values: list[int] = ranks.tolist()
    for place, rank in enumerate(values):
        while open_places and values[open_places[-1]] > rank:
            following[open_places.pop()] = place
        open_places.append(place)
    ends = np.array(following, dtype=np.int64)
    start = np.flatnonzero(ends).astype(np.int64)
    return start, ends[start] - start


def _agreement(levels: list[Numbers], one: Numbers, other: Numbers) -> Numbers:
    """How many letters from `one` on equal those from `other` on, `one` being the earlier place."""
    count = len(levels[0])
    agreed = np.zeros_like(one)
    for power in range(len(levels) - 1, -1, -1):
        length = 1 << power
        left, right = one + agreed, other + agreed
        fits = right + length <= count
        equal = levels[power][np.where(fits, left, 0)] == levels[power][np.where(fits, right, 0)]
        agreed += np.where(fits & equal, length, 0)
    return agreed


def _agreement_before(levels: list[Numbers], one: Numbers, other: Numbers) -> Numbers:
    """How many letters right before `one` equal those right before `other`, `one` being the earlier place."""
    agreed = np.zeros_like(one)
    for power in range(len(levels) - 1, -1, -1):
        length = 1 << power
        left, right = one - agreed - length, other - agreed - length
        fits = left >= 0
        equal = levels[power][np.where(fits, left, 0)] == levels[power][np.where(fits, right, 0)]
        agreed += np.where(fits & equal, length, 0)
    return agreed
