"""Which valid keys look like a wrong one?

The search looks only where the key points: at the layers of the same type or at the same place, at types spelt
alike, and at the addresses beside the place where the key would stand.  A wrong key is thus answered as fast in a
history of 100,000 layers as in one of ten.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from lens_graph._interpretation import Interpretation

_LIKE_LABEL = re.compile(r"([^\W_]+)_?(\d*)(?:_(\d+))?(?::\d*)?")
_ADDRESSES_COMPARED = 500


def nearest_keys(facts: Interpretation, key: str, count: int = 5) -> tuple[str, ...]:
    """Up to `count` valid keys, nearest first."""
    plain = key.casefold()
    found = dict.fromkeys(_same_numbers(facts, plain))
    found.update(dict.fromkeys(_like_addresses(facts, plain)))
    if not found:
        found.update(dict.fromkeys(_like_types(facts, plain)))
    if not found:
        found.update(dict.fromkeys(facts.labels.names[layer] for layer in facts.labels.counted[:3]))
    return tuple(found)[:count]


def _same_numbers(facts: Interpretation, plain: str) -> list[str]:
    match = _LIKE_LABEL.fullmatch(plain)
    if match is None:
        return []
    labels = facts.labels
    same_type = labels.by_type.get(match[1], ())
    wanted = int(match[2][:9]) if match[2] else 1
    around = [labels.names[layer] for layer in same_type[max(0, wanted - 2) : wanted + 1] or same_type[-2:]]
    around.sort(key=lambda name: name.split("_")[1] != str(wanted))
    if match[3] and 0 < int(match[3][:9]) <= len(labels.counted):
        around.append(labels.names[labels.counted[int(match[3][:9]) - 1]])
    return around


def _like_types(facts: Interpretation, plain: str) -> list[str]:
    by_type = facts.labels.by_type
    word = re.split(r"[_:.]", plain)[0][:100]
    close = get_close_matches(word, [kind for kind in by_type if kind], n=3, cutoff=0.5)
    return [facts.labels.names[by_type[kind][0]] for kind in close]


def _like_addresses(facts: Interpretation, plain: str) -> list[str]:
    base = plain.rsplit(":", 1)[0][:500]
    if len(facts.module_at) > _ADDRESSES_COMPARED:
        parent = facts.module_at.get(base.rpartition(".")[0], 0)
        parts = facts.trace.modules[parent].children[:_ADDRESSES_COMPARED]
        addresses = [address for part in parts for address in facts.trace.modules[part].addresses]
    else:
        addresses = list(facts.module_at)
    called = (address for address in addresses if facts.nesting.calls_of[facts.module_at[address]])
    spellings = {address.casefold(): address for address in called}
    found = [spellings[close] for close in get_close_matches(base, list(spellings), n=3, cutoff=0.6)]
    if found or "." in base:
        return found
    tails: dict[str, list[str]] = {}
    for spelling, address in spellings.items():
        tails.setdefault(spelling.rpartition(".")[2], []).append(address)
    return [address for close in get_close_matches(base, list(tails), n=3, cutoff=0.6) for address in tails[close]][:3]
