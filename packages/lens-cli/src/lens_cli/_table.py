"""How is one table of a history filtered, sorted and written?

The tables are those of `history.tables`.  A condition is SQL over the table's columns, `layer_type = 'conv2d' AND
tensor_fsize > 1000000`; times are seconds.  Text is for eyes and shows a few columns unless told which; CSV joins lists
with spaces and shapes with x; JSON and Parquet keep lists as they are.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from rich.table import Table as TextTable
from rich.text import Text

from lens_cli._errors import CommandError
from lens_cli._output import write_file
from lens_cli._terminal import show
from lens_torch import ModelHistory

if TYPE_CHECKING:
    from polars import DataFrame

TableName = Literal["operations", "layers", "modules", "module_calls", "edges", "parameters", "buffers", "reads"]
Format = Literal["text", "csv", "json", "parquet"]
_ENDINGS: dict[str, Format] = {".txt": "text", ".csv": "csv", ".json": "json", ".parquet": "parquet"}
_TEXT_COLUMNS: dict[str, tuple[str, ...]] = {
    "operations": ("layer_label_w_pass", "tensor_shape", "tensor_dtype", "tensor_fsize", "func_time_elapsed",
                   "num_params_total", "containing_module_origin"),
    "layers": ("layer_label", "layer_passes_total", "tensor_shape", "tensor_dtype", "tensor_fsize",
               "func_time_elapsed", "num_params_total", "containing_module_origin"),
    "modules": ("address", "class_name", "num_passes", "num_operations", "num_params", "tensor_fsize",
                "func_time_elapsed"),
    "module_calls": ("label", "class_name", "depth", "num_operations", "tensor_fsize", "func_time_elapsed"),
    "edges": ("parent", "child", "arg_position", "arg_name", "is_overlay", "starts_condition"),
    "parameters": ("address", "shape", "dtype", "numel", "nbytes", "requires_grad"),
    "buffers": ("address", "shape", "dtype", "nbytes", "is_persistent"),
    "reads": ("kind", "layers", "value", "module"),
}  # fmt: skip


def check_format(out: Path | None, asked: Format | None) -> Format:
    """Returns the format to write: the one asked for, else that of the file's ending, else text.

    Raises:
        CommandError: An ending that says nothing, or Parquet without a file.
    """
    if asked is None and out is not None:
        if out.suffix.lower() not in _ENDINGS:
            raise CommandError(
                f"--out {str(out)!r} ends in no known way; give one of {', '.join(_ENDINGS)}, or --format."
            )
        return _ENDINGS[out.suffix.lower()]
    if asked == "parquet" and out is None:
        raise CommandError("Parquet is no text; give the file that it goes to with --out.")
    return asked or "text"


def selected(
    history: ModelHistory,
    name: TableName,
    *,
    columns: Sequence[str],
    where: str | None,
    sort: Sequence[str],
    limit: int | None,
    format: Format,
) -> DataFrame:
    """Returns the rows and columns that were asked for.

    Args:
        history: Whose table.
        name: Which table.
        columns: Which columns; all when empty, a few of them as text.
        where: Condition in SQL.
        sort: Columns to sort by, one that begins with `-` downwards.
        limit: How many rows at most.
        format: What it is for.

    Raises:
        CommandError: A column that does not exist, or a condition that means nothing.
    """
    frame = _in_seconds(getattr(history.tables, name))
    known = frame.columns
    if where is not None:
        try:
            frame = frame.sql(f"SELECT * FROM self WHERE {where}")
        except Exception as error:
            # polars goes on with its own list of columns and the plan of the query.
            text = " ".join(re.split("; valid columns|\n\nResolved plan", str(error))[0].split())
            raise CommandError(f"--where {where!r}: {text}. The columns are {', '.join(known)}.") from error
    if sort:
        keys = [_known(key.removeprefix("-"), known, "--sort") for key in sort]
        frame = frame.sort(keys, descending=[key.startswith("-") for key in sort], nulls_last=True)
    wanted = [_known(column, known, "--columns") for column in columns]
    frame = frame.select(wanted or (_TEXT_COLUMNS[name] if format == "text" else known))
    return frame if limit is None else frame.head(limit)


def write_table(frame: DataFrame, out: Path | None, format: Format) -> Path | None:
    """Writes a table to a file, or prints it when there is none.

    Raises:
        FileError: The file cannot be written.
    """
    if format == "parquet":
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        return write_file(out or Path(), buffer.getvalue())
    text = {"csv": _csv, "json": _json, "text": _plain}[format](frame)
    if out is not None:
        return write_file(out, text.encode())
    if format == "text":
        show(_rich(frame))
    else:
        print(text, end="")
    return None


def described(history: ModelHistory, name: TableName) -> DataFrame:
    """Returns what each column of a table means."""
    return history.tables.describe(name)


def _known(column: str, known: Sequence[str], option: str) -> str:
    if column in known:
        return column
    near = difflib.get_close_matches(column, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    raise CommandError(f"{option}: there is no column {column!r}{hint} The columns are {', '.join(known)}.")


def _in_seconds(frame: DataFrame) -> DataFrame:
    times = [name for name, kind in frame.schema.items() if str(kind).startswith("Duration")]
    return frame.with_columns([frame[name].dt.total_nanoseconds() / 1e9 for name in times])


def _rich(frame: DataFrame) -> TextTable:
    table = TextTable(box=None, header_style="bold", pad_edge=False)
    for name, kind in frame.schema.items():
        table.add_column(name, justify="right" if kind.is_numeric() else "left", no_wrap=True)
    for row in frame.iter_rows():
        table.add_row(*(Text(_flat(value)) for value in row))
    return table


def _plain(frame: DataFrame) -> str:
    rows = [frame.columns, *([_flat(value) for value in row] for row in frame.iter_rows())]
    widths = [max(len(row[column]) for row in rows) for column in range(frame.width)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)


def _csv(frame: DataFrame) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(frame.columns)
    writer.writerows([_flat(value) for value in row] for row in frame.iter_rows())
    return buffer.getvalue()


def _json(frame: DataFrame) -> str:
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in frame.iter_rows(named=True))
    return f"[\n{rows}\n]\n" if rows else "[]\n"


def _flat(value: Any) -> str:
    """One value as one word: nothing for null, 6x3x224x224 for a shape, names with spaces between them."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, dict):
        place = cast("dict[str, Any]", value)
        return f"{place['file']}:{place['line']}"
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return "x".join(map(str, items)) if all(isinstance(i, int) for i in items) else " ".join(map(_flat, items))
    return str(value)
