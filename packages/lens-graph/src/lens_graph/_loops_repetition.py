"""Which operations without parameters repeat as a block, and so form a loop?

Terms.  The *sequence* is what rule 3 looks at: operations without parameters that rules 1 and 2 left alone, in
execution order, inputs, buffers and constants skipped; any other operation breaks it.  An interval of it is *steady* at
period p when each member is alike to the one p later and the edges among its members are the same p later (see
`_loops_steady`).  Operands from outside are free.  A *loop* of period p is a longest steady interval that holds two
consecutive copies of p members, the first connected and with an edge to the second; what surrounds such copies may be
cut short, in front as well as behind.

    tan | cos relu mul | cos relu mul | cos relu | tan     p = 3: one loop of eight members, cos has three passes
    cos relu mul tan cos relu mul exp cos relu mul         no period at all

Periods.  A loop is a run of signatures (see `_loops_runs`), or lies in one at a multiple of its period, where
edges tell alike operations apart.

Blocks of one letter.  `a + b + c + d + e` is steady at p = 1, and then at 2 as well: no sign of a loop.  What is
steady at p = 1 counts only as a *real* loop: p members later the same place in the code comes again, and every operand
that is not carried from member to member is the same.  These are the runs in a second word, whose letters are the
place and the other operands: `tanh(tanh(x))` in a loop is two layers, a sum over a list no loop.  In general a loop's
period is no multiple of another one at which the same interval is steady.

Choice.  Loops that cover most operations are taken first, then those of smaller period, then earlier ones; a later
one must miss every taken one or lie inside one of its copies (a loop inside a loop).

Cost: O(n log^2 n), nearly all in numpy.  The limits in `_loops_steady` and `_loops_edges` keep hostile graphs, where
nearly steady intervals overlap by the thousand, from costing more; graphs of fewer than 100 operations never meet them.

Source: condition 3 of "Handling of recurrent operations" and Figure 3B.  The paper asks for adjacency only; that
copies be joined and single operations be real loops keeps feed-forward models from being called recurrent.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

from lens_graph._loops_edges import SequenceEdges, list_edges
from lens_graph._loops_node import LoopNode
from lens_graph._loops_runs import find_runs
from lens_graph._loops_steady import Interval, find_steady_intervals


def find_repetitions(nodes: Sequence[LoopNode], are_alone: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Pairs of nodes that rule 3 makes one layer; `are_alone` tells which the first two rules left alone."""
    sequence = _line_up(nodes, are_alone)
    if len(sequence) < 2:
        return
    edges = list_edges(nodes, sequence)
    signatures = _Letters()
    runs = find_runs([signatures.code(None if node < 0 else nodes[node].signature) for node in sequence])
    steady = find_steady_intervals(edges, runs)
    blocks = [interval for interval in steady if interval[2] > 1]
    singles = [interval for interval in steady if interval[2] == 1]
    candidates = {*blocks, *_find_real_loops(nodes, sequence, singles)}
    for start, end, period in _choose(candidates, edges):
        for place in range(start, end - period):
            yield sequence[place], sequence[place + period]


class _Letters:
    """Numbers for values, equal for equal values; None is never equal to anything."""

    def __init__(self) -> None:
        self.known: dict[Hashable, int] = {}

    def code(self, value: Hashable) -> int:
        count = len(self.known)
        return self.known.setdefault((None, count) if value is None else value, count)


def _line_up(nodes: Sequence[LoopNode], are_alone: Sequence[bool]) -> list[int]:
    """The sequence as node indices; -1, never twice in a row, where it is broken or nothing can repeat."""
    counts: dict[int | None, int] = {}
    for node in nodes:
        counts[node.signature] = counts.get(node.signature, 0) + 1
    sequence: list[int] = []
    for index, node in enumerate(nodes):
        if node.has_parameters or not are_alone[index] or (node.signature is not None and counts[node.signature] == 1):
            if sequence and sequence[-1] >= 0:
                sequence.append(-1)
        elif node.signature is not None:
            sequence.append(index)
    return sequence


def _find_real_loops(
    nodes: Sequence[LoopNode], sequence: Sequence[int], singles: Sequence[Interval]
) -> Iterator[Interval]:
    """Runs of the place in the code and the operands from outside, in intervals steady at period 1."""
    letters = _Letters()
    place_of = {node: place for place, node in enumerate(sequence)}
    word: list[int] = []
    places: list[int] = []
    for start, end, _ in singles:
        members = [nodes[sequence[place]] for place in range(start, end)]
        carried = {
            argument
            for member in members
            for parent, argument in member.parents
            if start <= place_of.get(parent, -1) < end
        }
        for place, member in enumerate(members, start):
            operands = tuple([parent for parent in member.parents if parent[1] not in carried])
            word.append(letters.code(None if member.site is None else (member.site, operands)))
            places.append(place)
        word.append(letters.code(None))
        places.append(-1)
    for start, end, period in find_runs(word):
        yield places[start], places[start] + end - start, period


def _choose(candidates: Iterable[Interval], edges: SequenceEdges) -> Iterator[Interval]:
    """The candidates that are loops and stand: most operations first, then smaller period, then earlier."""
    owners: list[tuple[int, int] | None] = [None] * len(edges.backs)
    for start, end, period in sorted(candidates, key=lambda loop: (loop[0] - loop[1], loop[2], loop[0])):
        owner = owners[start]
        # No taken loop is smaller, so one that meets this interval meets one of its ends.
        if owner is not owners[end - 1]:
            continue
        if owner is not None:
            first, size = owner
            if (start - first) // size != (end - 1 - first) // size:
                continue
        first_copy = edges.first_copy(start, end, period)
        if first_copy is not None:
            owners[start:end] = [(first_copy, period)] * (end - start)
            yield start, end, period
