"""Which layers do the words of `--layers` choose?

conv2d_3  conv2d_3_8:2  features.6  7  -1      keys of the history
relu_*  blocks.*.attn                          globs
re:blocks\\.[0-3]\\.                           a pattern, which may hold commas
type:conv2d                                    every operation of a type
all                                            everything
v1=features.0                                  any of these under a name of your own
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, cast

from lens_cli._errors import CommandError

_NAMED = re.compile(r"([A-Za-z_][\w.-]*)=(.+)")


def singles(words: Iterable[str]) -> list[str]:
    """Returns the words one by one, without the commas between them."""
    return [part for word in words for part in ([word] if "re:" in word else word.split(",")) if part]


def selector(words: Iterable[str]) -> Any:
    """Returns a selector as `layers=` takes it.

    Where some layers are named, the others go by their own words.

    Raises:
        CommandError: A pattern that is none.
    """
    parts = singles(words)
    named = [_NAMED.fullmatch(single) for single in parts]
    if not any(named):
        found = [_one(single) for single in parts]
        return "all" if "all" in parts else found
    by_name: dict[str, list[Any]] = {}
    for single, match in zip(parts, named, strict=True):
        name, word = (single, single) if match is None else (match[1], match[2])
        by_name.setdefault(name, []).append(_one(word))
    return by_name


def names_given(words: Iterable[str]) -> dict[str, Any]:
    """Returns the names that the user gave, each with its selector: names of their own, and keys that are words."""
    chosen = selector(words)
    keys = [word for word in singles(words) if not re.search(r"[*?\[]|^(re:|type:)|^-?\d+$|^all$", word)]
    if isinstance(chosen, dict):
        by_name = cast("dict[str, Any]", chosen)
        unnamed = {word for word in singles(words) if not _NAMED.fullmatch(word)}
        return {name: found for name, found in by_name.items() if name not in unnamed or name in keys}
    return {key: key for key in keys}


def _one(word: str) -> Any:
    if word.startswith("re:"):
        try:
            return re.compile(word.removeprefix("re:"))
        except re.error as error:
            raise CommandError(f"--layers {word!r}: {error}.") from error
    if word.startswith("type:"):
        return _OfType(word.removeprefix("type:"))
    return int(word) if re.fullmatch(r"-?\d+", word) else word


class _OfType:
    """Says whether an operation is of a type."""

    def __init__(self, layer_type: str) -> None:
        self.layer_type = layer_type

    def __call__(self, operation: Any) -> bool:
        return operation.layer_type == self.layer_type

    def __repr__(self) -> str:
        return f"type:{self.layer_type}"
