"""How are several names given to one option?

With commas between them, by repeating the option, or both.
"""

from __future__ import annotations

from collections.abc import Iterable


def listed(words: Iterable[str] | None) -> list[str]:
    """Returns the names in order, each once.

    >>> listed(["layer,shape", "flops"])
    ['layer', 'shape', 'flops']
    """
    return list(dict.fromkeys(name.strip() for word in words or () for name in word.split(",") if name.strip()))
