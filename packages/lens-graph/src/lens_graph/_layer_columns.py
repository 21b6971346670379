"""What do the tables of layers, edges and reads tell?

`layers`: one row for each layer in the order of its first pass, buffers included; sums are over its passes, and what
differs between them is null.  `edges`: one row for each value that arrived at an argument.  `reads`: one row for each
value that left the tensor world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lens_graph._column import Column, Rows, named
from lens_graph._interpretation import call_name, is_saved
from lens_trace import Operation, Parent

LAYER_COLUMNS = (
    Column("layer_label", "text", "Label, `conv2d_3_8`; unique.", lambda rows: rows.facts.labels.names),
    Column("kind", "kind", "input, buffer, constant, call or output.", lambda rows: _common(rows, lambda r: r.kind)),
    Column("layer_type", "text", "Type, `conv2d`.", lambda rows: rows.facts.labels.types),
    Column("layer_type_num", "whole", "Place among the layers of its type.", lambda rows: rows.facts.labels.type_nums),
    Column("layer_total_num", "whole", "Place among all layers; null for buffers.",
           lambda rows: rows.facts.labels.total_nums),
    Column("layer_passes_total", "whole", "How many passes it has.",
           lambda rows: [len(nodes) for nodes in rows.facts.labels.passes]),
    Column("tensor_shape", "wholes", "Shape of its tensors; null where passes differ.",
           lambda rows: _common(rows, lambda r: r.output.shape)),
    Column("tensor_dtype", "text", "Data type; null where passes differ.",
           lambda rows: _common(rows, lambda r: r.output.dtype)),
    Column("tensor_fsize", "whole", "Bytes of its tensors, all passes.",
           lambda rows: _sums(rows, lambda r: r.output.nbytes)),
    Column("num_saved", "whole", "How many of its passes were kept.",
           lambda rows: [sum(is_saved(rows.facts, node) for node in nodes) for nodes in rows.facts.labels.passes]),
    Column("func_applied_name", "text", "Name of the function; null where passes differ.",
           lambda rows: _common(rows, lambda r: r.function.name if r.function else None)),
    Column("func_time_elapsed", "seconds", "Time of the function, all passes.",
           lambda rows: _sums(rows, lambda r: r.elapsed_s)),
    Column("num_param_tensors", "whole", "How many parameters take part.",
           lambda rows: [len(found) for found in rows.layer_parameters]),
    Column("num_params_total", "whole", "How many numbers they hold.",
           lambda rows: [sum(p.numel for p in found) for found in rows.layer_parameters]),
    Column("parent_params_fsize", "whole", "Bytes of the parameters.",
           lambda rows: [sum(p.nbytes for p in found) for found in rows.layer_parameters]),
    Column("parent_layers", "texts", "Layers whose values it read.",
           lambda rows: _neighbours(rows, rows.facts.graph.parents)),
    Column("child_layers", "texts", "Layers that read its values.",
           lambda rows: _neighbours(rows, rows.facts.graph.children)),
    Column("containing_module_origin", "text", "Innermost module; null where passes differ or in the model itself.",
           lambda rows: _common(rows, lambda r: _innermost(rows, r))),
)  # fmt: skip
"""The columns of `tables.layers`, in order."""

EDGE_COLUMNS = (
    Column("parent", "text", "Label of the operation whose value was read, with the pass where needed.",
           lambda rows: [rows.names[parent] for parent, _, _ in rows.edges]),
    Column("child", "text", "Label of the operation that read it, with the pass where needed.",
           lambda rows: [rows.names[child] for _, child, _ in rows.edges]),
    Column("parent_layer", "text", "Label of the parent's layer.",
           lambda rows: _edge_layers(rows, (parent for parent, _, _ in rows.edges))),
    Column("child_layer", "text", "Label of the child's layer.",
           lambda rows: _edge_layers(rows, (child for _, child, _ in rows.edges))),
    Column("arg_position", "whole", "Position of the argument; null where it was given by keyword.",
           lambda rows: [_first(p) if isinstance(_first(p), int) else None for _, _, p in rows.edges]),
    Column("arg_name", "text", "Name of the argument; null where it was given by position.",
           lambda rows: [_first(p) if isinstance(_first(p), str) else None for _, _, p in rows.edges]),
    Column("is_overlay", "flag", "Whether it arrived as a write through another view.",
           lambda rows: [p.is_overlay for _, _, p in rows.edges]),
    Column("starts_condition", "flag", "Whether an IF begins here.",
           lambda rows: [(parent, child) in rows.facts.branches.starts for parent, child, _ in rows.edges]),
)  # fmt: skip
"""The columns of `tables.edges`, in order."""

READ_COLUMNS = (
    Column("kind", "text", "`bool`, `item`, `tolist`, `numpy`, ...", lambda rows: [r.kind for r in _reads(rows)]),
    Column("layers", "texts", "Labels of the operations that were read, with the pass where needed.",
           lambda rows: [_read_names(rows, r.parents) for r in _reads(rows)]),
    Column("value", "text", "What was read, as text; null when it was no scalar.",
           lambda rows: [None if r.value is None else str(r.value) for r in _reads(rows)]),
    Column("operations_before", "whole", "Operations recorded before the read.",
           lambda rows: [r.after for r in _reads(rows)]),
    Column("module", "text", "Module call that it happened in; null in the model itself.",
           lambda rows: [call_name(rows.facts, r.module_calls[-1]) if r.module_calls else None for r in _reads(rows)]),
    Column("call_site", "place", "The place in the model's code.",
           lambda rows: [r.user_call_site or r.call_site for r in _reads(rows)]),
)  # fmt: skip
"""The columns of `tables.reads`, in order."""


def _common(rows: Rows, value_of: Callable[[Operation], Any]) -> list[Any]:
    if rows.firsts is rows.records:
        return [value_of(record) for record in rows.records]
    values: list[Any] = []
    for nodes in rows.facts.labels.passes:
        first = value_of(rows.records[nodes[0]])
        values.append(first if all(value_of(rows.records[node]) == first for node in nodes[1:]) else None)
    return values


def _sums(rows: Rows, value_of: Callable[[Operation], Any]) -> list[Any]:
    if rows.firsts is rows.records:
        return [value_of(record) for record in rows.records]
    return [sum(value_of(rows.records[node]) for node in nodes) for nodes in rows.facts.labels.passes]


def _neighbours(rows: Rows, edges: tuple[tuple[int, ...], ...]) -> list[list[str]]:
    if rows.firsts is rows.records:
        return named(rows, edges)
    labels = rows.facts.labels
    layer_of, names = labels.layer_of, labels.names
    return [
        [names[layer] for layer in dict.fromkeys(layer_of[other] for node in nodes for other in edges[node])]
        for nodes in labels.passes
    ]


def _innermost(rows: Rows, record: Operation) -> str | None:
    return rows.facts.trace.module_calls[record.module_calls[-1]].address if record.module_calls else None


def _edge_layers(rows: Rows, nodes: Iterable[int]) -> list[str]:
    labels = rows.facts.labels
    return [labels.names[labels.layer_of[node]] for node in nodes]


def _first(parent: Parent) -> int | str:
    return parent.path[0] if parent.path else 0


def _reads(rows: Rows) -> Any:
    return rows.facts.trace.reads


def _read_names(rows: Rows, parents: Iterable[Parent]) -> list[str]:
    nodes = (rows.facts.graph.node_of[parent.operation] for parent in parents)
    return [rows.names[node] for node in nodes if node >= 0]
