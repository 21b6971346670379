"""What do the tables of modules, module calls, parameters and buffers tell?

`modules`: one row for each module of the model, itself included, however many addresses it has.  `module_calls`: one
row for each call, in the order of entering.  `parameters` and `buffers`: one row for each, used or not.
"""

from __future__ import annotations

from lens_graph._column import Column, Rows, named
from lens_graph._interpretation import call_name
from lens_graph._modules import ModuleEntry

MODULE_COLUMNS = (
    Column("address", "text", "First address; empty for the model itself.",
           lambda rows: [_first(m.addresses) or "" for m in rows.facts.trace.modules]),
    Column("addresses", "texts", "All addresses.", lambda rows: [m.addresses for m in rows.facts.trace.modules]),
    Column("class_name", "text", "Class, `Conv2d`.", lambda rows: [m.class_name for m in rows.facts.trace.modules]),
    Column("qualified_class_name", "text", "Class with its package.",
           lambda rows: [m.qualified_class_name for m in rows.facts.trace.modules]),
    Column("training", "flag", "Train/eval flag.", lambda rows: [m.training for m in rows.facts.trace.modules]),
    Column("num_passes", "whole", "How often it was called.", lambda rows: list(map(len, rows.facts.nesting.calls_of))),
    Column("num_operations", "whole", "Operations that ran in it or in its parts, all calls.",
           lambda rows: [sum(rows.facts.nesting.operations_inside[call] for call in calls)
                         for calls in rows.facts.nesting.calls_of]),
    Column("elapsed", "seconds", "Time of all its calls, recording included.",
           lambda rows: [sum(rows.facts.trace.module_calls[call].elapsed_s for call in calls)
                         for calls in rows.facts.nesting.calls_of]),
    Column("func_time_elapsed", "seconds", "Time of the functions inside, without recording.",
           lambda rows: [sum(rows.profile.function_seconds[call] for call in calls)
                         for calls in rows.facts.nesting.calls_of]),
    Column("tensor_fsize", "whole", "Bytes of the tensors that were made inside.",
           lambda rows: [sum(rows.profile.tensor_bytes[call] for call in calls)
                         for calls in rows.facts.nesting.calls_of]),
    Column("num_own_params", "whole", "Numbers in its own parameters.",
           lambda rows: [sum(rows.facts.trace.parameters[p].numel for p in m.parameters)
                         for m in rows.facts.trace.modules]),
    Column("num_params", "whole", "Numbers in its parameters and those of its parts, tied ones once.",
           lambda rows: [module.num_params for module in _modules(rows)]),
    Column("params_fsize", "whole", "Bytes of the same.",
           lambda rows: [module.params_fsize for module in _modules(rows)]),
    Column("children", "texts", "First addresses of its direct parts.",
           lambda rows: [module.children for module in _modules(rows)]),
)  # fmt: skip
"""The columns of `tables.modules`, in order."""

MODULE_CALL_COLUMNS = (
    Column("label", "text", "Address and pass, `features.3:1`; `:1` for the model itself.",
           lambda rows: [call_name(rows.facts, call.id) for call in rows.facts.trace.module_calls]),
    Column("address", "text", "Address that it was called by.",
           lambda rows: [call.address for call in rows.facts.trace.module_calls]),
    Column("pass_num", "whole", "Which call of its module it is, from 1.",
           lambda rows: [call.pass_num for call in rows.facts.trace.module_calls]),
    Column("class_name", "text", "Class of its module.",
           lambda rows: [rows.facts.trace.modules[call.module].class_name for call in rows.facts.trace.module_calls]),
    Column("parent", "text", "Label of the call that it was made in; null for the model's own.",
           lambda rows: [None if call.parent is None else call_name(rows.facts, call.parent)
                         for call in rows.facts.trace.module_calls]),
    Column("depth", "whole", "0 for the model, 1 for its direct parts.",
           lambda rows: [call.depth for call in rows.facts.trace.module_calls]),
    Column("training", "flag", "Train/eval flag at the call.",
           lambda rows: [call.training for call in rows.facts.trace.module_calls]),
    Column("elapsed", "seconds", "Time from entering to leaving, recording included.",
           lambda rows: [call.elapsed_s for call in rows.facts.trace.module_calls]),
    Column("func_time_elapsed", "seconds", "Time of the functions inside, without recording.",
           lambda rows: rows.profile.function_seconds),
    Column("tensor_fsize", "whole", "Bytes of the tensors that were made inside.",
           lambda rows: rows.profile.tensor_bytes),
    Column("num_operations", "whole", "Operations that ran in it or in its parts.",
           lambda rows: rows.facts.nesting.operations_inside),
    Column("input_layers", "texts", "What entered it.", lambda rows: named(rows, rows.facts.nesting.inputs)),
    Column("output_layers", "texts", "What left it.", lambda rows: named(rows, rows.facts.nesting.outputs)),
)  # fmt: skip
"""The columns of `tables.module_calls`, in order."""

