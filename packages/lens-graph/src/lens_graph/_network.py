"""How are graph-theoretic questions asked?

`history.graph` is the graph of operations in rustworkx, whose node numbers are places in `history.operations`.  How
many convolutions lie between two layers, and what does everything pass through?

    import rustworkx as rx

    start, end = history["relu_1"].passes[0].node, history["linear_1"].passes[0].node
    between = rx.descendants(history.graph, start) & rx.ancestors(history.graph, end)
    sum(history.operations[node].layer_type == "conv2d" for node in between)

    rx.immediate_dominators(history.graph, history["input_1"].passes[0].node)

This is the only module that knows rustworkx.  The pipeline does without it: its nodes are numbered in execution order,
so that each step is one sweep.
"""

from __future__ import annotations

import rustworkx as rx

from lens_graph._interpretation import Interpretation, short_name
from lens_graph._links import links_into


def make_network(facts: Interpretation) -> rx.PyDiGraph[str, tuple[int | str, ...]]:
    """Build the graph: labels on the nodes, argument positions and names on the edges."""
    count = len(facts.graph.parents)
    network: rx.PyDiGraph[str, tuple[int | str, ...]] = rx.PyDiGraph(multigraph=False)
    network.add_nodes_from([short_name(facts, node) for node in range(count)])
    for node in range(count):
        arguments: dict[int, list[int | str]] = {}
        for link in links_into(facts, node):
            arguments.setdefault(link.parent, []).append(link.argument)
        network.add_edges_from([(parent, node, tuple(found)) for parent, found in arguments.items()])
    return network
