"""What do `lens summary`, `lens draw` and `lens table` do?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lens_cli._errors import CommandError, carried_out
from lens_cli._options import Debug, Quiet, option
from lens_cli._request import Request
from lens_cli._words import listed

if TYPE_CHECKING:
    from lens_torch import ModelHistory

Layers = Annotated[
    list[str] | None,
    option("--layer", "-l", metavar="KEY", help="Show this layer only. Repeatable."),
]
Columns = Annotated[
    list[str] | None,
    option(metavar="NAMES", help="Columns, with commas between them. Repeatable."),
]


def summary(
    asked: Request,
    *,
    layer: Layers = None,
    tree: Annotated[bool, option("--tree", help="Show modules as a tree.")] = False,
    depth: Annotated[
        str | None,
        option(metavar="N", help="Deepest modules of the tree: a number or all; 3 unless told."),
    ] = None,
    columns: Columns = None,
    as_json: Annotated[
        bool,
        option("--json", help="Print everything as JSON, as lens diff reads it."),
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Print the layers of a model, or its modules, with their shapes, sizes, parameters and FLOPs."""
    with carried_out(debug=debug, quiet=quiet):
        from lens_cli._history import counted_history_for, is_stored, what_ran_before
        from lens_cli._structure import structure_of
        from lens_cli._structure_file import to_json
        from lens_cli._summary import layer_list, module_tree
        from lens_cli._terminal import note, show

        is_tree = tree or depth is not None
        if is_tree and layer:
            raise CommandError("--layer chooses from the list of layers; leave --tree and --depth out.")
        deepest = _depth(depth)
        try:
            history, flops = counted_history_for(asked)
        except Exception as error:
            before = None if as_json or layer else what_ran_before(error)
            if before is not None:
                ran = structure_of(before)
                show(module_tree(ran, listed(columns), deepest) if is_tree else layer_list(ran, listed(columns)))
            raise
        structure = structure_of(history, flops)
        if flops is None and not is_stored(asked):
            note("lens: torch's counter of FLOPs does not follow this model", quiet=quiet)
        if as_json:
            print(to_json(structure))
        elif is_tree:
            show(module_tree(structure, listed(columns), deepest))
        else:
            show(layer_list(structure, listed(columns), _labels(history, layer)))


def draw(
    asked: Request,
    *,
    out: Annotated[Path, option("--out", "-o", help="File to write: .svg, .pdf, .png or .gv.")],
    mode: Annotated[
        Literal["unrolled", "rolled"],
        option(help="One node a pass, or one node a layer."),
    ] = "unrolled",
    depth: Annotated[str, option(help="Nesting to show: a number, auto or all.")] = "auto",
    direction: Annotated[Literal["TB", "BT", "LR", "RL"], option(help="Where the flow runs to.")] = "TB",
    buffers: Annotated[bool, option("--buffers", help="Show the model's buffers.")] = False,
    collapse: Annotated[
        list[str] | None,
        option(metavar="ADDRESS", help="Draw this module as one node; patterns like 'blocks.*' too. Repeatable."),
    ] = None,
    module: Annotated[
        str | None,
        option(metavar="ADDRESS", help="Draw the inside of this module only."),
    ] = None,
    fold_repeats: Annotated[bool, option("--fold-repeats", help="Draw a run of identical blocks once.")] = False,
    color_by: Annotated[
        str | None,
        option(metavar="FIELD", help="Colour nodes by a number, such as func_time_elapsed."),
    ] = None,
    theme: Annotated[Literal["light", "dark"], option(help="Colours.")] = "light",
    caption: Annotated[
        str | None,
        option(metavar="CODE:FUNCTION", help="Function that captions a node."),
    ] = None,
    link: Annotated[
        str | None,
        option(metavar="CODE:FUNCTION", help="Function that gives a node its link."),
    ] = None,
    legend: Annotated[bool, option("--legend", help="Explain colours and shapes.")] = False,
    engine: Annotated[
        str | None,
        option(metavar="FILE", help="Graphviz dot to use instead of the first found."),
    ] = None,
    timeout: Annotated[float, option(help="Seconds that the layout may take.")] = 60.0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Print the summary of a model and write the drawing of its graph; the last line says where it is."""
    with carried_out(debug=debug, quiet=quiet):
        from lens_cli._drawing import DrawingRequest, drawn, write_drawing
        from lens_cli._history import history_for
        from lens_cli._structure import structure_of
        from lens_cli._summary import layer_list
        from lens_cli._terminal import show
        from lens_torch import check_ending

        check_ending(out)
        picture = DrawingRequest(
            mode, depth, direction, buffers, tuple(collapse or ()), module, fold_repeats, color_by, theme, caption,
            link, legend, engine, timeout,
        )  # fmt: skip
        history = history_for(asked)
        graph = drawn(history, picture)
        if not quiet:
            show(layer_list(structure_of(history)))
        written = write_drawing(graph, out)
        print(written if quiet else f"wrote {written}")


def table(
    asked: Request,
    name: Annotated[
        Literal["operations", "layers", "modules", "module_calls", "edges", "parameters", "buffers", "reads"],
        typer.Argument(
            metavar="[TABLE]", help="operations, layers, modules, module_calls, edges, parameters, buffers or reads."
        ),
    ] = "layers",
    *,
    columns: Columns = None,
    where: Annotated[
        str | None,
        option(metavar="SQL", help="Rows to keep: \"layer_type = 'conv2d' AND tensor_fsize > 1000\"."),
    ] = None,
    sort: Annotated[
        list[str] | None,
        option(metavar="NAMES", help="Columns to sort by; -NAME downwards."),
    ] = None,
    limit: Annotated[int | None, option(min=0, help="Rows to keep at most.")] = None,
    format: Annotated[
        Literal["text", "csv", "json", "parquet"] | None,
        option(help="What is written; by the ending of --out, else text."),
    ] = None,
    out: Annotated[
        Path | None,
        option("--out", "-o", metavar="FILE", help="File to write: .csv, .json, .parquet or .txt."),
    ] = None,
    describe: Annotated[bool, option("--describe", help="Write what the columns mean instead.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write one table of facts about a model, filtered and sorted, as text, CSV, JSON or Parquet."""
    with carried_out(debug=debug, quiet=quiet):
        from lens_cli._history import history_for
        from lens_cli._table import check_format, described, selected, write_table

        kind = check_format(out, format)
        history = history_for(asked)
        if describe:
            frame = described(history, name)
        else:
            frame = selected(
                history, name, columns=listed(columns), where=where, sort=listed(sort), limit=limit, format=kind
            )
        written = write_table(frame, out, kind)
        if written is not None:
            print(written if quiet else f"wrote {written}")


def _depth(text: str | None) -> int | None:
    if text is None:
        return 3
    if text == "all":
        return None
    if not text.isdecimal():
        raise CommandError(f"--depth {text!r}: expected a number, such as 2, or all.")
    return int(text)


def _labels(history: ModelHistory, keys: list[str] | None) -> list[str] | None:
    return None if keys is None else [history[key].layer_label for key in keys]
