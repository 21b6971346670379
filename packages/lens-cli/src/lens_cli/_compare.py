"""What changed between two structures?

Layers are paired module by module: those that ran in `layer1.0` of one model with those that ran there in the other,
in execution order, by type (the longest common subsequence, as for lines of text).  Labels play no part, since one
operation more renumbers all that follow.  What finds no partner was added or removed; pairs are compared in shape,
element type, passes, parameters and in what they read.  Parameters and modules are compared by address.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal, TypeVar

from msgspec import Struct

from lens_cli._facts import LayerFacts, ModuleFacts, ParameterFacts, Structure

Aspect = Literal["operations", "shapes", "dtypes", "passes", "edges", "parameters", "modules"]
ASPECTS: tuple[Aspect, ...] = ("operations", "shapes", "dtypes", "passes", "edges", "parameters", "modules")
"""What can be compared."""
_LARGEST_SEARCH = 4_000_000
Item = TypeVar("Item", ParameterFacts, ModuleFacts)


class Change(Struct, frozen=True):
    """One thing that is not the same."""

    aspect: Aspect
    """Which kind of thing."""
    kind: Literal["added", "removed", "changed"]
    """What happened to it."""
    name: str
    """Label or address in the first model; in the second where it was added."""
    where: str
    """Module of an operation; empty in the model itself and for the rest."""
    before: str | None
    """How it was; null where it was added."""
    after: str | None
    """How it is; null where it was removed."""


def changes(first: Structure, second: Structure, aspects: Sequence[Aspect] = ASPECTS) -> list[Change]:
    """Returns what is different in the second structure, operations first, each kind in order.

    Args:
        first: How it was.
        second: How it is.
        aspects: What to compare.

    Cost: linear where most is the same; quadratic in the largest module that shares no beginning or end, up to a
        limit beyond which operations of one type are paired in order.
    """
    pairs = _pairs(first.layers, second.layers)
    found = [
        *_unpaired(first.layers, {one.label for one, _ in pairs}, "removed"),
        *_unpaired(second.layers, {other.label for _, other in pairs}, "added"),
        *(change for one, other in pairs for change in _changed_layer(one, other)),
        *_changed_edges(pairs, {one.label for one in first.layers}, {other.label for other in second.layers}),
        *_changed_items("parameters", first.parameters, second.parameters, _parameter),
        *_changed_items("modules", first.modules, second.modules, lambda module: module.class_name),
    ]
    order = {aspect: place for place, aspect in enumerate(ASPECTS)}
    return sorted((change for change in found if change.aspect in aspects), key=lambda change: order[change.aspect])


def _pairs(first: Sequence[LayerFacts], second: Sequence[LayerFacts]) -> list[tuple[LayerFacts, LayerFacts]]:
    groups: dict[str, tuple[list[LayerFacts], list[LayerFacts]]] = defaultdict(lambda: ([], []))
    for side, layers in enumerate((first, second)):
        for layer in layers:
            groups[layer.module][side].append(layer)
    place = {layer.label: number for number, layer in enumerate(first)}
    pairs = [pair for one, other in groups.values() for pair in _aligned(one, other)]
    return sorted(pairs, key=lambda pair: place[pair[0].label])


def _aligned(first: list[LayerFacts], second: list[LayerFacts]) -> Iterator[tuple[LayerFacts, LayerFacts]]:
    start, end = 0, 0
    shorter = min(len(first), len(second))
    while start < shorter and first[start].type == second[start].type:
        start += 1
    while end < shorter - start and first[-1 - end].type == second[-1 - end].type:
        end += 1
    yield from zip(first[:start], second[:start], strict=True)
    one, other = first[start : len(first) - end], second[start : len(second) - end]
    if len(one) * len(other) > _LARGEST_SEARCH:
        yield from _in_order(one, other)
    else:
        matcher = SequenceMatcher(None, [x.type for x in one], [x.type for x in other], autojunk=False)
        for block in matcher.get_matching_blocks():
            yield from zip(one[block.a : block.a + block.size], other[block.b : block.b + block.size], strict=True)
    if end:
        yield from zip(first[-end:], second[-end:], strict=True)


def _in_order(first: list[LayerFacts], second: list[LayerFacts]) -> Iterator[tuple[LayerFacts, LayerFacts]]:
    waiting: dict[str, list[LayerFacts]] = defaultdict(list)
    for layer in reversed(second):
        waiting[layer.type].append(layer)
    for layer in first:
        if waiting[layer.type]:
            yield layer, waiting[layer.type].pop()


def _unpaired(layers: Sequence[LayerFacts], paired: set[str], kind: Literal["added", "removed"]) -> Iterator[Change]:
    for layer in layers:
        if layer.label not in paired:
            text = f"{layer.type} {_shape(layer.shape)}"
            before, after = (text, None) if kind == "removed" else (None, text)
            yield Change("operations", kind, layer.label, layer.module, before, after)


def _changed_layer(one: LayerFacts, other: LayerFacts) -> Iterator[Change]:
    told: tuple[tuple[Aspect, str, str], ...] = (
        ("shapes", _shape(one.shape), _shape(other.shape)),
        ("dtypes", one.dtype or "varies", other.dtype or "varies"),
        ("passes", str(one.passes), str(other.passes)),
        ("operations", _names(one.parameters), _names(other.parameters)),
    )
    for aspect, before, after in told:
        if before != after:
            yield Change(aspect, "changed", one.label, one.module, before, after)


def _changed_edges(pairs: list[tuple[LayerFacts, LayerFacts]], first: set[str], second: set[str]) -> Iterator[Change]:
    # Buffers are in neither set: they are no operations, and what reads them shows in parameters and modules.
    partner = {one.label: other.label for one, other in pairs}
    for one, other in pairs:
        before = {partner.get(parent) for parent in one.parents if parent in first}
        after = {parent for parent in other.parents if parent in second}
        if before != after:
            texts = (" ".join(layer.parents) or "nothing" for layer in (one, other))
            yield Change("edges", "changed", one.label, one.module, *texts)


def _changed_items(
    aspect: Aspect, first: Sequence[Item], second: Sequence[Item], text: Callable[[Item], str]
) -> Iterator[Change]:
    before, after = ({item.address: text(item) for item in items} for items in (first, second))
    for name in dict.fromkeys([*before, *after]):
        was, is_now = before.get(name), after.get(name)
        if was != is_now:
            kind = "added" if was is None else "removed" if is_now is None else "changed"
            yield Change(aspect, kind, name or "the model", "", was, is_now)


def _parameter(parameter: ParameterFacts) -> str:
    return f"{_shape(parameter.shape)} {parameter.dtype}" + ("" if parameter.requires_grad else " frozen")


def _shape(shape: tuple[int, ...] | None) -> str:
    return "varies" if shape is None else "x".join(map(str, shape)) or "scalar"


def _names(parameters: tuple[str, ...]) -> str:
    return f"with {' '.join(parameters)}" if parameters else "without parameters"
