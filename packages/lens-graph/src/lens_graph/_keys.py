"""Which layer or pass answers to a key?

    "conv2d_3_8"      full label            always means that layer
    "conv2d_3"        short label           the third layer of its type
    "conv2d_3_8:2"    either with a pass    that pass
    "features.6"      module address        the layer that this module returns, at every level of nesting
    "features.6:2"    with a pass           what the module's second call returned
    7, -17            integers              places in the list of layers, or of saved layers when only some were saved
    "early"           names of one's own    what was given that name when layers were chosen, before everything else

Exact spelling comes first; where nothing matches exactly, capitals are ignored if one answer is left.  A full label
wins over everything else.  A key with several answers is an error that names them: an address whose module returns
several layers, or a module named like the short label of another layer.

No dictionary of labels is kept: a label says where its layer stands, so one look at the layers of its type suffices.

Source: "Layer nomenclature" and "The ModelHistory object" in the paper.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from lens_graph._errors import AmbiguousKeyError, UnknownKeyError
from lens_graph._interpretation import Interpretation, full_name
from lens_graph._nearest import nearest_keys
from lens_trace import Trace

_LABEL = re.compile(r"([^\W_]+)_([1-9][0-9]{0,15})(?:_([1-9][0-9]{0,15}))?")
_PASS = re.compile(r"(.+):([1-9][0-9]{0,15})", re.DOTALL)


class Target(Struct, frozen=True, gc=False):
    """What a key means."""

    layer: int
    """The layer."""
    node: int | None = None
    """The pass of it that is meant; None for the whole layer."""


def resolve_text(facts: Interpretation, key: str) -> Target:
    """Find what a label or address means.

    Raises:
        UnknownKeyError: nothing has this key.
        AmbiguousKeyError: several layers have it.
    """
    targets = _exact(facts, key) or _folded(facts, key)
    if len(targets) == 1:
        return targets[0]
    if targets:
        names = tuple(dict.fromkeys(_target_name(facts, target) for target in targets))
        raise AmbiguousKeyError(
            f"{key!r} means {len(targets)} layers: ask for one of {_listed(names)}", key=key, nearest=names
        )
    nearest = nearest_keys(facts, key)
    raise UnknownKeyError(_reason(facts, key) + _advice(nearest), key=key, nearest=nearest)


def resolve_alias(facts: Interpretation, name: str) -> list[Target]:
    """Find what a name of the user's own means: whole layers, or the passes where it means not all of them."""
    nodes = facts.aliases.get(name, ())
    chosen = set(nodes)
    passes = {layer: facts.labels.passes[layer] for layer in dict.fromkeys(facts.labels.layer_of[n] for n in nodes)}
    found: list[Target] = []
    for layer, members in passes.items():
        is_whole = chosen.issuperset(members)
        found += [Target(layer)] if is_whole else [Target(layer, node) for node in members if node in chosen]
    return found


def key_nodes(facts: Interpretation, key: str) -> tuple[int, ...]:
    """Find the operations that a key stands for; none where nothing has this key.

    A module's address stands for what the module returned, at each of its calls, in as many layers as that may be.

    Raises:
        AmbiguousKeyError: things of different kinds have this key.
    """
    if key in facts.aliases:
        return facts.aliases[key]
    targets = _exact(facts, key)
    if not targets and not _folded(facts, key):
        return ()
    returned = _returned(facts, key)
    if returned and {facts.labels.layer_of[node] for node in returned} >= {target.layer for target in targets}:
        return returned
    target = resolve_text(facts, key)
    return facts.labels.passes[target.layer] if target.node is None else (target.node,)


def resolve_number(facts: Interpretation, number: int, places: tuple[int, ...]) -> Target:
    """Find the layer at a place in a list of layers, counted from the end when negative."""
    if not -len(places) <= number < len(places):
        what = "saved layers" if len(places) < len(facts.labels.counted) else "layers"
        raise UnknownKeyError(
            f"{number} is out of range: the history has {len(places)} {what}, from 0 to {len(places) - 1}", key=number
        )
    return Target(places[number])


