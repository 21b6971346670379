"""How far is each operation from the inputs and from the outputs?

The *distance* between two operations counts edges: an input is at 0 from the inputs, an operation that reads it at 1;
an output is at 0 from the outputs.  There is a shortest and a longest way, and none at all where no path leads: those
are None.  One sweep forwards and one backwards suffice, because parents come before their children.

Source: "Post-processing the model's computational graph", second step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from lens_graph._graph import Graph


class Distances(Struct, frozen=True, gc=False):
    """Edges from the inputs and to the outputs, for each node."""

    min_from_input: tuple[int | None, ...]
    """Along the shortest way from any input; None where none leads here."""
    max_from_input: tuple[int | None, ...]
    """Along the longest way from any input."""
    min_from_output: tuple[int | None, ...]
    """Along the shortest way to any output; None where none is reached."""
    max_from_output: tuple[int | None, ...]
    """Along the longest way to any output."""


def measure_distances(graph: Graph) -> Distances:
    """Measure every node's distances in two sweeps."""
    count = len(graph.parents)
    near, far = _sweep(range(count), graph.parents, graph.inputs)
    near_output, far_output = _sweep(range(count - 1, -1, -1), graph.children, graph.outputs)
    return Distances(near, far, near_output, far_output)


def _sweep(
    order: Iterable[int], before: Sequence[tuple[int, ...]], starts: Sequence[int]
) -> tuple[tuple[int | None, ...], tuple[int | None, ...]]:
    near: list[int | None] = [None] * len(before)
    far: list[int | None] = [None] * len(before)
    for start in starts:
        near[start] = far[start] = 0
    for node in order:
        shortest, longest = near[node], far[node]
        for other in before[node]:
            step, stretch = near[other], far[other]
            if step is None or stretch is None:
                continue
            if shortest is None or step + 1 < shortest:
                shortest = step + 1
            if longest is None or stretch + 1 > longest:
                longest = stretch + 1
        near[node], far[node] = shortest, longest
    return tuple(near), tuple(far)
