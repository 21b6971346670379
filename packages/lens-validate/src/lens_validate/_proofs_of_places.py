"""When can other values of a mask or an index, or of what it selects, not change the result?"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from lens_trace import Path
from lens_validate._case import Case
from lens_validate._equal import are_equal, is_constant, is_zero, rows_are_equal


def where_takes_the_other(case: Case) -> bool:
    condition = case.given(0, "condition")
    if not isinstance(condition, Tensor):
        return False
    if case.is_at(1, "input", "self"):
        return not bool(condition.any())
    return case.is_at(2, "other") and bool(condition.all())


def where_chooses_between_equals(case: Case) -> bool:
    if not case.is_at(0, "condition") or len(case.args) + len(case.kwargs) < 3:
        return False
    return are_equal(case.given(1, "input"), case.given(2, "other"))


def fills_with_what_is_there(case: Case) -> bool:
    return case.is_at(1, "mask") and are_equal(case.given(0, "input"), case.given(2, "value"))


def mask_selects_nothing(case: Case) -> bool:
    mask = case.given(1, "mask")
    return (
        not case.is_at(0, "input") and not case.is_at(1, "mask") and isinstance(mask, Tensor) and not bool(mask.any())
    )


def subscript_selects_nothing(case: Case) -> bool:
    if not case.is_at(2, "value", "values"):
        return False
    subscript = case.given(1, "indices")
    parts: list[Any] = list(cast("Any", subscript)) if isinstance(subscript, (tuple, list)) else [subscript]
    return (
        any(isinstance(p, Tensor) and (not bool(p.any()) if p.dtype is torch.bool else p.numel() == 0) for p in parts)
        or case.args[0][tuple(parts) if isinstance(subscript, (tuple, list)) else subscript].numel() == 0
    )


def writes_what_is_there(case: Case) -> bool:
    # Wherever it writes, the memory holds this very value already.
    if not case.is_at(1, "indices", "mask") and not case.is_at(2, "index"):
        return False
    target = case.given(0, "input")
    value = (
        case.given(2, "value") if case.is_at(1, "indices", "mask") else case.given(3, "src", case.kwargs.get("value"))
    )
    if not isinstance(target, Tensor) or not is_constant(target):
        return False
    return are_equal(target.reshape(-1)[0], value)


def reads_from_equals(case: Case) -> bool:
    source = case.given(0, "input", case.kwargs.get("weight"))
    if case.path[0] == 0 or not isinstance(source, Tensor) or case.value.is_floating_point():
        return False
    if case.name in ("embedding", "embedding_bag"):
        return rows_are_equal(source, 0)
    dimension = case.given(1, "dim")
    if case.name in ("index_select", "gather") and isinstance(dimension, int):
        return rows_are_equal(source, dimension)
    return is_constant(source)


def transform_reads_from_equals(case: Case) -> bool:
    # torch's own subscript inside transforms, an autograd function: `ModIndex.apply(source, indices)`.
    if case.path[0] != 2 or getattr(case.args[0], "__module__", "") != _MOD_INDEX_MODULE:
        return False
    return case.args[0].__qualname__ == "ModIndex" and isinstance(case.args[1], Tensor) and is_constant(case.args[1])


def is_one_index(case: Case) -> bool:
    # An index along a dimension of one element.
    return case.index_bound == 1


_MOD_INDEX_MODULE = "torch._dynamo._trace_wrapped_higher_order_op"
_TRIED = 4096
"""So many indices are tried one by one."""


def every_index_reads_the_same(case: Case) -> bool:
    # Each element of the result depends on one element of the index: when no single index changes any, none can.
    bound = case.index_bound
    if bound is None or bound > _TRIED:
        return False
    return all(case.unchanged(torch.full_like(case.value, index)) for index in range(bound))


def no_index_changes_anything(case: Case) -> bool:
    # A single index: all that there are have been tried.
    bound = case.index_bound
    if case.value.numel() != 1 or bound is None or bound > _TRIED:
        return False
    return all(case.unchanged(torch.full_like(case.value, index)) for index in range(bound))


def every_index_writes_what_is_there(case: Case) -> bool:
    # Wherever this index could send a value, the memory holds it already.
    bound, target, value = case.index_bound, case.given(0, "input"), case.given(2, "value")
    if bound is None or bound > _TRIED or not isinstance(target, Tensor):
        return False
    places = (replaced(case.args[1], case.path[1:], torch.full_like(case.value, index)) for index in range(bound))
    return all(are_equal(target[place], value) for place in places)


def replaced(tree: Any, path: Path, leaf: Tensor) -> Any:
    """A copy of nested sequences with `leaf` at `path`."""
    if not path:
        return leaf
    items: list[Any] = list(tree)
    items[int(path[0])] = replaced(items[int(path[0])], path[1:], leaf)
    return tuple(items) if isinstance(tree, tuple) else items


def adds_zero_there(case: Case) -> bool:
    return case.is_at(2, "index") and is_zero(case.given(3, "src", case.kwargs.get("source")))