def is_like_label(text: str) -> bool:
    """Whether a text has the form of a label, short or full, with a pass or without."""
    with_pass = _PASS.fullmatch(text)
    return _LABEL.fullmatch(with_pass[1] if with_pass else text) is not None


def operation_keys(facts: Interpretation, node: int) -> list[str | int]:
    """Every key that leads to this operation."""
    labels = facts.labels
    layer = labels.layer_of[node]
    pass_num = labels.pass_num[node]
    names = _label_names(facts, layer)
    candidates = [name for name, nodes in facts.aliases.items() if nodes == (node,)]
    candidates += [f"{name}:{pass_num}" for name in names]
    calls = [facts.trace.module_calls[call] for call in facts.nesting.exited.get(node, ())]
    for call in calls:
        candidates += [f"{address}:{call.pass_num}" for address in facts.trace.modules[call.module].addresses]
    found: list[str | int] = [key for key in candidates if _leads_to(facts, key, Target(layer, node))]
    return layer_keys(facts, layer) + found if len(labels.passes[layer]) == 1 else found


def layer_keys(facts: Interpretation, layer: int) -> list[str | int]:
    """Every key that leads to this layer as a whole."""
    candidates = _label_names(facts, layer)
    candidates += [name for name, nodes in facts.aliases.items() if nodes == facts.labels.passes[layer]]
    for node in facts.labels.passes[layer]:
        for call in facts.nesting.exited.get(node, ()):
            candidates += facts.trace.modules[facts.trace.module_calls[call].module].addresses
    found: list[str | int] = [key for key in dict.fromkeys(candidates) if _leads_to(facts, key, Target(layer))]
    place = _place(facts.indexable, layer)
    return found if place is None else [*found, place, place - len(facts.indexable)]


def module_numbers(trace: Trace) -> dict[str, int]:
    """The module at each address, the model itself left out."""
    return {address: module.id for module in trace.modules for address in module.addresses if address}


