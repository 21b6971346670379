"""Which modules are drawn as one node?

A module call is *collapsed* when its depth is the one asked for, or when its address was asked for; its inside is then
one node, and whatever lies deeper does not matter.  A module that holds a single operation is a node already and is
never collapsed.

The *automatic depth* is the deepest one at which the drawing stays within a budget of nodes, because layout engines
are made for hundreds of nodes and readers for fewer.  It is found by counting alone: an operation is a node of its own
at every depth beyond its module path, and each call is one node at its own depth.  One sweep, linear in the
operations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from lens_viz._errors import OptionError, UnknownModuleError
from lens_viz._scene import Scene, depths
from lens_viz._text import shown

NODE_BUDGET = 500
"""Nodes that the automatic depth allows."""
EDGE_BUDGET = 1500
"""Edges that the automatic depth allows: beyond them neither reader nor layout engine finds a way through."""
DEEPEST = 60
"""Boxes inside each other that the automatic depth allows; engines take minutes for hundreds."""
FEWEST_NODES = 12
"""With fewer nodes than this a drawing says too little: the next depth is taken, and stretches are folded."""

Collapse = Sequence[str] | str | Callable[[str], bool]
"""Addresses, patterns such as `blocks.*`, or a function of the address."""


class Depth(Struct, frozen=True):
    """How deep a drawing goes."""

    level: int | None
    """Modules at this depth are collapsed; None for none."""
    deepest: int
    """The deepest module call there is."""
    is_automatic: bool
    """Whether it was chosen here."""
    counts: tuple[int, ...]
    """How many nodes each depth gives, from 0, where all is one node, to the last, where nothing is collapsed."""

    @property
    def shallower(self) -> int | None:
        """The deepest depth above this one that stays within the budget of nodes, None where there is none."""
        last = len(self.counts) - 1 if self.level is None else min(self.level, len(self.counts) - 1)
        fitting = [level for level in range(1, last) if self.counts[level] <= NODE_BUDGET]
        return fitting[-1] if fitting else None


def choose_depth(
    scene: Scene, operations: Sequence[int], depth: int | str | None, *, base: int, is_rolled: bool
) -> Depth:
    """Return the depth to draw at.

    Args:
        scene: What is drawn.
        operations: Indices of the operations that are visible.
        depth: What the user asked for: a number, `"auto"`, `"all"`, or None, which is `"auto"`.
        base: Depth of the module that is drawn, 0 for the whole model: depths are counted from it.
        is_rolled: Whether passes share a node.

    Raises:
        OptionError: Something else was asked for.
    """
    counts = count_nodes(scene, operations, is_rolled=is_rolled)[base:]
    deepest = len(counts) - 2
    if depth is None or depth == "auto":
        level = _deepest_within(counts)
        return Depth(None if level > deepest else level, deepest, is_automatic=True, counts=tuple(counts))
    if depth == "all":
        return Depth(None, deepest, is_automatic=False, counts=tuple(counts))
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise OptionError(f"depth is {depth!r}; give a number from 1 on, 'auto' or 'all'.")
    return Depth(None if depth > deepest else depth, deepest, is_automatic=False, counts=tuple(counts))


def _deepest_within(counts: Sequence[int]) -> int:
    last = len(counts) - 1
    fitting = [level for level in range(1, min(last, DEEPEST) + 1) if counts[level] <= NODE_BUDGET]
    if not fitting:
        return 1
    best = fitting[-1]
    return best + 1 if counts[best] < FEWEST_NODES and best < last else best


def count_nodes(scene: Scene, operations: Sequence[int], *, is_rolled: bool) -> list[int]:
    """Return how many nodes a drawing has at each depth; the last entry is for nothing collapsed."""
    depth_of = depths(scene)
    places = call_places(scene) if is_rolled else list(range(len(scene.calls)))
    levels = max((len(scene.operations[index].calls) for index in operations), default=0) + 2
    appear = [0] * (levels + 1)
    modules = [0] * (levels + 1)
    seen_layers: set[int] = set()
    seen_calls: set[int] = set()
    for index in operations:
        operation = scene.operations[index]
        inner = operation.calls[:-1] if operation.is_bottom_level else operation.calls
        if not is_rolled or operation.layer not in seen_layers:
            seen_layers.add(operation.layer)
            appear[len(inner) + 1] += 1
        for call in reversed(inner):
            if places[call] in seen_calls:
                break
            seen_calls.add(places[call])
            modules[depth_of[call]] += 1
    counts: list[int] = []
    own = 0
    for level in range(levels):
        own += appear[level]
        counts.append(own + modules[level])
    counts[0] = 1
    return counts


def call_places(scene: Scene) -> list[int]:
    """Return a number for each call that all calls at the same chain of addresses share.

    Chains, not addresses, because a module may be called inside itself or from several others.
    """
    known: dict[tuple[int | None, str], int] = {}
    places: list[int] = []
    for call in scene.calls:
        chain = (None if call.parent is None else places[call.parent], call.address)
        places.append(known.setdefault(chain, len(known)))
    return places


def collapsed_calls(scene: Scene, *, level: int | None, collapse: Collapse, base: int = 0) -> list[int | None]:
    """Return for each call the outermost collapsed call that it is or lies in, None where there is none.

    Raises:
        UnknownModuleError: A pattern matches no module that was called.
    """
    wanted = _matcher(scene, collapse)
    found: list[int | None] = []
    for index, (call, depth) in enumerate(zip(scene.calls, depths(scene), strict=True)):
        around = None if call.parent is None else found[call.parent]
        if around is None and depth > base and (depth - base == level or wanted(call.address)):
            around = index
        found.append(around)
    return found


def _matcher(scene: Scene, collapse: Collapse) -> Callable[[str], bool]:
    addresses = {call.address for call in scene.calls}
    if callable(collapse):
        wanted = {address for address in addresses if collapse(address)}
        return wanted.__contains__
    wanted: set[str] = set()
    for pattern in [collapse] if isinstance(collapse, str) else collapse:
        matching = {address for address in addresses if address == pattern or fnmatchcase(address, pattern)}
        if not matching:
            raise unknown_module(scene, pattern)
        wanted |= matching
    return wanted.__contains__


def unknown_module(scene: Scene, address: str) -> UnknownModuleError:
    """Return the error for a module that nobody called, with the nearest ones."""
    from difflib import get_close_matches

    known = list(dict.fromkeys(call.address for call in scene.calls))
    near = get_close_matches(address, known, n=3, cutoff=0.4) or known[:3]
    hint = f"Near it: {', '.join(shown(name) for name in near)}." if near else "The model calls no modules."
    return UnknownModuleError(f"No module called {shown(address)!r} ran in this forward pass. {hint}")
