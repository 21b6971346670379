"""What does a layer of several passes answer when its passes differ?

A *field* is a fact about one operation.  A layer of one pass simply has its operation's facts.  For a layer of several
passes each field follows one of three rules:

    agreed    the common value, or `AmbiguousPassError` when the passes differ
    union     a list: everything that some pass lists, in order of first appearance
    single    always `AmbiguousPassError`: the value belongs to one pass by its nature (a tensor, its arguments)

A field is written once, on the operation entry; `field.over_passes()` makes the layer's descriptor from it, so that
the two cannot drift apart.

Source: the right column of Supplementary Table 1 of the paper.  It speaks of operations only; how a layer of several
passes answers is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar, cast, overload

from lens_graph._errors import AmbiguousPassError

Value = TypeVar("Value")
Rule = Callable[["HasPasses", str, Sequence[Any]], Any]


class HasPasses(Protocol):
    """A layer, as far as merging is concerned."""

    @property
    def label(self) -> str:
        """Its label."""
        ...

    @property
    def passes(self) -> Sequence[Any]:
        """Its operation entries."""
        ...


class Field(Generic[Value]):
    """A fact about an operation, computed when asked."""

    def __init__(self, compute: Callable[[Any], Value], combine: Rule) -> None:
        self.compute = compute
        self.combine = combine
        self.name = ""
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, entry: None, owner: type) -> Field[Value]: ...
    @overload
    def __get__(self, entry: object, owner: type) -> Value: ...
    def __get__(self, entry: object | None, owner: type) -> Field[Value] | Value:
        return self if entry is None else self.compute(entry)

    def __set__(self, entry: object, value: Value) -> None:
        raise AttributeError(f"{self.name} is a recorded fact and cannot be set")

    def over_passes(self) -> LayerField[Value]:
        """The same field for a layer."""
        return LayerField(self)


class LayerField(Generic[Value]):
    """A fact about a layer, merged over its passes when asked."""

    def __init__(self, field: Field[Value]) -> None:
        self.field = field
        self.__doc__ = field.__doc__

    @overload
    def __get__(self, layer: None, owner: type) -> LayerField[Value]: ...
    @overload
    def __get__(self, layer: HasPasses, owner: type) -> Value: ...
    def __get__(self, layer: HasPasses | None, owner: type) -> LayerField[Value] | Value:
        if layer is None:
            return self
        passes = layer.passes
        if len(passes) == 1:
            return self.field.compute(passes[0])
        if self.field.combine is _refuse:
            return _refuse(layer, self.field.name, passes)
        values = [self.field.compute(one) for one in passes]
        return cast(Value, self.field.combine(layer, self.field.name, values))

    def __set__(self, layer: object, value: Value) -> None:
        raise AttributeError(f"{self.field.name} is a recorded fact and cannot be set")


def agreed(compute: Callable[[Any], Value]) -> Field[Value]:
    """Decorate a field whose passes have to agree."""
    return Field(compute, _same)


def union(compute: Callable[[Any], Value]) -> Field[Value]:
    """Decorate a list field that a layer collects over its passes."""
    return Field(compute, _union)


def single(compute: Callable[[Any], Value]) -> Field[Value]:
    """Decorate a field that belongs to one pass."""
    return Field(compute, _refuse)


def _same(layer: HasPasses, name: str, values: Sequence[Any]) -> Any:
    first = values[0]
    if all(value is first or value == first for value in values):
        return first
    shown = ", ".join(repr(value) for value in values[:3]) + (", ..." if len(values) > 3 else "")
    raise AmbiguousPassError(
        f"{name} differs between the {len(values)} passes of {layer.label} ({shown}): "
        f"ask one of them, .passes[0].{name} or history['{layer.label}:1'].{name}"
    )


def _union(layer: HasPasses, name: str, values: Sequence[Any]) -> Any:
    return list(dict.fromkeys(item for value in values for item in value))


def _refuse(layer: HasPasses, name: str, values: Sequence[Any]) -> Any:
    raise AmbiguousPassError(
        f"{layer.label} has {len(values)} passes, each with its own {name}: "
        f"ask one of them, .passes[0].{name} or history['{layer.label}:1'].{name}"
    )
