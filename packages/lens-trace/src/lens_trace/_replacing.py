"""How does something else run in place of a function of torch's, for the length of a trace?

A function written in Python stays the object that it is and is *lent* other code.  So its calls are seen whoever took
hold of it long before (in a default argument, a closure), and nothing is set on a class: then Python would forget what
it knows of the class and of each of its subclasses, hundreds in the case of `nn.Module`, and look all of it up again.
What is written in C, or has cells of its own, is replaced by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from lens_trace._undoing import Undoing

Wrap = Callable[[Any], Any]
"""From what was there to what runs in its place; the code itself, where it needs nothing else (`code_with`)."""


Wanted = tuple[Any, str, Wrap]
"""A module or class, the name of an attribute, and what makes its wrapper."""


def replace(undoing: Undoing, wanted: Iterable[Wanted]) -> list[Callable[..., Any]]:
    """Lets wrappers run in place of attributes; returns for each what runs what was there before."""
    made: list[_Made] = []
    undoing.note(lambda: _put_back(made))
    return [_replace(made, owner, name, wrap) for owner, name, wrap in wanted]


_nothing: Any = object()


class _Made(NamedTuple):
    owner: Any
    name: str
    before: Any
    """Nothing where a class has the attribute from another one."""
    wrapper: Any
    """None where the owner is a function that code is lent to."""


def _put_back(made: list[_Made]) -> None:
    for owner, name, before, wrapper in reversed(made):
        # Where somebody has put something else there since, it stays.
        if wrapper is None or vars(owner).get(name) is wrapper:
            delattr(owner, name) if before is _nothing else setattr(owner, name, before)


def _replace(made: list[_Made], owner: Any, name: str, wrap: Wrap) -> Callable[..., Any]:
    before = vars(owner).get(name, _nothing)
    if before is _nothing:
        wrapper = wrap(getattr(owner, name))
    elif type(before) is not FunctionType:
        wrapper = wrap(before)
    elif not before.__closure__:
        return _lend(made, before, wrap)
    else:
        wrapper = _stand_in(before, name, wrap)
    made.append(_Made(owner, name, before, wrapper))
    setattr(owner, name, wrapper)
    return before


def _stand_in(function: FunctionType, name: str, wrap: Wrap) -> FunctionType:
    known = _stand_ins.get(id(function))
    if known is not None and known[0] is function:
        return known[1]
    # Whoever calls it is as many frames away as where code is lent.
    made = FunctionType(_code_of(wrap(function)), globals(), name)
    if _lasts(function):
        _stand_ins[id(function)] = function, made
    return made


_stand_ins: dict[int, tuple[FunctionType, FunctionType]] = {}
"""What replaces a function of torch's that has cells of its own: traces are many."""


def made_once(wrap: Wrap) -> Wrap:
    """Returns a wrapping function that remembers what it made of torch's own function: traces are many."""
    known: list[Any] = [None, None]

    def wrapped(original: Any) -> Any:
        if known[0] is original:
            return known[1]
        made = wrap(original)
        if _lasts(original):
            known[:] = original, made  # what somebody else has put there is not kept alive
        return made

    return wrapped


def _lasts(function: Any) -> bool:
    """Tells whether a function lives as long as the process, so that it may be held on to."""
    module = str(getattr(function, "__module__", None) or "torch")
    return module.partition(".")[0] in ("torch", "threading", "concurrent", "triton")


class _Lent(NamedTuple):
    own: CodeType
    original: FunctionType
    code: CodeType


_lent: dict[int, _Lent] = {}
"""By the id of a function's own code, which is kept alive here."""


def _lend(made: list[_Made], function: FunctionType, wrap: Wrap) -> Callable[..., Any]:
    own = function.__code__
    known = _lent.get(id(own))
    if known is None:
        twice = next((lent for lent in _lent.values() if lent.code is own), None)
        if twice is not None:  # torch has it under two names
            return twice.original
        original = FunctionType(own, function.__globals__, function.__name__, function.__defaults__)
        original.__kwdefaults__ = function.__kwdefaults__
        known = _Lent(own, original, _code_of(wrap(original)))
        if _lasts(function):
            _lent[id(own)] = known
    made.append(_Made(function, "__code__", own, None))
    function.__code__ = known.code
    return known.original


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
