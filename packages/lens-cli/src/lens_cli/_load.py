"""Which model is meant?

    package.module:factory     a class or function that is called, or a module that exists there
    file.py:Net                the same in a Python file
    program.pt2                a program that torch.export.save wrote
    scripted.pt                a module that torch.jit.save wrote
    hf:config.json             an architecture of transformers, with random weights (`lens_cli._huggingface`)

A factory gets its keyword arguments after a question mark, `zoo:small?width=3&act=gelu`, or by `--model-arg`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from lens_cli._code import object_named
from lens_cli._errors import ModelNotFoundError
from lens_cli._huggingface import load_architecture
from lens_cli._programs import ENDINGS, load_program
from lens_cli._values import arguments


def load_model(
    target: str, model_args: tuple[str, ...] = (), *, meta: bool = False, seed: int | None = None
) -> torch.nn.Module:
    """Returns the model that MODEL names.

    Args:
        target: In one of the forms above.
        model_args: More keyword arguments of the factory, `name=value`.
        meta: Make it on the meta device, without memory for its parameters.
        seed: Seed of the weights that are made; not of what importing the code draws.

    Raises:
        ModelNotFoundError: Nothing is there, it needs arguments, or what it leads to is no `torch.nn.Module`.
        FileError: A file cannot be read, or would run code.
    """
    place, _, query = target.partition("?")
    given = arguments(filter(None, query.split("&")), f"MODEL {target!r}:") | arguments(model_args, "--model-arg")
    with torch.device("meta") if meta else contextlib.nullcontext():
        if place.startswith("hf:"):
            _seed(seed)
            return load_architecture(place.removeprefix("hf:"), given)
        if Path(place).suffix.lower() in ENDINGS:
            if given:
                raise ModelNotFoundError(f"MODEL {place!r} is a file that is made already; it takes no arguments.")
            return load_program(Path(place))
        found = object_named(place)
        _seed(seed)
        return _made(found, place, given)


def _seed(seed: int | None) -> None:
    if seed is not None:
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType] - torch leaves it untyped


def _made(value: object, target: str, given: Mapping[str, Any]) -> torch.nn.Module:
    if isinstance(value, torch.nn.Module):
        if given:
            raise ModelNotFoundError(f"{target!r} is a module that is made already; it takes no arguments.")
        return value
    if not callable(value):
        raise ModelNotFoundError(
            f"{target!r} is a {type(value).__name__}, expected a torch.nn.Module or a factory that returns one."
        )
    _check_arguments(value, target, given)
    made: object = value(**given)
    if not isinstance(made, torch.nn.Module):
        raise ModelNotFoundError(f"{target!r} returned a {type(made).__name__}, expected a torch.nn.Module.")
    return made


def _check_arguments(factory: Callable[..., object], target: str, given: Mapping[str, Any]) -> None:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    missing = [p.name for p in named if p.default is p.empty and p.name not in given]
    if missing:
        example = "&".join(f"{name}=..." for name in missing)
        raise ModelNotFoundError(
            f"{target!r} needs arguments ({', '.join(missing)}); give them as '{target}?{example}' or with --model-arg."
        )
    unknown = [name for name in given if name not in {p.name for p in named}]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        known = ", ".join(p.name for p in named) or "none"
        raise ModelNotFoundError(f"{target!r} takes no argument {unknown[0]!r}; its arguments are: {known}.")
