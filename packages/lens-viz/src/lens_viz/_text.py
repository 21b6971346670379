"""How is a name that a stranger wrote shown safely, and a number shown to people?

Names of modules, arguments and functions come from the model and may hold anything.  `shown` makes one clean line of
them: control characters, line breaks, unpaired surrogates and direction overrides become a visible replacement, and
what is longer than a line keeps both its ends.  Escaping for DOT is `_graphviz`'s task, not done here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST_NAME = 64
"""Characters of a name that are shown."""
LONGEST_TOOLTIP = 400
"""Characters of a tooltip."""

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]+"
)
_NONCHARACTER = frozenset(code for plane in range(17) for code in (plane * 0x10000 + 0xFFFE, plane * 0x10000 + 0xFFFF))


def clean(text: str) -> str:
    """Return the text as one line that any renderer takes.

    >>> clean("a\\nb")
    'a\\ufffdb'
    """
    if text.isascii() and text.isprintable():
        return text
    text = _UNSAFE.sub("\ufffd", text)
    return "".join("\ufffd" if ord(character) in _NONCHARACTER else character for character in text)


def shown(text: str, *, longest: int = LONGEST_NAME) -> str:
    """Return the text clean and not longer than `longest`, with the middle left out where it must be.

    >>> shown("abcdefghij", longest=5)
    'ab…ij'
    """
    if len(text) > 4 * longest:  # a name of megabytes is cut before it is cleaned
        text = text[: 2 * longest] + text[-2 * longest :]
    text = clean(text)
    if len(text) <= longest:
        return text
    head = longest // 2
    return text[:head] + "…" + text[head + 1 - longest :]


def human_bytes(nbytes: int) -> str:
    """Return a size as people read it, in steps of 1,024.

    >>> human_bytes(3612672)
    '3.4 MB'
    """
    if nbytes < 1024:
        return f"{nbytes} B"
    size = float(nbytes)
    for unit in ("KB", "MB", "GB", "TB", "PB"):
        size /= 1024
        if size < 999.95 or unit == "PB":
            return f"{size:.1f} {unit}"
    raise AssertionError  # the loop always returns


def human_shape(shape: Iterable[int]) -> str:
    """Return a shape the way the paper's figures write it.

    >>> human_shape((6, 384, 13, 13)), human_shape(())
    ('6x384x13x13', 'scalar')
    """
    return "x".join(str(length) for length in shape) or "scalar"


def human_number(number: float) -> str:
    """Return a number in few characters.

    >>> human_number(1234567.0), human_number(0.00001234)
    ('1.23e+06', '1.23e-05')
    """
    if number == int(number) and abs(number) < 1e6:
        return f"{int(number):,}"
    return f"{number:.3g}"


def human_seconds(seconds: float) -> str:
    """Return a time as people read it.

    >>> human_seconds(0.00025)
    '250 µs'
    """
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers compactly, in the paper's way.

    >>> ranges([1, 4, 5, 6])
    '1,4-6'
    """
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
