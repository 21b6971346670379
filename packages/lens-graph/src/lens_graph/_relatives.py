"""Who are the relatives of an operation?

*Ancestors* are all nodes from which a way leads to the operation, *descendants* all that it leads to; neither contains
the operation itself.  *Siblings* share a parent with it, *spouses* share a child.  Stored for every operation these
lists would be quadratic, so each is computed when asked, at the cost of the part of the graph that it covers.
"""

from __future__ import annotations

from collections.abc import Sequence

from lens_graph._graph import Graph


def ancestors(graph: Graph, node: int) -> list[int]:
    """All nodes from which a way leads here, in execution order."""
    return _reach(graph.parents, node)


def descendants(graph: Graph, node: int) -> list[int]:
    """All nodes to which a way leads from here, in execution order."""
    return _reach(graph.children, node)


def siblings(graph: Graph, node: int) -> list[int]:
    """Nodes that share a parent with this one, in execution order."""
    return _meet(graph.parents, graph.children, node)


def spouses(graph: Graph, node: int) -> list[int]:
    """Nodes that share a child with this one, in execution order."""
    return _meet(graph.children, graph.parents, node)


def _reach(edges: Sequence[tuple[int, ...]], start: int) -> list[int]:
    seen: set[int] = set()
    waiting = list(edges[start])
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting.extend(edges[node])
    return sorted(seen)


def _meet(there: Sequence[tuple[int, ...]], back: Sequence[tuple[int, ...]], node: int) -> list[int]:
    found = {other for middle in there[node] for other in back[middle]}
    found.discard(node)
    return sorted(found)
