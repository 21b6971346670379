"""How much memory will it take to keep these layers?

The records of a pass, also of one that kept nothing, tell what a pass that keeps some layers needs, moment by moment:
what the forward holds itself (`lens_graph._storages`), and what is kept:

* each storage once, however many views of it are kept;
* once more for each write to it in between, because a value from before a write is kept as it was;
* shared with the forward as long as both want the same, else beside it;
* a value whose type changes, or that something else is made of, in memory of its own from the start;
* what was there before the pass, an input or a view of a parameter, in copies at the end, its views together in no more
  than the whole takes.

What was there before, parameters, buffers and inputs, is not counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from itertools import accumulate

from msgspec import Struct

from lens_graph._interpretation import Interpretation, operation_at
from lens_graph._operation import OperationEntry
from lens_graph._storages import Key, Storages, find_storages
from lens_graph._text import human_bytes

_FLOATING = re.compile(r"b?float\d|complex\d")
_BITS = re.compile(r"\d+")


class Estimate(Struct, frozen=True):
    """What it takes to keep some layers, in bytes."""

    kept_nbytes: int
    """What is held afterwards: distinct storages, views counted once."""
    peak_nbytes: int
    """The most that the pass holds at one moment, kept values among it, beyond what was there before."""
    forward_nbytes: int
    """The same when nothing is kept: what the model's own forward needs."""
    layers: tuple[tuple[str, int], ...]
    """Bytes of each layer that is kept, largest first; a layer whose memory another one shows already has none."""

    def __repr__(self) -> str:
        largest = ", ".join(f"{label} {human_bytes(nbytes)}" for label, nbytes in self.layers[:3])
        return (
            f"keeps {human_bytes(self.kept_nbytes)}, needs {human_bytes(self.peak_nbytes)} at most "
            f"({human_bytes(self.forward_nbytes)} for the forward alone)" + (f"; largest: {largest}" if largest else "")
        )


def estimate(
    facts: Interpretation,
    chosen: Collection[int],
    *,
    dtype: str | None = None,
    stored_nbytes: Callable[[OperationEntry], int] | None = None,
    stop_early: bool = False,
) -> Estimate:
    """Tell what it takes to keep the values of these operations.

    Args:
        facts: What is known of the model.
        chosen: Operation ids.
        dtype: Floating type of the kept values, if it is another.
        stored_nbytes: Bytes of what is kept in place of an operation's value, before the dtype applies.
        stop_early: Whether the pass ends after the last of them.

    Cost: linear in operations, edges and module calls.
    """
    storages = find_storages(facts.trace)
    end = max(chosen, default=-1) + 1 if stop_early else len(facts.trace.operations)
    forward = _forward(storages, end)
    alone = max(accumulate(forward))
    kept, pieces = 0, dict[int, int]()
    for node in (facts.graph.node_of[operation] for operation in sorted(chosen)):
        pieces[node] = 0
    changes = list(forward)
    own = _own_copies(facts, pieces, dtype, stored_nbytes)
    shared = _shared(facts, storages, [node for node in pieces if node not in own], end)
    for node, nbytes, since in [*((n, b, facts.graph.operations[n]) for n, b in own.items()), *shared]:
        pieces[node] += nbytes
        kept += nbytes
        if since <= end:
            changes[since] += nbytes
    by_layer: dict[str, int] = {}
    for node, nbytes in pieces.items():
        label = facts.labels.names[facts.labels.layer_of[node]]
        by_layer[label] = by_layer.get(label, 0) + nbytes
    ordered = sorted(by_layer.items(), key=lambda item: -item[1])
    return Estimate(kept, max(accumulate(changes)), alone, tuple(ordered))


def _forward(storages: Storages, end: int) -> list[int]:
    """By how many bytes each operation changes what the forward holds; the last entry stands for the end."""
    changes = [0] * (end + 1)
    lives = [
        (nbytes, storages.born[key], storages.ends[key])
        for key, nbytes in storages.nbytes.items()
        if key not in storages.outside
    ]
    for nbytes, first, last in (*lives, *storages.moments):
        if first < end:
            changes[first] += nbytes
            if last < end:
                changes[last + 1] -= nbytes
    return changes


def _own_copies(
    facts: Interpretation,
    nodes: Collection[int],
    dtype: str | None,
    stored_nbytes: Callable[[OperationEntry], int] | None,
) -> dict[int, int]:
    """The nodes whose value is kept in another form, with its bytes."""
    found: dict[int, int] = {}
    for node in nodes:
        output = operation_at(facts, node).output
        is_transformed = stored_nbytes is not None and operation_at(facts, node).kind != "buffer"
        nbytes = stored_nbytes(OperationEntry(facts, node)) if stored_nbytes and is_transformed else output.nbytes
        if dtype is not None and _can_be_cast(output.dtype, dtype):
            nbytes = nbytes * _bits(dtype) // _bits(output.dtype)
        if is_transformed or dtype is not None:  # a dtype makes a copy of every value, also of one that has it already
            found[node] = nbytes
    return found


def _shared(facts: Interpretation, storages: Storages, nodes: Collection[int], end: int) -> list[tuple[int, int, int]]:
    """The nodes whose value is kept as it is, with its bytes and the moment from which it needs memory of its own."""
    found: list[tuple[int, int, int]] = []
    seen: set[tuple[Key, int]] = set()
    left = {key: storages.nbytes[key] for key in storages.outside}
    for node in nodes:
        record = operation_at(facts, node)
        key = storages.of[record.id]
        if key in storages.outside:
            nbytes = min(record.output.nbytes, left[key])
            left[key] -= nbytes
            found.append((node, nbytes, end))
            continue
        epoch = storages.epoch(record.id)
        nbytes = 0 if (key, epoch) in seen else storages.nbytes[key]
        seen.add((key, epoch))
        written = storages.writes.get(key, [])
        until = written[epoch] if epoch < len(written) else storages.ends[key] + 1
        found.append((node, nbytes, max(until, record.id)))
    return found


def _can_be_cast(before: str, after: str) -> bool:
    return bool(_FLOATING.match(before)) and (before.startswith("complex") <= after.startswith("complex"))


def _bits(dtype: str) -> int:
    found = _BITS.search(dtype)
    return int(found[0]) if found else 8
