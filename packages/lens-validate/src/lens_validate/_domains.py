"""Which integers are valid indices here?

An index that is replaced by one out of range tells nothing (it raises) or kills the process (on a GPU).  So for the
functions that take indices this says how many valid ones there are.  It also lists the arguments that must never be
replaced, because the function trusts them and would read or write memory that is not its own.

On the CPU other arguments out of range raise, which tells as much as a changed result.  A GPU finds out while the
kernel runs, and then the process can use it no more: there `refusal` says beforehand what would have raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from lens_trace import Path
from lens_validate._ragged import lies_in_strides
from lens_validate._transforms import is_wrapped

CRASHES = "may crash the process on other values"


def trusts(name: str, path: Path) -> bool:
    """Whether a function uses this argument unchecked, so that other values could crash the process."""
    arguments = _TRUSTED.get(name)
    return arguments is not None and (not arguments or path[0] in arguments)


_TRUSTED: dict[str, frozenset[int | str]] = {
    "nms": frozenset(),
    "batched_nms": frozenset(),
    "roi_align": frozenset({1, "boxes", "rois"}),
    "roi_pool": frozenset({1, "boxes", "rois"}),
    "ps_roi_align": frozenset({1, "boxes", "rois"}),
    "ps_roi_pool": frozenset({1, "boxes", "rois"}),
    "deform_conv2d": frozenset({2, 3, "offset", "mask"}),
    "_pad_packed_sequence": frozenset({1, "batch_sizes"}),
    "_pack_padded_sequence": frozenset({1, "lengths"}),
    "lstm": frozenset({1, "batch_sizes"}),
    "gru": frozenset({1, "batch_sizes"}),
    "rnn_tanh": frozenset({1, "batch_sizes"}),
    "rnn_relu": frozenset({1, "batch_sizes"}),
    "embedding_bag": frozenset({2, "offsets"}),
    "_embedding_bag": frozenset({2, "offsets"}),
    "segment_reduce": frozenset({"lengths", "indices", "offsets"}),
    "_sparse_coo_tensor_unsafe": frozenset({0}),
    "sparse_coo_tensor": frozenset({0}),
    "sparse_csr_tensor": frozenset({0, 1}),
    "sparse_compressed_tensor": frozenset({0, 1}),
    "_nested_view_from_jagged": frozenset({1, 2}),
    "max_unpool2d": frozenset({1}),
    "max_unpool3d": frozenset({1}),
    "multilabel_margin_loss": frozenset({1, "target"}),
    "ctc_loss": frozenset({1, 2, 3}),
    "_ctc_loss": frozenset({1, 2, 3}),
}
"""Function: its trusted arguments; none named means all."""


def refusal(name: str, given: Mapping[Path, Tensor], args: list[Any], kwargs: dict[str, Any]) -> str | None:
    """Returns which argument a function would refuse, so that on a GPU the call must not be made; None when it runs.

    Args:
        name: The function.
        given: Its tensor arguments.
        args: The arguments of the call.
        kwargs: Its keyword arguments.
    """
    for path, value in given.items():
        if (
            lies_in_strides(value)
            and not is_wrapped(value)
            and value.numel()
            and _is_refused(name, path, value, args, kwargs)
        ):
            return f"argument {path[0]} holds values that the function does not take"
    return None


def _is_refused(name: str, path: Path, value: Tensor, args: list[Any], kwargs: dict[str, Any]) -> bool:
    if value.is_floating_point():
        limits = _LIMITS.get(name, {}).get(path[0])
        if limits is None:
            return False
        is_outside = bool((~torch.isfinite(value) | (value < limits[0]) | (value > limits[1])).any())
        return is_outside or (name == "multinomial" and bool((value.sum(-1) <= 0).any()))
    if name == "masked_scatter" and path[0] in (1, "mask"):
        source = _given(args, kwargs, 2, "source")
        return isinstance(source, Tensor) and int(value.expand(args[0].shape).sum()) > source.numel()
    if value.is_complex() or value.dtype is torch.bool:
        return False
    if name == "repeat_interleave":
        size = kwargs.get("output_size")
        return bool((value < 0).any()) or (size is not None and int(value.sum()) != size)
    if name == "one_hot":
        count = _given(args, kwargs, 1, "num_classes")
        return bool((value < 0).any()) or (isinstance(count, int) and count > 0 and bool((value >= count).any()))
    bound = index_bound(name, path, args, kwargs)
    if bound is None or name == "bincount":
        return False
    is_outside = (value < (-bound if name in _WRAPPING else 0)) | (value >= bound)
    if _BOUNDS[name] is _classes:  # one class may stand for what does not count
        is_outside &= ~torch.isin(value, torch.tensor([-100, *_whole_numbers(args, kwargs)], device=value.device))
    return bool(is_outside.any())


_WRAPPING = frozenset({"getitem", "setitem", "index", "index_put", "_index_put_impl", "_unsafe_index", "take", "put"})
"""Functions in which an index below zero counts from the end."""


def _whole_numbers(args: list[Any], kwargs: dict[str, Any]) -> list[int]:
    return [value for value in (*args, *kwargs.values()) if type(value) is int]


_PROBABILITY, _RATE = (0.0, 1.0), (0.0, 1e6)
_LIMITS: dict[str, dict[int | str, tuple[float, float]]] = {
    "bernoulli": {0: _PROBABILITY, "input": _PROBABILITY, 1: _PROBABILITY, "p": _PROBABILITY},
    "binary_cross_entropy": dict.fromkeys((0, "input", 1, "target"), _PROBABILITY),
    "binomial": {0: _RATE, "count": _RATE, 1: _PROBABILITY, "prob": _PROBABILITY},
    "multinomial": {0: _RATE, "input": _RATE},
    "poisson": {0: _RATE, "input": _RATE},
    "_standard_gamma": {0: _RATE},
    "_sample_dirichlet": {0: _RATE},
}
"""Between which numbers an argument has to lie."""


def index_bound(name: str, path: Path, args: list[Any], kwargs: dict[str, Any]) -> int | None:
    """Returns how many valid indices there are for an argument, None when it is no index."""
    rule = _BOUNDS.get(name)
    return rule(path, args, kwargs) if rule is not None else None


def is_size(name: str, path: Path) -> bool:
    """Whether an argument is the size of a result, where -1 stands for whatever fits."""
    return name in _SIZED and path[0] != 0


_SIZED = frozenset({"view", "reshape", "expand", "unflatten"})


def _given(args: list[Any], kwargs: dict[str, Any], position: int, name: str) -> Any:
    return args[position] if position < len(args) else kwargs.get(name)


def _rows(path: Path, args: list[Any], kwargs: dict[str, Any]) -> int | None:
    weight = _given(args, kwargs, 0, "weight")
    return int(weight.shape[0]) if path[0] in (1, "indices", "input") and isinstance(weight, Tensor) else None


def _along(path: Path, args: list[Any], kwargs: dict[str, Any]) -> int | None:
    source = _given(args, kwargs, 0, "input")
    dimension = _given(args, kwargs, 1, "dim")
    if path[0] not in (2, "index") or not isinstance(source, Tensor) or not isinstance(dimension, int):
        return None
    return int(source.shape[dimension]) if source.dim() else 1


def _take(path: Path, args: list[Any], kwargs: dict[str, Any]) -> int | None:
    source = _given(args, kwargs, 0, "input")
    return source.numel() if path[0] in (1, "index") and isinstance(source, Tensor) else None


def _take_along(path: Path, args: list[Any], kwargs: dict[str, Any]) -> int | None:
    source, dimension = _given(args, kwargs, 0, "input"), _given(args, kwargs, 2, "dim")
    if path[0] not in (1, "indices") or not isinstance(source, Tensor):
        return None
    return source.numel() if dimension is None else source.size(int(dimension))


def _subscript(path: Path, args: list[Any], kwargs: dict[str, Any]) -> int | None:
    source = args[0] if args else None
    if path[0] != 1 or not isinstance(source, Tensor) or not source.dim():
        return None
    items: Any = args[1]
    if len(path) == 1 or not isinstance(items, tuple) or not isinstance(path[1], int):
        return int(source.shape[0])  # a list is one index array, and takes the first dimension
    before, after = items[: path[1]], items[path[1] :]  # pyright: ignore[reportUnknownVariableType]
    if any(item is Ellipsis for item in before):  # pyright: ignore[reportUnknownVariableType]
        dimension = source.dim() - sum(map(_dimensions_taken, after))  # pyright: ignore[reportUnknownArgumentType]
    else:
        dimension = sum(map(_dimensions_taken, before))  # pyright: ignore[reportUnknownArgumentType]
    return int(source.shape[dimension]) if 0 <= dimension < source.dim() else None


def _dimensions_taken(item: Any) -> int:
    """How many dimensions of the source one item of a subscript takes."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    return item.dim() if isinstance(item, Tensor) and item.dtype is torch.bool else 1


