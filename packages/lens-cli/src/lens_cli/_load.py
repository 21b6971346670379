"""Which model, and which inputs?

MODEL is `package.module:factory`.  What the name leads to may be an `nn.Module` already, or anything that returns one
when called with no arguments: a class, a function, a partial.  Attributes may be dotted (`zoo:models.small`).  The
current directory is searched first, as `python -m` does, so that a file beside you is a module like any other.

An input is a shape, `6,3,224,224`, optionally with an element type before it, `int64:1,16`.  Floating values are
uniform in [0, 1), integers and booleans are 0 or 1: numbers that are valid almost everywhere, embeddings included.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from typing import cast

import torch

from lens_cli._errors import CommandError, InputError, ModelNotFoundError


def load_model(target: str) -> torch.nn.Module:
    """Returns the model that `package.module:factory` names.

    Raises:
        ModelNotFoundError: The module cannot be imported, the attribute is missing, it needs arguments, or what it
            leads to is no `torch.nn.Module`.
    """
    module_name, colon, attribute_path = target.partition(":")
    if not (module_name and colon and attribute_path):
        raise ModelNotFoundError(
            f"MODEL is {target!r}, expected package.module:factory, such as torchvision.models:alexnet."
        )
    return _as_model(_attribute(_imported(module_name), attribute_path, target), target)


def random_inputs(shapes: Sequence[str], seed: int | None) -> tuple[torch.Tensor, ...]:
    """Returns one tensor a description, drawn from a generator of their own.

    Args:
        shapes: Such as `6,3,224,224` or `int64:1,16`; `float32` when no type is given.
        seed: Seed of the generator; 0 when None, so that a command prints the same twice.

    Raises:
        InputError: A description names no element type or no shape.
    """
    generator = torch.Generator().manual_seed(0 if seed is None else seed)
    return tuple(_random_tensor(text, generator) for text in shapes)


def _imported(module_name: str) -> object:
    if "" not in sys.path and sys.path[0] != ".":
        sys.path.insert(0, "")
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ModelNotFoundError(
                f"Importing {module_name!r} needs the module {error.name!r}, which is not installed."
            ) from error
        raise ModelNotFoundError(
            f"No module named {error.name!r}; install the package that holds it, or run the command in its folder."
        ) from error
    except CommandError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ModelNotFoundError(
            f"Importing {module_name!r} failed with {type(error).__name__}: {error}. Mend it there first."
        ) from error


def _attribute(value: object, attribute_path: str, target: str) -> object:
    for name in attribute_path.split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            near = difflib.get_close_matches(name, [n for n in dir(value) if not n.startswith("_")], n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else "."
            raise ModelNotFoundError(f"{target!r} does not exist: there is no {name!r} there{hint}") from None
    return value


def _as_model(value: object, target: str) -> torch.nn.Module:
    if isinstance(value, torch.nn.Module):
        return value
    if not callable(value):
        raise ModelNotFoundError(
            f"{target!r} is a {type(value).__name__}, expected a torch.nn.Module or a factory that returns one."
        )
    factory = cast("Callable[[], object]", value)
    missing = _required_arguments(factory)
    if missing:
        raise ModelNotFoundError(
            f"{target!r} needs arguments ({', '.join(missing)}), expected a factory that is called with none; "
            "write a small function that passes them."
        )
    made = factory()
    if not isinstance(made, torch.nn.Module):
        raise ModelNotFoundError(f"{target!r} returned a {type(made).__name__}, expected a torch.nn.Module.")
    return made


def _required_arguments(factory: Callable[[], object]) -> list[str]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _random_tensor(text: str, generator: torch.Generator) -> torch.Tensor:
    type_name, colon, sizes = text.rpartition(":")
    dtype = getattr(torch, type_name, None) if colon else torch.float32
    if not isinstance(dtype, torch.dtype):
        raise InputError(f"--input {text!r}: {type_name!r} is no element type, expected one such as float16 or int64.")
    try:
        shape = tuple(int(size) for size in sizes.split(",")) if sizes.strip() else ()
    except ValueError:
        shape = (-1,)
    if any(size < 0 for size in shape):
        raise InputError(f"--input {text!r}: expected sizes with commas between them, such as 6,3,224,224.")
    if dtype.is_floating_point or dtype.is_complex:
        return torch.rand(shape, generator=generator, dtype=torch.float32).to(dtype)
    return torch.randint(0, 2, shape, generator=generator).to(dtype)
