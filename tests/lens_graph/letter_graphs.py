"""Graphs written in letters, and layers found straight from the definition.

    ~x cos lin! add(lin) sin cos lin! add

Each word is a node: a function name, which reads the node before it.  `~` marks a source (an input or buffer), `!` a
function with parameters, `name=cos` names a node, `add(h,x)` reads named nodes (the latest so named; a plain function
name names its node too), `cos()` reads nothing, `cos@3` stands at the place 3 in the code; otherwise each word has
a place of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import combinations

from lens_graph._loops import LoopNode, find_layers

WORD = re.compile(
    r"(?:(?P<name>\w+)=)?(?P<source>~)?(?P<letter>[\w.]+)(?P<parameters>!)?(?:\((?P<parents>[^)]*)\))?(?:@(?P<site>\w+))?"
)


def parse(text: str) -> list[LoopNode]:
    signatures: dict[str, int] = {}
    named: dict[str, int] = {}
    sites: dict[str, int] = {}
    nodes: list[LoopNode] = []
    for index, word in enumerate(text.split()):
        match = WORD.fullmatch(word)
        assert match is not None, word
        letter = match["letter"] + (match["parameters"] or "")
        parents: list[int] = [index - 1] if index else []
        if match["source"]:
            parents = []
        elif match["parents"] is not None:
            parents = [named[name] for name in match["parents"].split(",") if name]
        nodes.append(
            LoopNode(
                signature=None if match["source"] else signatures.setdefault(letter, len(signatures)),
                parents=tuple((parent, position) for position, parent in enumerate(parents)),
                has_parameters=bool(match["parameters"]),
                site=sites.setdefault(match["site"] or f"word {index}", len(sites)),
            )
        )
        named[match["letter"]] = index
        if match["name"]:
            named[match["name"]] = index
    return nodes


def rolled(text: str) -> str:
    """The layers of a graph: each word's function and, where its layer has several passes, the first one's index."""
    nodes = parse(text)
    layers = find_layers(nodes)
    words = [match["letter"] for word in text.split() if (match := WORD.fullmatch(word))]
    return " ".join(
        f"{word}:{layers[:index].count(layer) + 1}" if layers.count(layer) > 1 else word
        for index, (word, layer) in enumerate(zip(words, layers, strict=True))
    )


def passes(text: str) -> dict[str, list[int]]:
    """How many passes the layers of each function have, in order of the layers' first passes."""
    layers = find_layers(parse(text))
    words = [match["letter"] for word in text.split() if (match := WORD.fullmatch(word))]
    counts: dict[str, list[int]] = {}
    for layer in sorted(set(layers)):
        counts.setdefault(words[layers.index(layer)], []).append(layers.count(layer))
    return counts


# --- the definition, word for word, for small graphs ---


def layers_by_definition(nodes: Sequence[LoopNode]) -> tuple[int, ...]:
    classes = [{index} for index in range(len(nodes))]

    def unite(one: int, other: int) -> bool:
        left = next(group for group in classes if one in group)
        right = next(group for group in classes if other in group)
        if left is right:
            return False
        classes.remove(right)
        left |= right
        return True

    for one, other in combinations(range(len(nodes)), 2):
        if nodes[one].has_parameters and nodes[one].signature is not None and alike(nodes, one, other):
            unite(one, other)
    while any(
        unite(*pair)
        for group in [sorted(group) for group in classes if len(group) > 1]
        for one, other in combinations(group, 2)
        for pair in _matching_neighbours(nodes, one, other)
    ):
        pass
    alone = {min(group) for group in classes if len(group) == 1}
    for one, other in _repeated(nodes, alone):
        unite(one, other)
    firsts = sorted(min(group) for group in classes)
    number = {index: firsts.index(min(group)) for group in classes for index in group}
    return tuple(number[index] for index in range(len(nodes)))


def alike(nodes: Sequence[LoopNode], one: int, other: int) -> bool:
    return nodes[one].signature is not None and nodes[one].signature == nodes[other].signature


def _matching_neighbours(nodes: Sequence[LoopNode], one: int, other: int) -> Iterable[tuple[int, int]]:
    for neighbours in (_children, _parents):
        left, right = neighbours(nodes, one), neighbours(nodes, other)
        for kind in left.keys() & right.keys():
            yield from zip(left[kind], right[kind], strict=False)


def _children(nodes: Sequence[LoopNode], index: int) -> dict[tuple[int, int], list[int]]:
    found: dict[tuple[int, int], list[int]] = {}
    for child, node in enumerate(nodes):
        for argument in sorted({argument for parent, argument in node.parents if parent == index}):
            if node.signature is not None:
                found.setdefault((argument, node.signature), []).append(child)
    return found