def _one_a_dimension(path: Path, args: list[Any], kwargs: dict[str, Any]) -> int | None:
    source, items = _given(args, kwargs, 0, "input"), _given(args, kwargs, 1, "indices")
    if path[0] not in (1, "indices") or len(path) < 2 or not isinstance(source, Tensor) or not isinstance(path[1], int):
        return None
    dimension = sum(1 if item is None else _dimensions_taken(item) for item in items[: path[1]])
    return int(source.shape[dimension]) if dimension < source.dim() else None


def _classes(path: Path, args: list[Any], kwargs: dict[str, Any]) -> int | None:
    scores = _given(args, kwargs, 0, "input")
    if path[0] not in (1, "target") or not isinstance(scores, Tensor):
        return None
    return int(scores.shape[1 if scores.dim() > 1 else 0])


def _one_hot(path: Path, args: list[Any], kwargs: dict[str, Any]) -> int | None:
    count = _given(args, kwargs, 1, "num_classes")
    if isinstance(count, int) and count > 0:
        return count
    return int(args[0].max()) + 1 if args and args[0].numel() else None


def _count(path: Path, args: list[Any], kwargs: dict[str, Any]) -> int | None:
    return int(args[0].max()) + 2 if args and path[0] == 0 and args[0].numel() else None


_BOUNDS: dict[str, Callable[[Path, list[Any], dict[str, Any]], int | None]] = {
    "embedding": _rows,
    "embedding_bag": _rows,
    "_embedding_bag": _rows,
    **dict.fromkeys(
        ("index_select", "gather", "scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_fill"),
        _along,
    ),
    "take": _take,
    "put": _take,
    "take_along_dim": _take_along,
    **dict.fromkeys(("getitem", "setitem"), _subscript),
    **dict.fromkeys(("index", "index_put", "_index_put_impl", "_unsafe_index"), _one_a_dimension),
    **dict.fromkeys(
        ("nll_loss", "nll_loss_nd", "nll_loss2d", "cross_entropy_loss", "multi_margin_loss", "cross_entropy"), _classes
    ),
    "one_hot": _one_hot,
    "bincount": _count,
    "repeat_interleave": lambda path, args, kwargs: (
        _count((0,), [args[path[0]]], {}) if isinstance(path[0], int) and path[0] > 0 else None
    ),
}
