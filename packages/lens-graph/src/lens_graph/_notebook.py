"""What does a notebook show for a history?

The same facts as the printed summary, as a small table, with the modules and the layers folded away beneath.  All text
that comes from the model is escaped.
"""

from __future__ import annotations

from html import escape

from lens_graph._interpretation import Interpretation, operation_at
from lens_graph._model_fields import ModelFields
from lens_graph._summary import character, module_tree, totals
from lens_graph._text import human_bytes, human_seconds, human_shape

_LAYERS_SHOWN = 200
_CELL = "text-align:left;padding:1px 12px 1px 0"


def summarize_as_html(facts: Interpretation, model: ModelFields) -> str:
    """The summary as HTML."""
    return "".join(
        (
            f"<div><b>{escape(model.model_name)}</b>: {escape(', '.join(character(facts, model)))}",
            _table([], [list(pair) for pair in totals(facts, model)]),
            _folded("modules", _tree(module_tree(facts, limit=400))),
            _folded("layers", _layers(facts)),
            "</div>",
        )
    )


def _tree(lines: list[tuple[int, str]]) -> str:
    rows = (f"<div style='padding-left:{1.2 * depth:.1f}em'>{escape(text)}</div>" for depth, text in lines)
    return "".join(rows)


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
    table = _table(["layer", "passes", "shape", "dtype", "size", "time", "module"], rows)
    hidden = len(labels.counted) - _LAYERS_SHOWN
    return table + (f"<div>and {hidden:,} more</div>" if hidden > 0 else "")


def _table(header: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th style='{_CELL}'>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td style='{_CELL}'>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>" if content else ""
