"""What is each layer called?

A *layer* is one step of the model, with one *pass* for each time that it ran.  Its label is
`{layer_type}_{layer_type_num}_{layer_total_num}`: the third convolution and eighth layer overall is `conv2d_3_8`, its
second pass `conv2d_3_8:2`.  Numbers follow the execution order of the layers' first passes, so a layer always has a
lower number than what descends from it; inputs and outputs count, passes do not.

Buffers are numbered on their own, `buffer_1`, `buffer_2`, and take no number from the others, so that showing or
hiding them renames nothing.

Source: "Layer nomenclature" in the paper.  It does not say how buffers are numbered.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from lens_graph._graph import Graph
from lens_graph._types import layer_type_of
from lens_trace import Trace


class Labels(Struct, frozen=True):
    """Layers and their names.  Layers are numbered in the order of their first pass, buffers among them."""

    layer_of: tuple[int, ...]
    """The layer of each node."""
    pass_num: tuple[int, ...]
    """The pass of its layer that each node is, from 1."""
    operation_num: tuple[int | None, ...]
    """The place of each node in execution order, from 1; None for buffers, which are not counted."""
    passes: tuple[tuple[int, ...], ...]
    """The nodes of each layer, in execution order."""
    types: tuple[str, ...]
    """The type of each layer."""
    type_nums: tuple[int, ...]
    """The place of each layer among those of its type, from 1."""
    total_nums: tuple[int | None, ...]
    """The place of each layer among all, from 1; None for buffers."""
    names: tuple[str, ...]
    """The label of each layer."""
    counted: tuple[int, ...]
    """The layers in order, without the buffers."""
    by_type: dict[str, tuple[int, ...]]
    """The layers of each type in order; those of buffer operations under `""`."""


def name_layers(graph: Graph, layer_of: Sequence[int], trace: Trace) -> Labels:
    """Number and name the layers."""
    passes = _group(layer_of)
    pass_num = [0] * len(layer_of)
    for members in passes:
        for number, node in enumerate(members, 1):
            pass_num[node] = number
    types: list[str] = []
    type_nums: list[int] = []
    total_nums: list[int | None] = []
    names: list[str] = []
    by_type: dict[str, list[int]] = {}
    counted: list[int] = []
    for layer, members in enumerate(passes):
        operation = trace.operations[graph.operations[members[0]]]
        kind = layer_type_of(operation)
        is_buffer = operation.kind == "buffer"
        same = by_type.setdefault("" if is_buffer else kind, [])
        same.append(layer)
        types.append(kind)
        type_nums.append(len(same))
        if is_buffer:
            total_nums.append(None)
            names.append(f"{kind}_{len(same)}")
        else:
            counted.append(layer)
            total_nums.append(len(counted))
            names.append(f"{kind}_{len(same)}_{len(counted)}")
    return Labels(
        layer_of=tuple(layer_of),
        pass_num=tuple(pass_num),
        operation_num=_count_operations(layer_of, total_nums),
        passes=passes,
        types=tuple(types),
        type_nums=tuple(type_nums),
        total_nums=tuple(total_nums),
        names=tuple(names),
        counted=tuple(counted),
        by_type={kind: tuple(layers) for kind, layers in by_type.items()},
    )


def _group(layer_of: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    passes: list[list[int]] = []
    for node, layer in enumerate(layer_of):
        if layer == len(passes):
            passes.append([node])
        else:
            passes[layer].append(node)
    return tuple(map(tuple, passes))


def _count_operations(layer_of: Sequence[int], total_nums: Sequence[int | None]) -> tuple[int | None, ...]:
    numbers: list[int | None] = []
    count = 0
    for layer in layer_of:
        if total_nums[layer] is None:
            numbers.append(None)
        else:
            count += 1
            numbers.append(count)
    return tuple(numbers)
