"""What did a function receive, in plain Python values?

The trace keeps arguments as a tree of records.  Here the tree becomes what the caller wrote: lists, slices, numbers,
the saved tensor in the place of a tensor, the live parameter in the place of a parameter.  Where a value is not there
(a tensor that was not saved, a dtype without torch) the record itself stands in its place.
"""

from __future__ import annotations

import ast
from typing import Any

from lens_graph._interpretation import Interpretation
from lens_trace import (
    Argument,
    Constant,
    MappingArgument,
    Opaque,
    ParameterRef,
    SequenceArgument,
    SliceArgument,
    Special,
    TensorRef,
)


class _Tensor:
    """Marks a leaf that `without_tensors` leaves out."""


_TENSOR = _Tensor()


def live_value(facts: Interpretation, argument: Argument) -> Any:
    """The argument in plain Python values, tensors included where they were saved."""
    return _value(facts, argument, keep_tensors=True)


def non_tensor_values(facts: Interpretation, arguments: tuple[Argument, ...]) -> list[Any]:
    """The arguments that are no tensors; of a list that holds some, the rest of the list."""
    values = (_value(facts, argument, keep_tensors=False) for argument in arguments)
    return [value for value in values if value is not _TENSOR]


def non_tensor_items(facts: Interpretation, arguments: tuple[tuple[str, Argument], ...]) -> dict[str, Any]:
    """The same for keyword arguments."""
    values = ((name, _value(facts, argument, keep_tensors=False)) for name, argument in arguments)
    return {name: value for name, value in values if value is not _TENSOR}


def _value(facts: Interpretation, argument: Argument, *, keep_tensors: bool) -> Any:
    match argument:
        case Constant():
            return argument.value
        case TensorRef() | ParameterRef():
            return _tensor(facts, argument) if keep_tensors else _TENSOR
        case SequenceArgument():
            items = [_value(facts, item, keep_tensors=keep_tensors) for item in argument.items]
            rest = [item for item in items if item is not _TENSOR]
            if items and not rest:
                return _TENSOR
            return rest if argument.kind == "list" else tuple(rest)
        case MappingArgument():
            pairs = [(name, _value(facts, item, keep_tensors=keep_tensors)) for name, item in argument.items]
            rest = {name: item for name, item in pairs if item is not _TENSOR}
            return _TENSOR if pairs and not rest else rest
        case SliceArgument():
            return slice(
                *(_value(facts, part, keep_tensors=True) for part in (argument.start, argument.stop, argument.step))
            )
        case Special():
            return _special(argument)
        case Opaque():
            return facts.payloads.objects.get(argument.index, argument)


def _tensor(facts: Interpretation, argument: TensorRef | ParameterRef) -> Any:
    if argument.overlays:
        return argument
    if isinstance(argument, ParameterRef):
        live = facts.payloads.parameters
        return live[argument.parameter] if argument.parameter < len(live) else argument
    if argument.write is None and argument.geometry is None and argument.operation in facts.payloads.tensors:
        return facts.payloads.tensors[argument.operation]
    return argument


def _special(argument: Special) -> Any:
    match argument.kind:
        case "complex":
            return complex(argument.text)
        case "nan" | "inf" | "-inf":
            return float(argument.kind)
        case "ellipsis":
            return ...
        case "bigint":
            return int(argument.text)
        case "bytes":
            return ast.literal_eval(argument.text)
        case _:
            return argument
