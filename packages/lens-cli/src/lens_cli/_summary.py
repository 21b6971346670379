"""What is printed about a model?

A title, one row a layer (or only the layers asked for), and the totals, as a rich table.  The layers come in
execution order with the labels that index a history, so that what is read here can be typed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.filesize import pick_unit_and_suffix
from rich.table import Table
from rich.text import Text

from lens_torch import ModelHistory


def summary(history: ModelHistory, layers: Sequence[str] = ()) -> RenderableType:
    """Returns the title, the table of layers and the totals, ready for a rich console.

    Args:
        history: What to show.
        layers: Keys of the layers to show; all of them when empty.

    Raises:
        KeyError: A key that leads to no layer; the message names the nearest ones.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("layer", no_wrap=True)
    table.add_column("module", no_wrap=True, style="dim")
    table.add_column("shape", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    for key in layers or history.layer_list:
        table.add_row(*_row(history[key]))
    return Group(Text(history.model_name, style="bold"), table, _totals(history))


def _row(layer: Any) -> tuple[Text, Text, Text, Text, Text]:
    passes = layer.layer_passes_total
    label = layer.layer_label if passes == 1 else f"{layer.layer_label} (x{passes})"
    shape = getattr(layer, "tensor_shape", None)
    nbytes = getattr(layer, "tensor_fsize", None)
    return (
        Text(label),
        Text(getattr(layer, "containing_module_origin", None) or ""),
        Text("varies" if shape is None else "x".join(map(str, shape)) or "scalar"),
        Text("varies" if nbytes is None else _size(nbytes)),
        Text(f"{layer.num_params_total:,}" if layer.num_params_total else ""),
    )


def _totals(history: ModelHistory) -> Text:
    return Text(
        f"{len(history.layer_list):,} layers, {history.num_tensors_total:,} tensors"
        f" ({_size(history.tensor_fsize_total)}), {history.total_params:,} parameters"
        f" in {history.total_param_tensors:,} tensors ({_size(history.total_params_fsize)})"
    )


def _size(nbytes: int) -> str:
    # In steps of 1,024, as in the drawings.
    unit, suffix = pick_unit_and_suffix(nbytes, ["bytes", "KB", "MB", "GB", "TB"], 1024)
    return f"{nbytes / unit:,.1f} {suffix}" if unit > 1 else f"{nbytes} {suffix}"
