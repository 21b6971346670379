"""Which operations only decide which way the model goes?

A *terminal bool* is a single value that feeds no operation and was used to decide: either its truth was read (the
recorded `bool` read proves it, whatever its dtype), or it is of Boolean dtype and nothing else can have been meant by
it.  Walking back from it, everything up to the first operation that is an ancestor of an output was computed for the
sake of the decision: it is *in a conditional branch*, and the edge that leaves that ancestor *starts the IF*.

        x ---> relu ---> output          relu is an ancestor of the output;
               relu ---> mean ---> gt    relu->mean starts the IF; mean and gt are in the branch, gt is terminal

Where the whole computation hangs on nothing that reaches an output, the edges that leave its sources start the IF.

Source: "Post-processing the model's computational graph", third step, and Figure 2F.  The paper guesses from the graph
alone; here the reads confirm it, so that a scalar of another dtype counts and a Boolean whose value was fetched as data
(`.item() > 3`) draws no IF.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from lens_graph._distances import Distances
from lens_graph._graph import Graph
from lens_trace import Trace

_TRUTH_READS = frozenset({"bool", "is_nonzero"})


class Branches(Struct, frozen=True):
    """The conditionals of a forward pass."""

    terminal_bools: tuple[int, ...]
    """Nodes whose value decided something and went nowhere else."""
    in_branch: frozenset[int]
    """Nodes that were computed for such a decision only, terminal bools included."""
    starts: frozenset[tuple[int, int]]
    """Edges (parent, child) at which an IF begins."""
    reads: dict[int, tuple[int, ...]]
    """For each node that was read out of the tensor world, the indices of the reads in `Trace.reads`."""


def find_branches(graph: Graph, distances: Distances, trace: Trace) -> Branches:
    """Find the terminal bools and what was computed for them."""
    reads = _reads_by_node(graph, trace)
    truths = {node for node, found in reads.items() if any(trace.reads[i].kind in _TRUTH_READS for i in found)}
    terminal = tuple(
        node
        for node, children in enumerate(graph.children)
        if not children and _is_terminal_bool(trace, graph.operations[node], is_truth_read=node in truths)
    )
    in_branch, starts = _walk_back(graph, distances.min_from_output, terminal)
    return Branches(terminal, frozenset(in_branch), frozenset(starts), reads)


def _reads_by_node(graph: Graph, trace: Trace) -> dict[int, tuple[int, ...]]:
    reads: dict[int, list[int]] = {}
    for index, read in enumerate(trace.reads):
        for parent in {parent.operation: None for parent in read.parents}:
            node = graph.node_of[parent] if 0 <= parent < len(graph.node_of) else -1
            if node >= 0:
                reads.setdefault(node, []).append(index)
    return {node: tuple(found) for node, found in reads.items()}


def _is_terminal_bool(trace: Trace, operation_id: int, *, is_truth_read: bool) -> bool:
    operation = trace.operations[operation_id]
    if operation.kind == "output" or any(size != 1 for size in operation.output.shape):
        return False
    return is_truth_read or (operation.kind == "call" and operation.output.dtype == "bool")


def _walk_back(
    graph: Graph, to_output: Sequence[int | None], terminal: Sequence[int]
) -> tuple[set[int], set[tuple[int, int]]]:
    in_branch: set[int] = set()
    starts: set[tuple[int, int]] = set()
    for end in terminal:
        if end in in_branch:
            continue
        in_branch.add(end)
        waiting, sources, has_start = [end], list[int](), False
        while waiting:
            node = waiting.pop()
            if not graph.parents[node]:
                sources.append(node)
            for parent in graph.parents[node]:
                if to_output[parent] is not None:
                    starts.add((parent, node))
                    has_start = True
                elif parent in in_branch:
                    # Another decision shares this part; its IF has begun there already.
                    has_start = True
                else:
                    in_branch.add(parent)
                    waiting.append(parent)
        if not has_start:
            starts.update((source, child) for source in sources for child in graph.children[source])
    return in_branch, starts
