"""Which operations are one layer because of their parameters, and which by standing next to such?

Terms.  The *neighbours* of an operation are its parents and its children.  Each has a *place*: direction, argument
position of the edge, signature of the neighbour, and k, its rank among the neighbours that share these three, in
execution order.  One operation has at most one neighbour at a place.

Idea.  Rule 1 unites alike operations with parameters.  Rule 2 says: where two operations of one layer both have a
neighbour at a place, the two neighbours are one layer.  That is a unification: every class keeps a *table* from place
to one neighbour, which stands for the neighbours of all its members there.  To unite two classes, pour the smaller
table into the larger; where both have a neighbour at a place, these two are to be united as well and wait on a stack.

        L1 ---> cos ---> add          L1, L2 united by rule 1.  Tables: {child cos: .., parent sin: ..} of both,
        L2 ---> cos ---> mul          so the two cos are united, then their tables are poured together:
                                      {child add: .., parent L: ..} and {child mul: ..}: nothing meets, growth stops.

Every union lowers the number of classes, so it ends.  An entry moves only into a table at least as large as its own,
so at most log2(edges) times: O(edges log edges) in all, whatever the fan-out or the number of passes.

Source: conditions 1 and 2 of "Handling of recurrent operations" and of the fifth step of "Post-processing".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from lens_graph._loops_node import LoopNode
from lens_graph._loops_partition import Partition


def grow_layers(nodes: Sequence[LoopNode], partition: Partition) -> None:
    """Unite in `partition` what rules 1 and 2 make one layer."""
    pending = _pairs_with_equal_parameters(nodes)
    if not pending:
        return
    first, places, neighbours = _list_neighbours(nodes)
    tables: dict[int, dict[int, int]] = {}

    def take_table(root: int) -> dict[int, int]:
        table = tables.pop(root, None)
        if table is None:
            edges = slice(first[root], first[root + 1])
            table = dict(zip(places[edges], neighbours[edges], strict=True))
        return table

    find, above = partition.find, partition.above
    while pending:
        one, other = pending.pop()
        one, other = find(one), find(other)
        if one == other:
            continue
        small, large = take_table(one), take_table(other)
        if len(small) > len(large):
            one, other, small, large = other, one, large, small
        above[one] = other
        tables[other] = large
        for place, neighbour in small.items():
            known = large.setdefault(place, neighbour)
            if known != neighbour:
                pending.append((known, neighbour))


def _pairs_with_equal_parameters(nodes: Sequence[LoopNode]) -> list[tuple[int, int]]:
    firsts: dict[int, int] = {}
    pairs: list[tuple[int, int]] = []
    for index, node in enumerate(nodes):
        if node.has_parameters and node.signature is not None:
            known = firsts.setdefault(node.signature, index)
            if known != index:
                pairs.append((known, index))
    return pairs


def _list_neighbours(nodes: Sequence[LoopNode]) -> tuple[list[int], list[int], list[int]]:
    """Per node a slice `first[node]:first[node + 1]` of places and of the neighbours there.

    Neighbours that nothing else is alike to can never be united, so they are left out.
    """
    kinds: dict[int | None, int] = {}
    letters = np.array([kinds.setdefault(node.signature, len(kinds)) for node in nodes], dtype=np.int64)
    is_repeated = np.bincount(letters, minlength=len(kinds)) > 1
    if None in kinds:
        is_repeated[kinds[None]] = False
    counts = np.array([len(node.parents) for node in nodes], dtype=np.int64)
    edges = np.array(list(chain.from_iterable(node.parents for node in nodes)), dtype=np.int64).reshape(-1, 2)
    parent, position = edges[:, 0], np.unique(edges[:, 1], return_inverse=True)[1].reshape(-1)
    child = np.repeat(np.arange(len(nodes), dtype=np.int64), counts)

    owner = np.concatenate((parent, child))
    other = np.concatenate((child, parent))
    way = np.concatenate((position * 2, position * 2 + 1))
    kept = is_repeated[letters[other]]
    owner, other, way = owner[kept], other[kept], way[kept]
    kind = np.unique(way * len(kinds) + letters[other], return_inverse=True)[1].reshape(-1)

    order = np.lexsort((other, kind, owner))
    owner, other, kind = owner[order], other[order], kind[order]
    is_new_group = np.ones(len(owner), dtype=bool)
    is_new_group[1:] = (owner[1:] != owner[:-1]) | (kind[1:] != kind[:-1])
    # One value may reach one argument twice (through two views); it is one child all the same.
    is_new = is_new_group.copy()
    is_new[1:] |= other[1:] != other[:-1]
    owner, other, kind, is_new_group = owner[is_new], other[is_new], kind[is_new], is_new_group[is_new]

    index = np.arange(len(owner), dtype=np.int64)
    rank = index - np.maximum.accumulate(np.where(is_new_group, index, 0))
    place = kind * (int(rank.max(initial=0)) + 1) + rank
    first = np.searchsorted(owner, np.arange(len(nodes) + 1, dtype=np.int64))
    return first.tolist(), place.tolist(), other.tolist()
