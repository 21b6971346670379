"""Which operations does a selector choose?

Each part of a selector is answered on its own, and what any of them chooses is chosen.  A key means what it means when
it indexes the history: a layer with all its passes, one pass, or what a module returns at each of its calls; where
several layers stand behind an address, all of them.  A part that chooses nothing is an error with the nearest names, so
that a slip of the pen does not pass for an empty result.

The kinds of selectors are told in `lens_graph._selector`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from msgspec import Struct

from lens_graph._errors import AliasCollisionError, AmbiguousKeyError, UnknownKeyError
from lens_graph._interpretation import Interpretation, full_name
from lens_graph._keys import key_nodes, resolve_number, resolve_text
from lens_graph._nearest import nearest_keys
from lens_graph._operation import OperationEntry
from lens_graph._selector import Expression, Part, Pattern, Place, Question, Request, Word

_LETTERS = re.compile(r"[\w.]+")
_WILD = re.compile(r"\[[^\]]*\]|[*?\\]")
_QUOTED = re.compile(r'"([^"]*)"')


class Selection(Struct, frozen=True):
    """The operations that a selector chose."""

    operations: frozenset[int]
    """Their ids in the trace."""
    aliases: dict[str, tuple[int, ...]]
    """Operation ids, ascending, under each name of the user's own."""


def select_operations(facts: Interpretation, request: Request) -> Selection:
    """Find the operations that a selector chooses.

    Raises:
        UnknownKeyError: a part of it chooses nothing (a KeyError); it names the nearest keys.
        AmbiguousKeyError: a text is the name of different things.
        AliasCollisionError: an alias already means something else in this history (a ValueError).

    Cost: one sweep over the operations for each glob, pattern, callable or expression.
    """
    ids = facts.graph.operations
    found = [_nodes(facts, part) for part in request.parts]
    aliases: dict[str, tuple[int, ...]] = {}
    for name, places in request.aliases.items():
        nodes = tuple(sorted({node for place in places for node in found[place]}))
        _check_alias(facts, name, nodes)
        aliases[name] = tuple(ids[node] for node in nodes)
    return Selection(frozenset(ids[node] for nodes in found for node in nodes), aliases)


def _nodes(facts: Interpretation, part: Part) -> Sequence[int]:
    every = range(len(facts.graph.parents))
    match part:
        case Word("all"):
            return every
        case Word("none"):
            return ()
        case Word(text):
            return _named(facts, part, text)
        case Place(number):
            return facts.labels.passes[resolve_number(facts, number, facts.labels.counted).layer]
        case Pattern(pattern):
            found = [node for node in every if any(map(pattern.search, _names(facts, node)))]
            return found or _nothing(facts, pattern.pattern, f"{pattern.pattern!r} is found in no label or address")
        case Question(predicate):
            found = [node for node in every if _is_chosen(facts, node, predicate)]
            name = getattr(predicate, "__name__", type(predicate).__name__)
            return found or _nothing(facts, name, f"{name} chose none of {len(every):,} operations")
        case Expression(expression):
            # Whoever holds an expression has loaded polars; nobody else waits for it.
            from lens_graph._tables import rows_where

            found = rows_where(facts, expression)
            return found or _nothing(facts, str(expression), f"{expression} is true of none of {len(every):,} rows")


def _named(facts: Interpretation, word: Word, text: str) -> Sequence[int]:
    nodes = key_nodes(facts, text)
    if nodes:
        return nodes
    pattern = word.pattern
    if pattern is None:
        resolve_text(facts, text)  # raises, and says what is wrong with it
    else:
        nodes = tuple(node for node in range(len(facts.graph.parents)) if any(map(pattern.match, _names(facts, node))))
    return nodes or _nothing(facts, text, f"{text!r} matches no label or module address")


def _names(facts: Interpretation, node: int) -> list[str]:
    """Every label and address of an operation, without a pass and with it."""
    labels = facts.labels
    layer = labels.layer_of[node]
    pass_num = labels.pass_num[node]
    names: list[str] = []
    for name in (labels.names[layer], f"{labels.types[layer]}_{labels.type_nums[layer]}"):
        names += (name, f"{name}:{pass_num}")
    for number in facts.nesting.exited.get(node, ()):
        call = facts.trace.module_calls[number]
        for address in facts.trace.modules[call.module].addresses:
            names += (address, f"{address}:{call.pass_num}")
    return names


def _is_chosen(facts: Interpretation, node: int, predicate: Callable[[OperationEntry], object]) -> bool:
    try:
        return bool(predicate(OperationEntry(facts, node)))
    except Exception as error:
        error.add_note(f"Lens: the callable in layers= was asked about {full_name(facts, node)}.")
        raise


def _check_alias(facts: Interpretation, name: str, nodes: tuple[int, ...]) -> None:
    if not nodes:
        raise UnknownKeyError(f"the name {name!r} in layers= stands for no operation", key=name)
    try:
        known = key_nodes(facts, name)
    except AmbiguousKeyError as error:
        known = tuple(node for key in error.nearest for node in key_nodes(facts, key))
    if known and tuple(sorted(known)) != nodes:
        raise AliasCollisionError(
            f"the name {name!r} in layers= already means {full_name(facts, known[0])} in this history and would now "
            f"mean {full_name(facts, nodes[0])}: choose another name"
        )


def _nothing(facts: Interpretation, key: str, what: str) -> NoReturn:
    wanted = [text for text in _QUOTED.findall(key) if f'col("{text}")' not in key] or [_WILD.sub("", key)]
    stem = max(_LETTERS.findall(wanted[0]), key=len, default="").strip("_.")
    nearest = nearest_keys(facts, stem)
    hint = f"; nearest are {', '.join(map(repr, nearest))}" if nearest else ""
    raise UnknownKeyError(what + hint, key=key, nearest=nearest)
