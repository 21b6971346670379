"""Which inputs does the model get?

    --input 6,3,224,224            random numbers of that shape, uniform in [0, 1)
    --input int64:1,16             integers and booleans are 0 or 1: valid almost everywhere, embeddings included
    --input x.npy                  what a file holds: .npy, .pt, .safetensors, an image
    --input store.pt#image         one entry of a file that holds several by name
    --input mask=bool:1,16         the same for a keyword argument
    --input value:3                a Python value; True, False and None need no `value:`
    --input-from code:function     whatever that function returns

What a function returns, or a file holds that is no single tensor, follows the library's rule: a tuple is the positional
arguments and a dictionary the keyword arguments; anything else is one argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch

from lens_cli._code import object_named
from lens_cli._errors import InputError
from lens_cli._files import ENDINGS, Preparation, read_input
from lens_cli._values import element_type, value

Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments of a forward pass."""
_NAMED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_CONSTANTS = {"True": True, "False": False, "None": None}


def make_inputs(
    words: Sequence[str],
    *,
    seed: int | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
    preparation: Preparation | None = None,
    function: str | None = None,
) -> Arguments:
    """Returns the arguments of the forward pass.

    Args:
        words: What followed each `--input`.
        seed: Seed of the random ones, which come from a generator of their own; 0 when None, so that a command prints
            the same twice.
        dtype: Floating type where the words name none.
        device: Where they go.
        preparation: How images and files are prepared.
        function: A name of code that returns more arguments.

    Raises:
        InputError: A description names no tensor.
        FileError: A file cannot be read, or would run code.
        ModelNotFoundError: `function` leads to nothing.
    """
    generator = torch.Generator().manual_seed(0 if seed is None else seed)
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        match = _NAMED.fullmatch(word)
        name, text = (match[1], match[2]) if match else (None, word)
        place, _, entry = text.partition("#")
        is_file = Path(place).suffix.lower() in ENDINGS and not text.startswith("value:")
        if is_file:
            found = _placed(read_input(Path(place), entry, preparation or Preparation()), dtype, device)
        else:
            # What is made here has the type that was asked for already.
            found = _placed(_described(text, word, generator, dtype, device), None, device)
        if name is not None:
            _take_named(kwargs, {name: found})
        elif is_file:
            _take(args, kwargs, found)
        else:
            args.append(found)
    if function is not None:
        _take(args, kwargs, _placed(_returned(function), dtype, device))
    return tuple(args), kwargs


def _described(
    text: str, word: str, generator: torch.Generator, dtype: torch.dtype | None, device: torch.device | None
) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text.startswith("value:"):
        return value(text.removeprefix("value:"))
    return _random_tensor(text, word, generator, dtype, device)


def _take(args: list[Any], kwargs: dict[str, Any], found: Any) -> None:
    if type(found) is tuple:
        args.extend(cast("tuple[Any, ...]", found))
    elif isinstance(found, Mapping) and all(isinstance(key, str) for key in cast("Mapping[Any, Any]", found)):
        _take_named(kwargs, cast("Mapping[str, Any]", found))
    else:
        args.append(found)


def _take_named(kwargs: dict[str, Any], found: Mapping[str, Any]) -> None:
    twice = sorted(set(kwargs) & set(found))
    if twice:
        raise InputError(f"The argument {twice[0]!r} is given twice.")
    kwargs.update(found)


def _returned(function: str) -> Any:
    made = object_named(function, "--input-from")
    if not callable(made):
        raise InputError(
            f"--input-from {function!r} is a {type(made).__name__}, expected a function that returns the inputs."
        )
    try:
        return cast("Callable[[], Any]", made)()
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:
            raise InputError(f"--input-from {function!r} must be callable without arguments: {error}.") from error
        raise


def _placed(found: Any, dtype: torch.dtype | None, device: torch.device | None) -> Any:
    """Returns a value with the tensors in it on the device; those of floating type in the type asked for."""
    if isinstance(found, torch.Tensor):
        return found.to(device=device, dtype=dtype if found.is_floating_point() else None)
    if isinstance(found, Mapping):
        items = cast("Mapping[Any, Any]", found)
        return {key: _placed(item, dtype, device) for key, item in items.items()}
    if type(found) in (list, tuple):
        return type(found)(_placed(item, dtype, device) for item in found)
    return found


def _random_tensor(
    text: str, word: str, generator: torch.Generator, default: torch.dtype | None, device: torch.device | None
) -> torch.Tensor:
    type_name, colon, sizes = text.rpartition(":")
    if colon and re.search(r"[A-Za-z]", sizes):
        raise InputError(f"--input {word!r}: expected sizes, such as 6,3,224,224, or a file ({' '.join(ENDINGS)}).")
    dtype = element_type(type_name, f"--input {word!r}") if colon else default or torch.float32
    if not text.strip():
        raise InputError("--input is empty: expected sizes, such as 6,3,224,224, or a file.")
    try:
        shape = tuple(int(size) for size in sizes.split(",")) if sizes.strip() else ()
    except ValueError:
        shape = (-1,)
    if any(size < 0 for size in shape):
        raise InputError(
            f"--input {word!r}: expected sizes with commas between them, such as 6,3,224,224, or a file"
            f" ({' '.join(ENDINGS)})."
        )
    try:
        if device is not None and device.type == "meta":
            return torch.empty(shape, dtype=dtype, device=device)
        if dtype.is_floating_point or dtype.is_complex:
            return torch.rand(shape, generator=generator, dtype=torch.float32).to(dtype)
        return torch.randint(0, 2, shape, generator=generator).to(dtype)
    except (RuntimeError, TypeError, MemoryError) as error:  # torch has several ways to say that it is too much
        raise InputError(
            f"--input {word!r}: there is no memory for a tensor of that size; --meta shows structure without memory."
        ) from error
