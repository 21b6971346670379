"""What does a notebook show for a history?

The same facts as the printed summary, as a small table, with the modules and the layers folded away beneath.
"""

from __future__ import annotations

from lens_graph._html import card, folded, pairs, table, tree
from lens_graph._interpretation import Interpretation, operation_at
from lens_graph._model_fields import ModelFields
from lens_graph._summary import character, module_tree, totals
from lens_graph._text import human_bytes, human_seconds, human_shape

_LAYERS_SHOWN = 200


def summarize_as_html(facts: Interpretation, model: ModelFields) -> str:
    """The summary as HTML."""
    return card(
        model.model_name,
        ", ".join(character(facts, model)),
        pairs(totals(facts, model)),
        folded("modules", tree(module_tree(facts, limit=400))),
        folded("layers", _layers(facts)),
    )


def _layers(facts: Interpretation) -> str:
    labels = facts.labels
    rows: list[list[str]] = []
    for layer in labels.counted[:_LAYERS_SHOWN]:
        nodes = labels.passes[layer]
        first = operation_at(facts, nodes[0])
        module = facts.trace.module_calls[first.module_calls[-1]].address if first.module_calls else ""
        rows.append(
            [
                labels.names[layer],
                f"{len(nodes):,}",
                human_shape(first.output.shape),
                first.output.dtype,
                human_bytes(sum(operation_at(facts, node).output.nbytes for node in nodes)),
                human_seconds(sum(operation_at(facts, node).elapsed_s for node in nodes)),
                module,
            ]
        )
    header = ["layer", "passes", "shape", "dtype", "size", "time", "module"]
    return table(header, rows, hidden=len(labels.counted) - _LAYERS_SHOWN)
