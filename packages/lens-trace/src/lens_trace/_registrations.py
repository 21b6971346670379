"""What does a module have registered, before the pass and after it?

Parameters, buffers and parts that were registered before the pass are the same objects under the same names after it,
and `training` is as it was.  What the forward registers anew is taken away again, so that the state_dict is the one
from before, with one exception: a module that at the same time changes plain attributes remembers in them what it has
made (`self.is_ready = True`, or a plain None that became a module).  Plain attributes stay, so what they speak of stays
with them; else the next forward would fail.  That goes too for a part that took the place of another or of None, and
for a buffer of no state_dict (a table as long as the longest input so far); other parameters and buffers are put back
all the same.  A list of parts has no attributes of its own: what holds it remembers.
"""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate, chain
from operator import is_, itemgetter
from typing import Any

import torch

_REGISTRIES = ("_parameters", "_buffers", "_modules")
_LISTS = (torch.nn.ModuleList, torch.nn.ModuleDict, torch.nn.Sequential)
_LISTS_OF_PARAMETERS = (torch.nn.ParameterList, torch.nn.ParameterDict)
"""They count what they hold in plain attributes, which stay."""
_MACHINERY = frozenset(vars(torch.nn.Module()))
_values = dict.values
_joined = chain.from_iterable
_registered_in = tuple(map(itemgetter, _REGISTRIES))
_training, _non_persistent = itemgetter("training"), itemgetter("_non_persistent_buffers_set")


class Registered:
    """What modules have registered of one kind, in flat lists.

    All modules are read in a few steps, before and after every pass, and hardly ever is there anything to put back: a
    dictionary a module would cost as much as all the rest.

    Attributes:
        sizes: Number of entries by module.
        names, values: The entries of all modules.
    """

    def __init__(self, by_module: list[dict[str, Any]], filled: list[dict[str, Any]]) -> None:
        self.sizes = list(map(len, by_module))
        self.names: list[str] = list(_joined(filled))
        self.values: list[Any] = list(_joined(map(_values, filled)))

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(self.sizes))

    def of(self, number: int) -> dict[str, Any]:
        """Returns what one module had registered; nothing of a module that the pass made."""
        if number >= len(self.sizes) or not self.sizes[number]:
            return {}
        end = self._ends[number]
        part = slice(end - self.sizes[number], end)
        return dict(zip(self.names[part], self.values[part], strict=True))

    def is_still(self, filled: list[dict[str, Any]]) -> bool:
        """Tells whether these are the same entries."""
        return (
            list(map(len, filled)) == list(filter(None, self.sizes))
            and list(_joined(filled)) == self.names
            and all(map(is_, _joined(map(_values, filled)), self.values))
        )


class Registrations:
    """What modules have registered, and their flags.

    Attributes:
        parameters, buffers: Of every module, in the order given.
        is_plain: Whether all modules keep their own in dictionaries.
        training: The flags of those that do.
        kinds: The classes of all modules.
    """

    def __init__(self, modules: list[torch.nn.Module], owns: list[dict[str, Any]]) -> None:
        self.kinds = set(map(type, modules))
        try:
            is_plain = set(map(type, map(_registered_in[0], owns))) <= {dict}
        except KeyError:
            is_plain = False
        if not is_plain:  # scripted modules keep theirs in C++
            self.parameters = _copied([module._parameters for module in modules])
            self.buffers = _copied([module._buffers for module in modules])
            modules = [module for module in modules if type(module.__dict__.get("_parameters")) is dict]
            owns = [module.__dict__ for module in modules]
        self.is_plain = is_plain
        self._modules = modules
        self._owns = owns
        self._filled: list[list[dict[str, Any]]] = []
        self._before: list[Registered] = []
        for registered in _registered_in:
            live = list(map(registered, owns))
            filled = list(filter(None, live))
            self._filled.append(filled)
            self._before.append(Registered(live, filled))
        if is_plain:
            self.parameters, self.buffers = self._before[:2]
        self.training: list[bool] = list(map(_training, owns))
        self._sizes = list(map(len, owns))
        others = {kind for kind in self.kinds if not kind.__module__.startswith("torch.nn.modules.")}
        self._attributes: dict[int, dict[str, Any]] = (
            {
                index: own.copy()
                for index, (kind, own) in enumerate(zip(map(type, modules), owns, strict=True))
                if kind in others
            }
            if others
            else {}
        )

    @property
    def non_persistent(self) -> list[set[str]]:
        """By module, the names of buffers that are left out of the state_dict."""
        return list(map(_non_persistent, self._owns))

    def restore(self) -> bool:
        """Puts registrations back; tells whether they were untouched."""
        is_untouched = self._is_untouched()
        if not is_untouched:
            self._put_all_back()
        return is_untouched

    def _is_untouched(self) -> bool:
        for registered, filled, before in zip(_registered_in, self._filled, self._before, strict=True):
            now = list(filter(None, map(registered, self._owns)))
            if len(now) != len(filled) or not all(map(is_, now, filled)) or not before.is_still(filled):
                return False
        return list(map(_training, self._owns)) == self.training

    def _put_all_back(self) -> None:
        for index, (own, training) in enumerate(zip(self._owns, self.training, strict=True)):
            if own["training"] is not training:
                own["training"] = training
            for name, before in zip(_REGISTRIES, self._before, strict=True):
                live, kept = own[name], before.of(index)
                if not _is_same(live, kept):
                    staying = _staying(own, live, kept) if self._remembers(index) else {}
                    live.clear()
                    live.update(kept)
                    live.update(staying)

    def _remembers(self, index: int) -> bool:
        """Tells whether a module, or for a list what holds it, speaks in plain attributes of what it has registered."""
        waiting, seen = [index], {index}
        while waiting:
            number = waiting.pop()
            kind = type(self._modules[number])
            if kind in _LISTS_OF_PARAMETERS or self._has_changed(number, self._owns[number]):
                return True
            if kind in _LISTS:
                waiting += self._holders.get(number, set()) - seen
                seen.update(waiting)
        return False

    @cached_property
    def _holders(self) -> dict[int, set[int]]:
        """By module, the modules that had it registered before the pass."""
        number_of = {id(module): number for number, module in enumerate(self._modules)}
        found: dict[int, set[int]] = {}
        for holder in range(len(self._owns)):
            for part in self._before[2].of(holder).values():
                found.setdefault(number_of.get(id(part), -1), set()).add(holder)
        return found

    def _has_changed(self, index: int, own: dict[str, Any]) -> bool:
        before = self._attributes.get(index)
        if before is None:  # one of torch's own modules, which remember nothing of that kind
            return len(own) != self._sizes[index]
        plain = own.keys() | before.keys()
        return any(own.get(key, own) is not before.get(key, own) for key in plain - _MACHINERY)


def _copied(registries: list[Any]) -> Registered:
    copies: list[dict[str, Any]] = [dict(registry.items()) for registry in registries]
    return Registered(copies, copies)


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(map(is_, one.values(), other.values()))


def _staying(own: dict[str, Any], live: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
    """Returns what a module that remembers has registered anew, or in the place of what no state_dict has."""
    derived = own["_non_persistent_buffers_set"]
    return {
        name: value
        for name, value in live.items()
        if kept.get(name) is None or (value is not None and (name in derived or isinstance(value, torch.nn.Module)))
    }
