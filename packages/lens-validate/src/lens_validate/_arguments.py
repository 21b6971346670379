"""What was the function called with?

The argument tree of a record is turned back into live Python values: constants from the record itself, opaque objects
from the recording, and for each tensor leaf whatever the caller supplies for its path.  The same walk lists the leaves,
and from them the edges that the record must have.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from lens_trace import (
    Argument,
    Constant,
    MappingArgument,
    Opaque,
    Operation,
    ParameterRef,
    Parent,
    Path,
    SequenceArgument,
    SliceArgument,
    Special,
    TensorRef,
)
from lens_validate._errors import CannotRebuildError

Reference: TypeAlias = TensorRef | ParameterRef
Leaf: TypeAlias = tuple[Path, Reference]


def tensor_leaves(operation: Operation) -> list[Leaf]:
    """Returns path and reference of every tensor argument, in argument order."""
    return [(path, leaf) for path, leaf in _leaves(operation) if isinstance(leaf, (TensorRef, ParameterRef))]


def expected_parents(operation: Operation) -> list[Parent]:
    """Returns the edges that an operation's arguments imply, in argument order."""
    parents: list[Parent] = []
    for path, leaf in tensor_leaves(operation):
        if isinstance(leaf, TensorRef):
            parents.append(Parent(leaf.operation, path))
        parents += [Parent(overlay.operation, path, True) for overlay in leaf.overlays]
    return parents


def array_paths(operation: Operation) -> set[Path]:
    """Returns the paths of arguments that are numpy arrays: an edge may reach them without a tensor reference."""
    return {
        path for path, leaf in _leaves(operation) if isinstance(leaf, Opaque) and leaf.type_name.startswith("numpy.")
    }


def leaves(operation: Operation) -> list[Argument]:
    """Returns all leaves of the arguments, in argument order."""
    return [leaf for _, leaf in _leaves(operation)]


def constants(operation: Operation) -> list[float]:
    """Returns the numbers among the arguments."""
    found: list[float] = []
    for _, leaf in _leaves(operation):
        if isinstance(leaf, Constant) and isinstance(leaf.value, (int, float)) and not isinstance(leaf.value, bool):
            found.append(float(leaf.value))
    return found