def _parents(nodes: Sequence[LoopNode], index: int) -> dict[tuple[int, int], list[int]]:
    found: dict[tuple[int, int], list[int]] = {}
    for parent, argument in sorted(set(nodes[index].parents)):
        signature = nodes[parent].signature
        if signature is not None:
            found.setdefault((argument, signature), []).append(parent)
    return found


def _repeated(nodes: Sequence[LoopNode], alone: set[int]) -> Iterable[tuple[int, int]]:
    """Rule 3: pairs of operations that are one layer because a block repeats."""
    taken: list[tuple[list[int], int, int]] = []
    blocks: list[list[int]] = [[]]
    for index, node in enumerate(nodes):
        if node.has_parameters or index not in alone:
            blocks.append([])
        elif node.signature is not None:
            blocks[-1].append(index)
    found: list[tuple[int, int, list[int], int, int]] = []
    for block in blocks:
        for interval, period in _loops_in(nodes, block):
            for first in range(len(interval) - 2 * period + 1):
                if _is_joined(nodes, interval[first : first + period], interval[first + period : first + 2 * period]):
                    found.append((-len(interval), period, interval, first, interval[0]))
                    break
    for _, period, interval, first, _ in sorted(found, key=lambda item: (item[0], item[1], item[4])):
        if all(
            not set(interval) & set(other)
            or (
                len({(other.index(index) - other_first) // other_period for index in interval if index in other}) == 1
                and set(interval) <= set(other)
            )
            for other, other_period, other_first in taken
        ):
            taken.append((interval, period, first))
            yield from zip(interval, interval[period:], strict=False)


def _loops_in(nodes: Sequence[LoopNode], block: list[int]) -> list[tuple[list[int], int]]:
    steady: list[tuple[int, int, int]] = []
    for period in range(1, len(block) // 2 + 1):
        intervals = [
            (start, end)
            for start in range(len(block))
            for end in range(start + 2 * period, len(block) + 1)
            if _is_steady(nodes, block[start:end], period)
        ]
        steady += [(start, end, period) for start, end in _longest(intervals)]
    loops = [
        (start, end, period)
        for start, end, period in steady
        if period > 1 and not any(s <= start and end <= e and p < period and period % p == 0 for s, e, p in steady)
    ]
    for start, end, period in steady:
        if period == 1:
            loops += [(start + s, start + e, p) for s, e, p in _real_loops(nodes, block[start:end])]
    return [(block[start:end], period) for start, end, period in dict.fromkeys(loops)]


def _is_steady(nodes: Sequence[LoopNode], interval: list[int], period: int) -> bool:
    if not all(alike(nodes, one, other) for one, other in zip(interval, interval[period:], strict=False)):
        return False
    place = {index: position for position, index in enumerate(interval)}
    edges = {
        (place[parent], position, argument)
        for index, position in place.items()
        for parent, argument in nodes[index].parents
        if parent in place
    }
    return all(
        (parent + shift, child + shift, argument) in edges
        for parent, child, argument in edges
        for shift in (period, -period)
        if parent + shift >= 0 and child + shift < len(interval)
    )


def _longest(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [
        one
        for one in intervals
        if not any(other != one and other[0] <= one[0] and one[1] <= other[1] for other in intervals)
    ]


def _real_loops(nodes: Sequence[LoopNode], interval: list[int]) -> list[tuple[int, int, int]]:
    carried = {argument for index in interval for parent, argument in nodes[index].parents if parent in interval}

    def same(one: int, other: int) -> bool:
        left, right = nodes[interval[one]], nodes[interval[other]]
        return (
            left.site is not None
            and left.site == right.site
            and [pair for pair in left.parents if pair[1] not in carried]
            == [pair for pair in right.parents if pair[1] not in carried]
        )

    def repeats(start: int, end: int, period: int) -> bool:
        return all(same(place, place + period) for place in range(start, end - period))

    return [
        (start, end, period)
        for period in range(1, len(interval) // 2 + 1)
        for start, end in _longest(
            [
                (start, end)
                for start in range(len(interval))
                for end in range(start + 2 * period, len(interval) + 1)
                if repeats(start, end, period)
            ]
        )
        if not any(repeats(start, end, smaller) for smaller in range(1, period))
    ]


def _is_joined(nodes: Sequence[LoopNode], copy: list[int], following: list[int]) -> bool:
    if not any(parent in copy for index in following for parent, _ in nodes[index].parents):
        return False
    reached, waiting = {copy[0]}, [copy[0]]
    while waiting:
        index = waiting.pop()
        beside = [parent for parent, _ in nodes[index].parents if parent in copy]
        beside += [child for child in copy if any(parent == index for parent, _ in nodes[child].parents)]
        waiting += [other for other in beside if other not in reached]
        reached |= set(beside)
    return len(reached) == len(copy)