PARAMETER_COLUMNS = (
    Column("address", "text", "First address; null when the model does not hold it.",
           lambda rows: [_first(p.addresses) for p in rows.facts.trace.parameters]),
    Column("addresses", "texts", "All addresses.", lambda rows: [p.addresses for p in rows.facts.trace.parameters]),
    Column("shape", "wholes", "Shape.", lambda rows: [p.shape for p in rows.facts.trace.parameters]),
    Column("dtype", "text", "Data type.", lambda rows: [p.dtype for p in rows.facts.trace.parameters]),
    Column("device", "text", "Device.", lambda rows: [p.device for p in rows.facts.trace.parameters]),
    Column("numel", "whole", "How many numbers it holds.", lambda rows: [p.numel for p in rows.facts.trace.parameters]),
    Column("nbytes", "whole", "Its bytes.", lambda rows: [p.nbytes for p in rows.facts.trace.parameters]),
    Column("requires_grad", "flag", "Whether it is trained.",
           lambda rows: [p.requires_grad for p in rows.facts.trace.parameters]),
    Column("layers", "texts", "Layers that used it.", lambda rows: _parameter_layers(rows)),
)  # fmt: skip
"""The columns of `tables.parameters`, in order."""

BUFFER_COLUMNS = (
    Column("address", "text", "First address.", lambda rows: [_first(b.addresses) for b in rows.facts.trace.buffers]),
    Column("addresses", "texts", "All addresses.", lambda rows: [b.addresses for b in rows.facts.trace.buffers]),
    Column("shape", "wholes", "Shape.", lambda rows: [b.shape for b in rows.facts.trace.buffers]),
    Column("dtype", "text", "Data type.", lambda rows: [b.dtype for b in rows.facts.trace.buffers]),
    Column("device", "text", "Device.", lambda rows: [b.device for b in rows.facts.trace.buffers]),
    Column("nbytes", "whole", "Its bytes.", lambda rows: [b.nbytes for b in rows.facts.trace.buffers]),
    Column("is_persistent", "flag", "Whether it is part of the state_dict.",
           lambda rows: [b.is_persistent for b in rows.facts.trace.buffers]),
    Column("layers", "texts", "Labels of the buffer in the graph; empty when it took no part.",
           lambda rows: _buffer_layers(rows)),
)  # fmt: skip
"""The columns of `tables.buffers`, in order."""


def _first(addresses: tuple[str, ...]) -> str | None:
    return addresses[0] if addresses else None


def _modules(rows: Rows) -> list[ModuleEntry]:
    return [ModuleEntry(rows.facts, module.id) for module in rows.facts.trace.modules]


def _parameter_layers(rows: Rows) -> list[list[str]]:
    users: list[dict[str, None]] = [{} for _ in rows.facts.trace.parameters]
    labels = rows.facts.labels
    for node, record in enumerate(rows.records):
        for parameter in record.parameters:
            users[parameter][labels.names[labels.layer_of[node]]] = None
    return [list(names) for names in users]


def _buffer_layers(rows: Rows) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in rows.facts.trace.buffers]
    for node, record in enumerate(rows.records):
        if record.buffer is not None:
            found[record.buffer].append(rows.names[node])
    return found