def rebuild(
    operation: Operation, tensors: Mapping[Path, Tensor], objects: Mapping[int, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Returns the positional and keyword arguments of a recorded call.

    Args:
        operation: Any operation of the call.
        tensors: A tensor for each path that `tensor_leaves` lists.
        objects: Live objects behind `Opaque` leaves, by index.

    Raises:
        CannotRebuildError: An argument is of a type that cannot be made again.
    """
    args = [_rebuild(argument, (i,), tensors, objects) for i, argument in enumerate(operation.args)]
    return args, {key: _rebuild(argument, (key,), tensors, objects) for key, argument in operation.kwargs}


def value_at(args: list[Any], kwargs: dict[str, Any], path: Path) -> Any:
    """Returns the live argument at a path."""
    if not path:
        raise CannotRebuildError("an argument's path is empty")
    value: Any = args[path[0]] if isinstance(path[0], int) else kwargs[path[0]]
    return part_at(value, path[1:])


def part_at(value: Any, path: Path) -> Any:
    """Returns the part of a container that a path leads to."""
    for step in path:
        if isinstance(value, Mapping):
            value = _item(cast("Mapping[Any, Any]", value), step)
        elif isinstance(step, int):
            value = value[step]
        else:
            value = getattr(value, step)
    return value


def _item(mapping: Mapping[Any, Any], step: int | str) -> Any:
    if step in mapping:
        return mapping[step]
    return next(item for key, item in mapping.items() if str(key) == str(step))


def _leaves(operation: Operation) -> Iterator[tuple[Path, Argument]]:
    for index, argument in enumerate(operation.args):
        yield from _walk(argument, (index,))
    for key, argument in operation.kwargs:
        yield from _walk(argument, (key,))


def _walk(argument: Argument, path: Path) -> Iterator[tuple[Path, Argument]]:
    if isinstance(argument, SequenceArgument):
        for index, item in enumerate(argument.items):
            yield from _walk(item, (*path, index))
    elif isinstance(argument, MappingArgument):
        for key, item in argument.items:
            yield from _walk(item, (*path, key))
    elif isinstance(argument, SliceArgument):
        for name in ("start", "stop", "step"):
            yield from _walk(getattr(argument, name), (*path, name))
    else:
        yield path, argument


def _rebuild(argument: Argument, path: Path, tensors: Mapping[Path, Tensor], objects: Mapping[int, Any]) -> Any:
    if isinstance(argument, (TensorRef, ParameterRef)):
        return tensors[path]
    if isinstance(argument, Constant):
        return argument.value
    if isinstance(argument, Special):
        return _special(argument)
    if isinstance(argument, SequenceArgument):
        items = [_rebuild(item, (*path, i), tensors, objects) for i, item in enumerate(argument.items)]
        return _sequence(argument.kind, items)
    if isinstance(argument, MappingArgument):
        parts = {key: _rebuild(item, (*path, key), tensors, objects) for key, item in argument.items}
        return _mapping(argument.kind, parts)
    if isinstance(argument, SliceArgument):
        names = ("start", "stop", "step")
        return slice(*(_rebuild(getattr(argument, name), (*path, name), tensors, objects) for name in names))
    if argument.index not in objects:
        raise CannotRebuildError(f"the {argument.type_name} at {_shown(path)} is not in the recording")
    return objects[argument.index]


def _shown(path: Path) -> str:
    return "argument " + ".".join(str(step) for step in path)


_MAKERS: dict[str, Callable[[str], Any]] = {
    "complex": complex,
    "dtype": lambda text: getattr(torch, text.removeprefix("torch.")),
    "device": torch.device,
    "layout": lambda text: getattr(torch, text.removeprefix("torch.")),
    "memory_format": lambda text: getattr(torch, text.removeprefix("torch.")),
    "ellipsis": lambda _: Ellipsis,
    "bytes": bytes.fromhex,
    "bigint": int,
    "nan": float,
    "inf": float,
    "-inf": float,
}


def _special(argument: Special) -> Any:
    maker = _MAKERS.get(argument.kind)
    if maker is None:
        raise CannotRebuildError(f"a value of the kind {argument.kind!r} cannot be made again ({argument.text})")
    try:
        return maker(argument.text)
    except (ValueError, AttributeError, RuntimeError, SyntaxError) as error:
        raise CannotRebuildError(f"{argument.text!r} is no {argument.kind}: {error}") from None


def _sequence(kind: str, items: list[Any]) -> Any:
    if kind == "list":
        return items
    if kind == "tuple":
        return tuple(items)
    if kind == "size":
        return torch.Size(items)
    if kind in ("set", "frozenset", "builtins.set", "builtins.frozenset"):
        return set(items) if kind.endswith(".set") or kind == "set" else frozenset(items)
    made = _type_named(kind)
    if made is None:
        return tuple(items)  # a local type of the user's: a plain tuple has the same items
    try:
        return made(*items) if hasattr(made, "_fields") else made(items)
    except (TypeError, ValueError) as error:
        raise CannotRebuildError(f"a {kind} cannot be made from its items: {error}") from None


def _mapping(kind: str, parts: dict[str, Any]) -> Any:
    if kind == "dict":
        return parts
    made: Any = _type_named(kind)
    try:
        is_data = made is not None and dataclasses.is_dataclass(made)
        is_mapping = made is not None and issubclass(cast("type", made), Mapping)
        if is_data or is_mapping:
            maker = cast("Callable[..., Any]", made)
            return maker(**parts) if is_data else maker(parts)
    except (TypeError, ValueError):
        made = None
    raise CannotRebuildError(f"an object of the type {kind} cannot be made from its parts")


def _type_named(name: str) -> Any:
    module, _, plain = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), plain)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, type) else None
