"""Where does a sequence repeat itself, edges included?

An interval is *steady* at period p when each member is alike to the one p later and the edges among its members are
the same p later; operands from outside are free.  If the edges of the members t and t + p first differ in one that
reaches d back, then the two fit together exactly in intervals that start after t - d: from there that edge
comes from outside.

        t        0    1    2    3    4    5    6              word: relu add relu add relu add relu
                relu add  relu add  relu add  relu            edges: each reads its neighbour, each add reads 0 too
                  ^________/_________/

    The edges of 1 and 3 differ in one that reaches 1 back from 1, those of 3 and 5 in one that reaches 3 back:
    at period 2 steady intervals start after 0.

So a run of the signatures is cut into longest steady intervals from left to right: keep the earliest start that all
pairs so far allow; a pair that forbids it ends an interval and moves the start.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np

from lens_graph._loops_edges import Numbers, SequenceEdges

Interval = tuple[int, int, int]
"""Start, end and period."""

MULTIPLES = 16
"""How many multiples of a run's period are tried."""
OVERLAP = 8
"""Steady intervals of one run are examined, longest first, up to so many times the run's length."""
BATCH = 1 << 20
"""Pairs of members compared at a time."""
END = 1 << 62
"""After every end."""


def find_steady_intervals(edges: SequenceEdges, runs: Sequence[Interval]) -> list[Interval]:
    """Longest steady intervals at the runs' periods, and at multiples where these say more than a divisor does."""
    intervals: list[Interval] = []
    multiples: list[Interval] = []
    seen: list[tuple[Interval, dict[int, list[Interval]]]] = []
    for run, parts in zip(runs, _cut(edges, runs), strict=True):
        intervals += _longest_within(parts, run)
        start, end, period = run
        if run in parts:
            continue
        seen.append((run, {period: parts}))
        multiples += [(start, end, period * multiple) for multiple in _multiples(run)]
    cuts = _cut(edges, multiples)
    for run, by_period in seen:
        new: list[Interval] = []
        for multiple in _multiples(run):
            parts = next(cuts)
            new += [part for part in parts if not _is_explained(part, by_period)]
            by_period[run[2] * multiple] = parts
        intervals += _longest_within(new, run)
    return intervals


def _multiples(run: Interval) -> range:
    start, end, period = run
    return range(2, min((end - start) // (2 * period), MULTIPLES) + 1)


def _longest_within(parts: list[Interval], run: Interval) -> list[Interval]:
    """The parts of a run, or the longest ones where all together are `OVERLAP` times as long as the run."""
    room = OVERLAP * (run[1] - run[0])
    if sum([end - start for start, end, _ in parts]) <= room:
        return parts
    kept: list[Interval] = []
    for part in sorted(parts, key=lambda part: part[0] - part[1]):
        room -= part[1] - part[0]
        if room < 0:
            break
        kept.append(part)
    return kept


def _is_explained(part: Interval, by_period: dict[int, list[Interval]]) -> bool:
    """Whether the same interval is steady at a divisor of its period."""
    start, end, period = part
    for divisor, parts in by_period.items():
        if period % divisor == 0:
            # Longest intervals in order of their starts are in order of their ends too.
            before = bisect_right(parts, (start, END, 0))
            if before and end <= parts[before - 1][1]:
                return True
    return False


def _cut(edges: SequenceEdges, runs: Sequence[Interval]) -> Iterator[list[Interval]]:
    """The longest steady intervals of each run, runs compared in batches."""
    batch: list[Interval] = []
    pairs = 0
    for run in runs:
        batch.append(run)
        pairs += run[1] - run[0] - run[2]
        if pairs >= BATCH:
            yield from _cut_batch(edges, batch)
            batch, pairs = [], 0
    if batch:
        yield from _cut_batch(edges, batch)


def _cut_batch(edges: SequenceEdges, runs: Sequence[Interval]) -> Iterator[list[Interval]]:
    bounds = np.array(runs, dtype=np.int64)
    start, end, period = bounds[:, 0], bounds[:, 1], bounds[:, 2]
    counts = end - period - start
    before: Numbers = np.cumsum(counts) - counts
    member = np.arange(int(counts.sum()), dtype=np.int64) + np.repeat(start - before, counts)
    forbidden = member - edges.first_differences(member, member + np.repeat(period, counts))
    obstacles = np.flatnonzero(forbidden >= np.repeat(start, counts))
    bound = np.searchsorted(obstacles, np.append(before, len(member))).tolist()
    places: list[int] = member[obstacles].tolist()
    starts: list[int] = forbidden[obstacles].tolist()
    for index, run in enumerate(runs):
        low, high = bound[index], bound[index + 1]
        yield [run] if low == high else _split(run, places[low:high], starts[low:high])


def _split(run: Interval, places: list[int], forbidden: list[int]) -> list[Interval]:
    """Cut a run at the members in `places`, whose pairs forbid intervals to start at or before `forbidden`."""
    start, end, period = run
    parts: list[Interval] = []
    for place, last_forbidden in zip(places, forbidden, strict=True):
        if last_forbidden >= start:
            parts.append((start, place + period, period))
            start = last_forbidden + 1
    parts.append((start, end, period))
    return [part for part in parts if part[1] - part[0] >= 2 * period]
