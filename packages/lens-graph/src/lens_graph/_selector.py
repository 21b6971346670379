"""What may be said to choose layers, before anybody knows which layers there are?

    "all", "none"                    everything, nothing
    "conv2d_3_8", "features.6:2"     a key of the history: a label, short label or module address, each also with a pass
    7, -1                            a place among all layers
    "relu_*", "blocks.*.attn"        a glob over labels and module addresses, as `fnmatch` has it: `*` stands for any
                                     characters, dots among them, `?` for one, `[12]` for one of these; the whole name
                                     has to match, capitals count
    re.compile("attn")               a regular expression, searched for in the same names; anchor it with ^ and $
    lambda operation: ...            a question to each `OperationEntry` of the history
    pl.col("layer_type") == "relu"   a polars expression over `history.tables.operations`, true or false for each row
    ["relu_1", re.compile("attn")]   a list, tuple, set or range of these: what any of them chooses
    {"early": "features.0"}          a name of one's own for what a selector chooses; the name is a key of the history

A text that is a key of the history means that key, also where it holds `*`, `?` or `[`.  `read_selector` checks kinds
only, so that a slip is found before the model runs.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Set
from fnmatch import translate
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias, cast

from msgspec import Struct

from lens_graph._errors import SelectorError

if TYPE_CHECKING:
    import polars as pl

Single: TypeAlias = "str | SupportsIndex | re.Pattern[str] | Callable[[Any], object] | pl.Expr"
"""One way to say which layers."""
Selector: TypeAlias = "Single | Iterable[Any] | Mapping[str, Any]"
"""One way, several of them in a list, or several with names."""

_LISTS = (list, tuple, range, Set)
_WILDCARDS = re.compile(r"[*?\[]")
_DEEPEST = 20


class Word(Struct, frozen=True):
    """A text: a key, a glob, "all" or "none"."""

    text: str

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """The glob as a regular expression over a whole name; None for a text without wildcards."""
        return re.compile(translate(self.text)) if _WILDCARDS.search(self.text) else None


class Place(Struct, frozen=True):
    """A place among all layers."""

    number: int


class Pattern(Struct, frozen=True):
    """A regular expression that is searched for in names."""

    pattern: re.Pattern[str]


class Question(Struct, frozen=True):
    """A callable that is asked about each operation."""

    predicate: Callable[[Any], object]


class Expression(Struct, frozen=True):
    """A polars expression over the table of operations."""

    expression: Any


Part: TypeAlias = Word | Place | Pattern | Question | Expression


class Request(Struct, frozen=True):
    """A selector that has been read."""

    parts: tuple[Part, ...]
    """What was asked for; each part has to match something."""
    aliases: dict[str, tuple[int, ...]]
    """Places in `parts` under each name of the user's own; empty where no name was given."""

    @property
    def is_everything(self) -> bool:
        """Whether all operations are wanted and none has a name."""
        return not self.aliases and any(isinstance(part, Word) and part.text == "all" for part in self.parts)


def read_selector(selector: Selector) -> Request:
    """Take a selector apart.

    Raises:
        SelectorError: it is of a kind that selects nothing (a TypeError); the message says what does.
    """
    if not isinstance(selector, Mapping):
        return Request(_parts(selector, 0), {})
    parts: list[Part] = []
    aliases: dict[str, tuple[int, ...]] = {}
    for name, value in cast("Mapping[Any, Any]", selector).items():
        found = _parts(value, 0)
        aliases[_alias(name)] = tuple(range(len(parts), len(parts) + len(found)))
        parts += found
    return Request(tuple(parts), aliases)


def _parts(selector: Any, depth: int) -> tuple[Part, ...]:
    if isinstance(selector, str):
        return (Word(selector),)
    if isinstance(selector, re.Pattern):
        return (_pattern(cast("re.Pattern[Any]", selector)),)
    if isinstance(selector, Mapping):
        raise SelectorError(f"{selector!r} stands inside another selector: names are given at the top of layers= only")
    if isinstance(selector, _LISTS):
        if depth == _DEEPEST:
            raise SelectorError(f"layers= holds lists in lists, {_DEEPEST} deep: does one hold itself?")
        items = cast("Iterable[Any]", selector)
        return tuple(part for item in items for part in _parts(item, depth + 1))
    if type(selector).__module__.partition(".")[0] == "polars":
        return (_expression(selector),)
    if isinstance(selector, bool) or selector is None or isinstance(selector, type) or hasattr(selector, "forward"):
        raise _refusal(selector)
    if isinstance(selector, SupportsIndex):
        try:
            return (Place(operator.index(selector)),)
        except TypeError:
            raise _refusal(selector) from None
    if callable(selector):
        return (Question(selector),)
    raise _refusal(selector)


def _pattern(pattern: re.Pattern[Any]) -> Pattern:
    if isinstance(pattern.pattern, bytes):
        raise SelectorError(f"{pattern!r} searches bytes; names are texts: compile it from a str")
    return Pattern(pattern)


def _expression(value: Any) -> Expression:
    # Whoever holds something of polars has loaded it, so this costs no time here.
    from lens_graph._tables import is_expression

    if not is_expression(value):
        raise SelectorError(
            f"a polars {type(value).__name__} selects nothing: give an expression, such as "
            'pl.col("layer_type") == "conv2d"'
        )
    return Expression(value)


def _alias(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise SelectorError(f"{name!r} is no name for layers: the keys of a dict in layers= are texts")
    return name


def _refusal(value: Any) -> SelectorError:
    if value is None:
        hint = 'say "none" to keep nothing and "all" to keep everything'
    elif isinstance(value, bool):
        hint = 'say "all" or "none"'
    elif isinstance(value, type) or hasattr(value, "forward"):
        hint = 'name a module by its address, such as "features.3", or operations by their type, such as "conv2d_*"'
    else:
        hint = (
            "give a label, module address, integer, glob, re.Pattern, a callable on operations, a polars expression, "
            "a list or set of these, or a dict from names to them"
        )
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    kind = "a class" if isinstance(value, type) else f"a {type(value).__name__}"
    return SelectorError(f"layers= holds {shown}, {kind}: {hint}")
