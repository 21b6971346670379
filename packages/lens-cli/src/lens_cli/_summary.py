"""How is a model's structure shown in a terminal?

As a list of layers in execution order, with the labels that index a history, or as a tree of modules.  Which columns
there are stands in `LAYER_COLUMNS` and `MODULE_COLUMNS`; totals come last.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lens_cli._errors import CommandError
from lens_cli._facts import LayerFacts, ModuleFacts, Structure
from lens_cli._terminal import human_bytes, human_count, human_seconds, human_shape

LAYER_COLUMNS: Mapping[str, Callable[[LayerFacts], str]] = {
    "layer": lambda layer: layer.label if layer.passes == 1 else f"{layer.label} (x{layer.passes})",
    "type": lambda layer: layer.type,
    "module": lambda layer: layer.module,
    "class": lambda layer: layer.module_class,
    "shape": lambda layer: human_shape(layer.shape),
    "dtype": lambda layer: layer.dtype or "varies",
    "device": lambda layer: layer.device or "varies",
    "size": lambda layer: human_bytes(layer.nbytes),
    "parameters": lambda layer: _number(layer.num_parameters),
    "trainable": lambda layer: _number(layer.num_trainable),
    "flops": lambda layer: human_count(layer.flops) if layer.flops else "",
    "time": lambda layer: human_seconds(layer.seconds) if layer.seconds else "",
    "passes": lambda layer: str(layer.passes),
    "parents": lambda layer: " ".join(layer.parents),
    "children": lambda layer: " ".join(layer.children),
}
MODULE_COLUMNS: Mapping[str, Callable[[ModuleFacts], str]] = {
    "module": lambda module: "",
    "input": lambda module: _shapes(module.input_shapes),
    "output": lambda module: _shapes(module.output_shapes),
    "size": lambda module: human_bytes(module.nbytes),
    "parameters": lambda module: _number(module.num_parameters),
    "trainable": lambda module: _number(module.num_trainable),
    "flops": lambda module: human_count(module.flops) if module.flops else "",
    "time": lambda module: human_seconds(module.seconds) if module.seconds else "",
    "passes": lambda module: str(module.calls),
    "operations": lambda module: str(module.operations),
}
DEFAULT_LAYER_COLUMNS = ("layer", "module", "shape", "size", "parameters", "flops")
DEFAULT_MODULE_COLUMNS = ("module", "output", "parameters", "flops", "operations")
_RIGHT = {"size", "parameters", "trainable", "flops", "time", "passes", "operations"}
_SHAPES_SHOWN = 2
Row = TypeVar("Row", LayerFacts, ModuleFacts)


def layer_list(
    structure: Structure, columns: Sequence[str] = (), labels: Sequence[str] | None = None
) -> RenderableType:
    """Returns the list of layers and the totals, ready for a terminal.

    Args:
        structure: What to show.
        columns: Which columns; those of `DEFAULT_LAYER_COLUMNS` when empty.
        labels: Show these layers only.

    Raises:
        CommandError: A column that does not exist.
    """
    names = _chosen(columns, LAYER_COLUMNS, DEFAULT_LAYER_COLUMNS, structure)
    rows = structure.layers if labels is None else [one for one in structure.layers if one.label in set(labels)]
    table = _table(names)
    for row in rows:
        table.add_row(*(Text(LAYER_COLUMNS[name](row)) for name in names))
    return Group(Text(structure.model, style="bold"), table, totals(structure))


def module_tree(structure: Structure, columns: Sequence[str] = (), depth: int | None = None) -> RenderableType:
    """Returns the tree of modules and the totals, ready for a terminal.

    Args:
        structure: What to show.
        columns: Which columns; those of `DEFAULT_MODULE_COLUMNS` when empty.
        depth: Deepest level that is shown, 1 for the model's direct parts; None for all.

    Raises:
        CommandError: A column that does not exist.
    """
    names = _chosen(columns, MODULE_COLUMNS, DEFAULT_MODULE_COLUMNS, structure)
    shown = [module for module in structure.modules if depth is None or module.depth <= depth]
    stems = _stems([module.depth for module in shown])
    table = _table(names)
    for module, stem in zip(shown, stems, strict=True):
        cells = [Text(MODULE_COLUMNS[name](module)) for name in names]
        table.add_row(
            *(_name(module, stem) if name == "module" else cell for name, cell in zip(names, cells, strict=True))
        )
    hidden = len(structure.modules) - len(shown)
    more = [Text(f"{hidden:,} deeper modules are not shown (--depth all)", style="dim")] if hidden else []
    return Group(Text(structure.model, style="bold"), table, *more, totals(structure))


def totals(structure: Structure) -> Text:
    """Returns the sums over the model."""
    sums = structure.totals
    frozen = sums.parameters - sums.trainable
    lines = [
        f"{sums.layers:,} layers, {sums.tensors:,} tensors ({human_bytes(sums.tensors_nbytes)}), "
        f"{sums.parameters:,} parameters in {sums.parameter_tensors:,} tensors ({human_bytes(sums.parameters_nbytes)})",
        f"{sums.trainable:,} parameters trainable, {frozen:,} frozen",
    ]
    if sums.flops is not None:
        number, _, unit = human_count(sums.flops).partition(" ")
        lines[-1] += f"; {number} {unit}FLOPs by torch's counter"
    return Text("\n".join(lines))


def _chosen(
    columns: Sequence[str], known: Mapping[str, Callable[[Row], str]], default: Sequence[str], structure: Structure
) -> list[str]:
    for name in columns:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise CommandError(f"--columns: there is no column {name!r}{hint} The columns are {', '.join(known)}.")
    if columns:
        return list(columns)
    return [name for name in default if name != "flops" or structure.totals.flops is not None]


def _table(names: Sequence[str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        style = "dim" if name in ("class", "device") or (name == "module" and names[0] != "module") else ""
        table.add_column(name, justify="right" if name in _RIGHT else "left", no_wrap=True, style=style)
    return table


def _stems(depths: Sequence[int]) -> list[str]:
    """The lines that lead to each entry of a tree."""
    stems: list[str] = []
    goes_on: set[int] = set()  # depths at which another entry follows below
    for depth in reversed(depths):
        goes_on = {other for other in goes_on if other <= depth}
        branch = ("├─ " if depth in goes_on else "└─ ") if depth else ""
        stems.append("".join("│  " if other in goes_on else "   " for other in range(1, depth)) + branch)
        goes_on.add(depth)
    return stems[::-1]


def _name(module: ModuleFacts, stem: str) -> Text:
    name = module.address.rpartition(".")[2]
    text = Text(stem, style="dim")
    text.append(f"{name} " if name else "", style="not dim bold")
    text.append(f"({module.class_name})" if name else module.class_name, style="not dim")
    if module.calls > 1:
        text.append(f" x{module.calls}", style="not dim")
    elif not module.operations:
        text.append(" never called", style="not dim")
    return text


def _number(count: int) -> str:
    return f"{count:,}" if count else ""


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    shown = ", ".join(map(human_shape, shapes[:_SHAPES_SHOWN]))
    return f"{shown}, +{len(shapes) - _SHAPES_SHOWN}" if len(shapes) > _SHAPES_SHOWN else shown
