"""What does a notebook show for one layer, pass, module or module call?

The facts that the printed form has, as a small table; values, passes and parts beneath.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lens_graph._html import card, folded, pairs, preformatted, table
from lens_graph._interpretation import Interpretation, is_saved, operation_at, short_name
from lens_graph._text import details, headline, human_bytes, human_seconds, human_shape, preview

if TYPE_CHECKING:
    from lens_graph._modules import ModuleCallEntry, ModuleEntry

_SHOWN = 200


def operation_as_html(facts: Interpretation, node: int) -> str:
    """One pass of a layer."""
    word, values = preview(facts, node)
    name, _, place = headline(facts, node).partition(", ")
    return card(name, place, pairs([*details(facts, node), ("tensor", word)]), preformatted(values))


def layer_as_html(facts: Interpretation, layer: int) -> str:
    """A layer: its one pass, or a table of its passes."""
    nodes = facts.labels.passes[layer]
    if len(nodes) == 1:
        return operation_as_html(facts, nodes[0])
    rows = [
        [
            short_name(facts, node),
            human_shape(operation_at(facts, node).output.shape),
            operation_at(facts, node).output.dtype,
            human_seconds(operation_at(facts, node).elapsed_s),
            ", ".join(short_name(facts, parent) for parent in facts.graph.parents[node][:4]),
            "saved" if is_saved(facts, node) else "not saved",
        ]
        for node in nodes[:_SHOWN]
    ]
    return card(
        facts.labels.names[layer],
        f"{len(nodes):,} passes",
        table(["pass", "shape", "dtype", "time", "from", "tensor"], rows, hidden=len(nodes) - _SHOWN),
    )


def module_as_html(module: ModuleEntry) -> str:
    """A module, with its parts."""
    also = module.addresses[1:]
    rows = [
        ("class", module.qualified_class_name),
        ("called", f"{module.num_passes:,} time{'s' * (module.num_passes != 1)}, {_mode(module.training)} mode"),
        (
            "parameters",
            f"{module.num_params:,} ({human_bytes(module.params_fsize)}), {len(module.parameters)} of its own",
        ),
        ("tensors", f"{human_bytes(module.tensor_fsize)} made inside, {human_seconds(module.func_time_elapsed)}"),
        ("inputs", _labels(module.input_layers)),
        ("outputs", _labels(module.output_layers)),
        *([("also at", ", ".join(also))] if also else []),
    ]
    return card(
        module.address or "the model",
        module.class_name,
        pairs(rows),
        folded(f"{len(module.children):,} parts", _parts(module)) if module.children else "",
        folded("layers", preformatted(module.layers[:_SHOWN])),
    )


def call_as_html(call: ModuleCallEntry) -> str:
    """One call of a module, with the calls in it."""
    rows = [
        ("class", call.module.qualified_class_name),
        (
            "operations",
            f"{call.num_operations:,}, {human_seconds(call.func_time_elapsed)}, {_mode(call.training)} mode",
        ),
        ("tensors", f"{human_bytes(call.tensor_fsize)} made inside"),
        ("inputs", _labels(call.input_layers)),
        ("outputs", _labels(call.output_layers)),
    ]
    inside = [
        [part.label, part.class_name, f"{part.num_operations:,}", human_seconds(part.func_time_elapsed)]
        for part in call.children[:_SHOWN]
    ]
    parts = table(["call", "class", "operations", "time"], inside, hidden=len(call.children) - _SHOWN) if inside else ""
    return card(call.label, "call of a module", pairs(rows), folded(f"{len(call.children):,} calls inside", parts))


def _parts(module: ModuleEntry) -> str:
    rows = [
        [
            part.address,
            part.class_name,
            f"{part.num_passes:,}",
            f"{part.num_params:,}",
            human_seconds(part.func_time_elapsed),
        ]
        for part in module.parts[:_SHOWN]
    ]
    return table(["part", "class", "passes", "parameters", "time"], rows, hidden=len(module.children) - _SHOWN)


def _labels(names: list[str]) -> str:
    more = f" and {len(names) - 6:,} more" if len(names) > 6 else ""
    return (", ".join(names[:6]) or "none") + more


def _mode(training: bool) -> str:
    return "train" if training else "eval"
