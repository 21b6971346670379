"""How does something else run in place of a function of torch's, for the length of a trace?

A function written in Python stays the object that it is and is *lent* other code.  So its calls are seen whoever took
hold of it long before (in a default argument, a closure), and nothing is set on a class: then Python would forget what
it knows of the class and of each of its subclasses, hundreds in the case of `nn.Module`, and look all of it up again.
What is written in C, or has cells of its own, is replaced by name.

Traces are many, and functions of torch's last as long as the process: what takes their place is made once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from lens_trace._undoing import Undoing

Wrap = Callable[[Any], Any]
"""From what was there to what runs in its place; the code itself, where it needs nothing else (`code_with`)."""

Wanted = tuple[Any, str, Wrap]
"""A module or class, the name of an attribute, and what makes its wrapper; known by identity, so made once."""

_nothing: Any = object()


class _Exchange(NamedTuple):
    """One attribute, and what takes its place."""

    owner: Any
    """A module, a class, or a function that code is lent to."""
    name: str
    before: Any
    """Nothing where a class has the attribute from another one."""
    after: Any


class _Known(NamedTuple):
    """What was found under a name, and what it is exchanged for."""

    wanted: Wanted
    names: Mapping[str, Any]
    found: Any
    is_lent: bool
    exchange: _Exchange
    original: Callable[..., Any]
    """What runs what was there before."""


_known: dict[int, _Known] = {}
"""By the id of what was wanted, which is kept alive here."""


def replace(undoing: Undoing, wanted: Iterable[Wanted]) -> list[Callable[..., Any]]:
    """Lets wrappers run in place of attributes; returns for each what runs what was there before."""
    made: list[_Exchange] = []
    undoing.note(lambda: _put_back(made))
    return [_replace(made, one) for one in wanted]


def _put_back(made: list[_Exchange]) -> None:
    for owner, name, before, after in reversed(made):
        if name == "__code__":
            owner.__code__ = before
        elif vars(owner).get(name) is after:  # where somebody has put something else there since, it stays
            delattr(owner, name) if before is _nothing else setattr(owner, name, before)


def _replace(made: list[_Exchange], wanted: Wanted) -> Callable[..., Any]:
    known = _known.get(id(wanted))
    if known is None or known.names.get(wanted[1], _nothing) is not known.found:
        known = _look_up(made, wanted)
    exchange = known.exchange
    if known.is_lent:
        code = exchange.owner.__code__
        if code is exchange.after:  # torch has the function under two names
            return known.original
        if code is not exchange.before:
            known = _look_up(made, wanted)
            exchange = known.exchange
    made.append(exchange)
    setattr(exchange.owner, exchange.name, exchange.after)
    return known.original


def _look_up(made: list[_Exchange], wanted: Wanted) -> _Known:
    owner, name, wrap = wanted
    names = vars(owner)
    found = original = names.get(name, _nothing)
    is_lent = type(found) is FunctionType and not found.__closure__
    if is_lent:
        lent = next((exchange for exchange in made if exchange.owner is found), None)
        original = _copy_of(found, found.__code__ if lent is None else lent.before)
        exchange = lent or _Exchange(found, "__code__", original.__code__, _code_of(wrap(original)))
    elif type(found) is FunctionType:
        # Whoever calls it is as many frames away as where code is lent.
        exchange = _Exchange(owner, name, found, FunctionType(_code_of(wrap(found)), globals(), name))
    else:
        original = getattr(owner, name) if found is _nothing else found
        exchange = _Exchange(owner, name, found, wrap(original))
    known = _Known(wanted, names, found, is_lent, exchange, original)
    if _lasts(original):  # what somebody else has put there is not kept alive
        _known[id(wanted)] = known
    return known


def _copy_of(function: FunctionType, code: CodeType) -> FunctionType:
    copy = FunctionType(code, function.__globals__, function.__name__, function.__defaults__)
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__module__ = function.__module__
    return copy


def _lasts(function: Any) -> bool:
    """Tells whether a function lives as long as the process, so that it may be held on to."""
    module = str(getattr(function, "__module__", None) or "torch")
    return module.partition(".")[0] in ("torch", "threading", "concurrent", "triton")


def code_with(template: FunctionType, needs: Any) -> CodeType:
    """Returns the code of a function in which the constant `NEEDS` is something else.

    Such code can be lent: it asks no name and no cell of the function that runs it.
    """
    own = template.__code__
    return own.replace(co_consts=tuple([needs if const == NEEDS else const for const in own.co_consts]))


NEEDS = "what it needs"
"""Stands in a function's code for what it uses; written out there, since a constant has no name."""


def _code_of(wrapper: Callable[..., Any] | CodeType) -> CodeType:
    return wrapper if isinstance(wrapper, CodeType) else code_with(_hand_over, wrapper)


def _hand_over(*args: Any, **kwargs: Any) -> Any:
    wrapper: Any = "what it needs"
    return wrapper(*args, **kwargs)
