"""Which selectors can be answered before there is a history?

A module's address is known before the pass, and the type of an operation when it runs; labels and everything else that
a history concludes are known only afterwards.  So these need no first look at the model:

    "features.3"      an address of the model, unless it could be a label as well
    "blocks.*.attn"   a glob with a dot in it: no label has one, so it speaks of addresses
    "conv2d_*"        a type with all its numbers, and the addresses that look like it
    "all", "none"

What is foreseen is at least what the selector chooses; operations that turn out to be orphans may be too many.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from msgspec import Struct

from lens_graph._keys import is_like_label
from lens_graph._selector import Part, Request, Word
from lens_graph._types import layer_type_of
from lens_trace import Operation

_OF_A_TYPE = re.compile(r"([^\W_]+)_\*")
_CHOICES = re.compile(r"\[[^\]]*\]")


class Foreseen(Struct, frozen=True):
    """What a selector is going to choose."""

    is_everything: bool
    """All operations."""
    addresses: frozenset[str]
    """What the modules at these addresses return."""
    types: frozenset[str]
    """The operations of these types."""

    def has_type_of(self, operation: Operation) -> bool:
        """Whether an operation is of one of the types."""
        return layer_type_of(operation) in self.types


def foresee(request: Request, addresses: Collection[str]) -> Foreseen | None:
    """Tell what a selector is going to choose in a model with modules at these addresses; None if labels decide."""
    found: set[str] = set()
    types: set[str] = set()
    is_everything = False
    for part in request.parts:
        known = _of_part(part, addresses)
        if known is None:
            return None
        is_everything = is_everything or known.is_everything
        found |= known.addresses
        types |= known.types
    return Foreseen(is_everything, frozenset(found), frozenset(types))


def _of_part(part: Part, addresses: Collection[str]) -> Foreseen | None:
    if not isinstance(part, Word):
        return None
    text = part.text
    if text in ("all", "none"):
        return Foreseen(text == "all", frozenset(), frozenset())
    if text in addresses:
        return (
            None
            if is_like_label(text)
            else Foreseen(is_everything=False, addresses=frozenset([text]), types=frozenset())
        )
    pattern = part.pattern
    if pattern is None or ":" in text:
        return None
    matching = frozenset(address for address in addresses if pattern.match(address))
    of_a_type = _OF_A_TYPE.fullmatch(text)
    if of_a_type:
        return Foreseen(is_everything=False, addresses=matching, types=frozenset([of_a_type[1]]))
    is_address = "." in _CHOICES.sub("", text)
    return Foreseen(is_everything=False, addresses=matching, types=frozenset()) if is_address and matching else None
