"""What does the table of operations tell?

One row for each operation in execution order, buffers included: one row a pass.  The columns carry the names of the
fields of an `OperationEntry` and mean the same; fields that are quadratic to store (siblings, ancestors) are left to
the entry, and live values (tensors, functions) as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lens_graph._column import Column, Rows, named
from lens_graph._interpretation import full_name, is_initialized_inside, is_saved

OPERATION_COLUMNS = (
    Column("layer_label_w_pass", "text", "Label with the pass, `conv2d_3_8:1`; unique.", lambda rows: _full(rows)),
    Column("layer_label", "text", "Label of the layer, `conv2d_3_8`.", lambda rows: _by_layer(rows, "names")),
    Column("operation_id", "whole", "Index in the trace.", lambda rows: rows.facts.graph.operations),
    Column("kind", "kind", "input, buffer, constant, call or output.", lambda rows: [r.kind for r in rows.records]),
    Column("layer_type", "text", "Type of the layer, `conv2d`.", lambda rows: _by_layer(rows, "types")),
    Column("operation_num", "whole", "Place in execution order from 1; null for buffers.",
           lambda rows: rows.facts.labels.operation_num),
    Column("layer_type_num", "whole", "Place among the layers of its type.", lambda rows: _by_layer(rows, "type_nums")),
    Column("layer_total_num", "whole", "Place among all layers; null for buffers.",
           lambda rows: _by_layer(rows, "total_nums")),
    Column("pass_num", "whole", "Which pass of its layer it is, from 1.", lambda rows: rows.facts.labels.pass_num),
    Column("layer_passes_total", "whole", "How many passes its layer has.",
           lambda rows: [len(nodes) for nodes in _by_layer(rows, "passes")]),
    Column("tensor_shape", "wholes", "Shape of the tensor.", lambda rows: [r.output.shape for r in rows.records]),
    Column("tensor_dtype", "text", "Data type, `float32`.", lambda rows: [r.output.dtype for r in rows.records]),
    Column("tensor_device", "text", "Device, `cpu`.", lambda rows: [r.output.device for r in rows.records]),
    Column("tensor_fsize", "whole", "Bytes of the tensor.", lambda rows: [r.output.nbytes for r in rows.records]),
    Column("is_saved", "flag", "Whether the tensor was kept.",
           lambda rows: [is_saved(rows.facts, node) for node in range(len(rows.records))]),
    Column("func_applied_name", "text", "Name of the function; null for what no function made.",
           lambda rows: [r.function.name if r.function else None for r in rows.records]),
    Column("func_qualified_name", "text", "Where the function lives, `torch.conv2d`.",
           lambda rows: [r.function.qualified_name if r.function else None for r in rows.records]),
    Column("func_time_elapsed", "seconds", "Time of the function's call (whole call, also with several tensors).",
           lambda rows: [r.elapsed_s for r in rows.records]),
    Column("function_is_inplace", "flag", "Whether it wrote into its argument.",
           lambda rows: [r.is_inplace for r in rows.records]),
    Column("gradfunc_name", "text", "Name of the autograd function.", lambda rows: [r.grad_fn for r in rows.records]),
    Column("is_part_of_iterable_output", "flag", "Whether the function returned several tensors.",
           lambda rows: [r.output_index is not None for r in rows.records]),
    Column("iterable_output_index", "whole", "Which of several returned tensors it is.",
           lambda rows: [r.output_index for r in rows.records]),
    Column("computed_with_params", "flag", "Whether parameters took part.",
           lambda rows: [bool(r.parameters) for r in rows.records]),
    Column("num_param_tensors", "whole", "How many parameters took part.",
           lambda rows: [len(r.parameters) for r in rows.records]),
    Column("num_params_total", "whole", "How many numbers they hold.", lambda rows: _parameter_sums(rows, "numel")),
    Column("parent_params_fsize", "whole", "Bytes of the parameters.", lambda rows: _parameter_sums(rows, "nbytes")),
    Column("parent_params", "texts", "Addresses of the parameters.",
           lambda rows: [[rows.names_of_parameters[p] for p in r.parameters] for r in rows.records]),
    Column("parent_param_shapes", "lists_of_wholes", "Shapes of the parameters.",
           lambda rows: _parameter_shapes(rows)),
    Column("parent_layers", "texts", "Whose values it read, in argument order.",
           lambda rows: named(rows, rows.facts.graph.parents)),
    Column("child_layers", "texts", "Who read its value.", lambda rows: named(rows, rows.facts.graph.children)),
    Column("min_distance_from_input", "whole", "Edges on the shortest way from an input; null where none leads.",
           lambda rows: rows.facts.distances.min_from_input),
    Column("max_distance_from_input", "whole", "Edges on the longest way from an input.",
           lambda rows: rows.facts.distances.max_from_input),
    Column("min_distance_from_output", "whole", "Edges on the shortest way to an output; null where none leads.",
           lambda rows: rows.facts.distances.min_from_output),
    Column("max_distance_from_output", "whole", "Edges on the longest way to an output.",
           lambda rows: rows.facts.distances.max_from_output),
    Column("has_input_ancestor", "flag", "Whether it is computed from an input.",
           lambda rows: [near is not None for near in rows.facts.distances.min_from_input]),
    Column("is_output_ancestor", "flag", "Whether an output is computed from it.",
           lambda rows: [near is not None for near in rows.facts.distances.min_from_output]),
    Column("initialized_inside_model", "flag", "Whether it came into being inside the model.",
           lambda rows: [is_initialized_inside(rows.facts, node) for node in range(len(rows.records))]),
    Column("terminated_inside_model", "flag", "Whether nothing reads it and it is no output.",
           lambda rows: [not children and r.kind != "output"
                         for children, r in zip(rows.facts.graph.children, rows.records, strict=True)]),
    Column("is_terminal_bool_layer", "flag", "Whether it decided something and nothing reads it.",
           lambda rows: _members(rows, rows.facts.branches.terminal_bools)),
    Column("in_cond_branch", "flag", "Whether it was computed only to decide something.",
           lambda rows: _members(rows, rows.facts.branches.in_branch)),
    Column("buffer_address", "text", "Address of a buffer.",
           lambda rows: [r.address if r.kind == "buffer" else None for r in rows.records]),
    Column("containing_module_origin", "text", "Address of the innermost module it ran in; null in the model itself.",
           lambda rows: [stack[-1] if stack else None for stack in rows.stacks]),
    Column("containing_module_origin_nested", "texts", "Addresses of all modules it ran in, outermost first.",
           lambda rows: rows.stacks),
    Column("modules_entered", "texts", "Addresses of the modules that its value entered.",
           lambda rows: _addresses(rows, rows.facts.nesting.entered)),
    Column("modules_exited", "texts", "Addresses of the modules that its value left.",
           lambda rows: _addresses(rows, rows.facts.nesting.exited)),
    Column("is_submodule_output", "flag", "Whether its value left a submodule.",
           lambda rows: _members(rows, rows.facts.nesting.exited)),
    Column("is_bottom_level_submodule_output", "flag", "Whether nothing else ran in the module that it left.",
           lambda rows: _members(rows, rows.facts.nesting.bottom_level)),
    Column("call_site", "place", "The place in the model's code that made the call.",
           lambda rows: [r.user_call_site or r.call_site for r in rows.records]),
)  # fmt: skip
"""The columns of `tables.operations`, in order."""


def _full(rows: Rows) -> list[str]:
    return [full_name(rows.facts, node) for node in range(len(rows.records))]


def _by_layer(rows: Rows, field: str) -> list[Any]:
    values = getattr(rows.facts.labels, field)
    return [values[layer] for layer in rows.facts.labels.layer_of]


def _parameter_shapes(rows: Rows) -> list[list[tuple[int, ...]]]:
    shapes = [parameter.shape for parameter in rows.facts.trace.parameters]
    return [[shapes[index] for index in record.parameters] for record in rows.records]


def _parameter_sums(rows: Rows, field: str) -> list[int]:
    values = [getattr(parameter, field) for parameter in rows.facts.trace.parameters]
    return [sum(values[index] for index in record.parameters) if record.parameters else 0 for record in rows.records]


def _members(rows: Rows, nodes: Iterable[int]) -> list[bool]:
    flags = [False] * len(rows.records)
    for node in nodes:
        flags[node] = True
    return flags


def _addresses(rows: Rows, crossed: dict[int, tuple[int, ...]]) -> list[list[str]]:
    calls = rows.facts.trace.module_calls
    addresses: list[list[str]] = [[] for _ in rows.records]
    for node, found in crossed.items():
        addresses[node] = list(dict.fromkeys(calls[call].address for call in found))
    return addresses
