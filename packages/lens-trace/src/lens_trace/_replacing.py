"""How does something else run in place of a function of torch's, for the length of a trace?

A function written in Python stays the object that it is and is *lent* other code.  So its calls are seen whoever took
hold of it long before (in a default argument, a closure), and nothing is set on a class: then Python would forget what
it knows of the class and of each of its subclasses, hundreds in the case of `nn.Module`, and look all of it up again.
What is written in C, or has cells of its own, is replaced by name.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from lens_trace._undoing import Undoing

Wrap = Callable[[Any], Any]
"""From what was there to what runs in its place."""


def replace(undoing: Undoing, owner: Any, name: str, wrap: Wrap) -> Callable[..., Any]:
    """Lets a wrapper run in place of an attribute of a module or class; returns what runs what was there before."""
    before = vars(owner)[name]
    if type(before) is FunctionType and not before.__closure__:
        return _lend(undoing, before, wrap)
    made = wrap(before)
    if type(before) is FunctionType:  # its callers are as many frames away as where code is lent
        made = FunctionType(_entry_to(made), globals(), name)

    def undo() -> None:
        if vars(owner).get(name) is made:  # else somebody has put something else there since
            setattr(owner, name, before)

    undoing.note(undo)
    setattr(owner, name, made)
    return before


def made_once(wrap: Wrap) -> Wrap:
    """Returns a wrapping function that remembers what it made of torch's own function: traces are many."""
    known: list[Any] = [None, None]

    def wrapped(original: Any) -> Any:
        if known[0] is original:
            return known[1]
        made = wrap(original)
        if str(getattr(original, "__module__", None) or "torch").partition(".")[0] in (
            "torch",
            "threading",
            "concurrent",
        ):
            known[:] = original, made  # what somebody else has put there is not kept alive
        return made

    return wrapped


class _Lent(NamedTuple):
    own: CodeType
    original: FunctionType
    code: CodeType


_lent: dict[int, _Lent] = {}
"""By the id of a function's own code, which is kept alive here."""


def _lend(undoing: Undoing, function: FunctionType, wrap: Wrap) -> Callable[..., Any]:
    own = function.__code__
    known = _lent.get(id(own))
    if known is None:
        twice = next((lent for lent in _lent.values() if lent.code is own), None)
        if twice is not None:  # torch has it under two names
            return twice.original
        original = FunctionType(own, function.__globals__, function.__name__, function.__defaults__)
        original.__kwdefaults__ = function.__kwdefaults__
        known = _Lent(own, original, _entry_to(wrap(original)))
        if str(function.__module__).partition(".")[0] in ("torch", "threading", "concurrent"):
            _lent[id(own)] = known
    undoing.note(lambda: setattr(function, "__code__", own))
    function.__code__ = known.code
    return known.original


def _entry_to(wrapper: Callable[..., Any]) -> CodeType:
    """Returns code that hands its call on to a wrapper, and asks no name and no cell of the function it is lent to."""
    own = _entry.__code__
    return own.replace(co_consts=tuple([wrapper if const == _WRAPPER else const for const in own.co_consts]))


_WRAPPER = "the wrapper"


def _entry(*args: Any, **kwargs: Any) -> Any:
    wrapper: Any = "the wrapper"  # whose place the wrapper itself takes
    return wrapper(*args, **kwargs)