def fold_addresses(addresses: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The addresses that differ in capitals only, by their common spelling."""
    folded: dict[str, tuple[str, ...]] = {}
    for address in addresses:
        folded[address.casefold()] = (*folded.get(address.casefold(), ()), address)
    return folded


def _exact(facts: Interpretation, key: str) -> list[Target]:
    if key in facts.aliases:
        return resolve_alias(facts, key)
    with_pass = _PASS.fullmatch(key)
    full = _by_label(facts, key, is_full=True) or (
        _pass_of(facts, _by_label(facts, with_pass[1], is_full=True), int(with_pass[2])) if with_pass else []
    )
    if full:
        return full
    found = _by_label(facts, key, is_full=False) + _by_address(facts, key)
    if with_pass:
        found += _pass_of(facts, _by_label(facts, with_pass[1], is_full=False), int(with_pass[2]))
        found += _by_call(facts, with_pass[1], int(with_pass[2]))
    return list(dict.fromkeys(found))


def _folded(facts: Interpretation, key: str) -> list[Target]:
    plain = key.casefold()
    with_pass = _PASS.fullmatch(plain)
    spellings = [plain, *facts.folded.get(plain, ())]
    if with_pass:
        spellings += [f"{address}:{with_pass[2]}" for address in facts.folded.get(with_pass[1], ())]
    return list(dict.fromkeys(target for spelling in spellings for target in _exact(facts, spelling)))


def _by_label(facts: Interpretation, name: str, *, is_full: bool) -> list[Target]:
    match = _LABEL.fullmatch(name)
    if match is None:
        return []
    layers: tuple[int, ...] = ()
    if match[1] == "buffer" and match[3] is None and is_full:
        layers = facts.labels.by_type.get("", ())
    elif (match[3] is not None) == is_full:
        layers = facts.labels.by_type.get(match[1], ())
    number = int(match[2])
    if number > len(layers):
        return []
    layer = layers[number - 1]
    return [Target(layer)] if not is_full or facts.labels.names[layer] == name else []


def _pass_of(facts: Interpretation, targets: list[Target], pass_num: int) -> list[Target]:
    passes = [(target.layer, facts.labels.passes[target.layer]) for target in targets]
    return [Target(layer, nodes[pass_num - 1]) for layer, nodes in passes if pass_num <= len(nodes)]


def _by_address(facts: Interpretation, address: str) -> list[Target]:
    module = facts.module_at.get(address)
    if module is None:
        return []
    nodes = (node for call in facts.nesting.calls_of[module] for node in facts.nesting.outputs[call])
    return [Target(layer) for layer in dict.fromkeys(facts.labels.layer_of[node] for node in nodes)]


def _by_call(facts: Interpretation, address: str, pass_num: int) -> list[Target]:
    module = facts.module_at.get(address)
    if module is None:
        return []
    calls = facts.nesting.calls_of[module]
    if pass_num > len(calls):
        return []
    nodes = dict.fromkeys(facts.nesting.outputs[calls[pass_num - 1]])
    return [Target(facts.labels.layer_of[node], node) for node in nodes]


def _returned(facts: Interpretation, key: str) -> tuple[int, ...]:
    if _by_label(facts, key, is_full=True) or _by_label(facts, key, is_full=False):
        return ()
    module, with_pass = facts.module_at.get(key), _PASS.fullmatch(key)
    if module is not None:
        calls = facts.nesting.calls_of[module]
    elif with_pass and with_pass[1] in facts.module_at:
        calls = facts.nesting.calls_of[facts.module_at[with_pass[1]]][int(with_pass[2]) - 1 :][:1]
    else:
        return ()
    return tuple(sorted({node for call in calls for node in facts.nesting.outputs[call]}))


def _leads_to(facts: Interpretation, key: str, target: Target) -> bool:
    return _exact(facts, key) == [target]


def _label_names(facts: Interpretation, layer: int) -> list[str]:
    labels = facts.labels
    return list(dict.fromkeys((labels.names[layer], f"{labels.types[layer]}_{labels.type_nums[layer]}")))


def _place(places: tuple[int, ...], layer: int) -> int | None:
    low, high = 0, len(places)
    while low < high:
        middle = (low + high) // 2
        if places[middle] < layer:
            low = middle + 1
        else:
            high = middle
    return low if low < len(places) and places[low] == layer else None


def _target_name(facts: Interpretation, target: Target) -> str:
    return facts.labels.names[target.layer] if target.node is None else full_name(facts, target.node)


def _reason(facts: Interpretation, key: str) -> str:
    with_pass = _PASS.fullmatch(key)
    base = key if with_pass is None else with_pass[1]
    layers = _by_label(facts, base, is_full=True) or _by_label(facts, base, is_full=False)
    if with_pass and layers:
        count = len(facts.labels.passes[layers[0].layer])
        return f"{facts.labels.names[layers[0].layer]} has {count} pass{'es' * (count > 1)}, so there is no {key!r}"
    module = facts.module_at.get(key, facts.module_at.get(base))
    if module is None:
        return f"no layer, pass or module is called {key!r}"
    calls = len(facts.nesting.calls_of[module])
    if not calls:
        return f"the module {base!r} was never called, so it has no output"
    if with_pass and key not in facts.module_at and int(with_pass[2]) > calls:
        return f"the module {base!r} was called {calls} time{'s' * (calls > 1)}, so there is no {key!r}"
    return f"the module {base!r} returned no tensor of the graph"


def _advice(nearest: tuple[str, ...]) -> str:
    return f"; did you mean {_listed(nearest)}?" if nearest else "; the history has no layers"


def _listed(names: tuple[str, ...]) -> str:
    shown = [repr(name) for name in names[:8]]
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown) + (
        f" (and {len(names) - 8} more)" if len(names) > 8 else ""
    )
