"""Which Python value does a word on the command line stand for?

    width=3   pretrained=None   sizes=(64,128)   name=gelu   dtype=torch.float16

A value is a Python literal where it reads as one, an element type of torch when it is named `torch.something`, and
otherwise the text itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

import torch

from lens_cli._errors import CommandError, InputError


def arguments(words: Iterable[str], option: str) -> dict[str, Any]:
    """Returns `name=value` words as keyword arguments.

    Args:
        words: Such as `width=3`.
        option: Where they stood, for the error.

    Raises:
        CommandError: A word without a name.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise CommandError(f"{option} {word!r}: expected name=value, such as num_classes=10.")
        found[name] = value(text)
    return found


def value(text: str) -> Any:
    """Returns the value that a text stands for.

    >>> value("3"), value("None"), value("gelu"), value("torch.float16")
    (3, None, 'gelu', torch.float16)
    """
    prefix, dot, name = text.partition(".")
    if prefix == "torch" and dot:
        found = getattr(torch, name, None)
        if isinstance(found, torch.dtype):
            return found
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def element_type(name: str, option: str) -> torch.dtype:
    """Returns the element type of a name such as `float16`.

    Raises:
        InputError: torch has none of that name.
    """
    found = getattr(torch, name.removeprefix("torch."), None)
    if not isinstance(found, torch.dtype):
        raise InputError(f"{option}: {name!r} is no element type, expected one such as float16 or int64.")
    return found
