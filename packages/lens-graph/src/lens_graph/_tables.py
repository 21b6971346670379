"""How are all facts of one kind asked at once?

`history.tables` holds polars frames, one row for each operation, layer, module, ... and one typed column for each
fact.  A frame is built when first asked for, column by column.  `describe` tells what each column means.

    history.tables.operations.filter(pl.col("layer_type") == "relu")

This is the only module that knows polars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from io import BytesIO
from typing import Any, Literal, get_args

import polars as pl

from lens_graph._collector import without_collector
from lens_graph._column import Column, ColumnKind, Rows
from lens_graph._errors import SelectorError, UnknownKeyError
from lens_graph._interpretation import Interpretation
from lens_graph._layer_columns import EDGE_COLUMNS, LAYER_COLUMNS, READ_COLUMNS
from lens_graph._module_columns import BUFFER_COLUMNS, MODULE_CALL_COLUMNS, MODULE_COLUMNS, PARAMETER_COLUMNS
from lens_graph._operation_columns import OPERATION_COLUMNS
from lens_trace import CallSite, OperationKind

TableName = Literal["operations", "layers", "modules", "module_calls", "edges", "parameters", "buffers", "reads"]

_COLUMNS: dict[TableName, tuple[Column, ...]] = {
    "operations": OPERATION_COLUMNS,
    "layers": LAYER_COLUMNS,
    "modules": MODULE_COLUMNS,
    "module_calls": MODULE_CALL_COLUMNS,
    "edges": EDGE_COLUMNS,
    "parameters": PARAMETER_COLUMNS,
    "buffers": BUFFER_COLUMNS,
    "reads": READ_COLUMNS,
}
_TYPES: dict[ColumnKind, pl.DataType] = {
    "text": pl.String(),
    "texts": pl.List(pl.String()),
    "whole": pl.Int64(),
    "wholes": pl.List(pl.Int64()),
    "lists_of_wholes": pl.List(pl.List(pl.Int64())),
    "flag": pl.Boolean(),
    "seconds": pl.Duration("ns"),
    "kind": pl.Enum(list(get_args(OperationKind))),
    "place": pl.Struct({"file": pl.String(), "line": pl.Int64(), "function": pl.String()}),
}


class Tables:
    """The tables of a history; each is a polars frame, built when first asked for."""

    def __init__(self, facts: Interpretation) -> None:
        self._facts = facts

    @cached_property
    def operations(self) -> pl.DataFrame:
        """One row for each operation in execution order, buffers included."""
        return self._frame("operations")

    @cached_property
    def layers(self) -> pl.DataFrame:
        """One row for each layer in the order of its first pass, buffers included."""
        return self._frame("layers")

    @cached_property
    def modules(self) -> pl.DataFrame:
        """One row for each module, the model itself first."""
        return self._frame("modules")

    @cached_property
    def module_calls(self) -> pl.DataFrame:
        """One row for each module call in the order of entering."""
        return self._frame("module_calls")

    @cached_property
    def edges(self) -> pl.DataFrame:
        """One row for each value that arrived at an argument."""
        return self._frame("edges")

    @cached_property
    def parameters(self) -> pl.DataFrame:
        """One row for each parameter, used or not."""
        return self._frame("parameters")

    @cached_property
    def buffers(self) -> pl.DataFrame:
        """One row for each registered buffer, used or not."""
        return self._frame("buffers")

    @cached_property
    def reads(self) -> pl.DataFrame:
        """One row for each value that left the tensor world."""
        return self._frame("reads")

    def describe(self, table: TableName) -> pl.DataFrame:
        """What each column of a table means: its name, type and a sentence."""
        columns = _COLUMNS[table]
        return pl.DataFrame(
            {
                "column": [column.name for column in columns],
                "type": [str(_TYPES[column.kind]) for column in columns],
                "meaning": [column.meaning for column in columns],
            }
        )

    def as_parquet(self, table: TableName) -> bytes:
        """A table as the content of a Parquet file."""
        buffer = BytesIO()
        self._frame(table).write_parquet(buffer)
        return buffer.getvalue()

    @cached_property
    def _rows(self) -> Rows:
        return Rows(self._facts)

    @without_collector
    def _frame(self, table: TableName) -> pl.DataFrame:
        return pl.DataFrame([_series(column, column.values(self._rows)) for column in _COLUMNS[table]])

    def __repr__(self) -> str:
        return f"Tables of {self._facts.trace.model_name}: {', '.join(_COLUMNS)}"


def is_expression(value: object) -> bool:
    """Whether a value is a polars expression."""
    return isinstance(value, pl.Expr)


def rows_where(facts: Interpretation, expression: pl.Expr) -> list[int]:
    """The rows of the table of operations, and so the nodes, of which an expression is true.

    Raises:
        UnknownKeyError: it names a column that the table has not.
        SelectorError: it is not true or false for each row.
    """
    frame = Tables(facts).operations
    try:
        answers = frame.select(expression)
    except pl.exceptions.ColumnNotFoundError as error:
        unknown = str(error).split("\n", 1)[0].strip('"')
        nearest = tuple(get_close_matches(unknown.split()[-1].strip('"'), frame.columns, n=5, cutoff=0.3))
        raise UnknownKeyError(
            f"{expression} asks for a column that the table of operations has not ({unknown}); it has "
            f"{', '.join(nearest or frame.columns)}",
            key=str(expression),
            nearest=nearest,
        ) from error
    except pl.exceptions.PolarsError as error:
        raise SelectorError(f"{expression} cannot be asked of the table of operations: {error}") from error
    if answers.dtypes != [pl.Boolean()] or len(answers) != len(frame):
        raise SelectorError(
            f"{expression} gives {len(answers.columns)} columns of {', '.join(map(str, answers.dtypes))} in "
            f"{len(answers)} rows: to select it has to be true or false for each of {len(frame)} operations"
        )
    return answers.to_series().arg_true().to_list()


def table_names() -> tuple[TableName, ...]:
    """The names of all tables."""
    return tuple(_COLUMNS)


def frame_of_rows(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Returns the frame that rows of plain values make."""
    names = list(rows[0]) if rows else []
    return pl.DataFrame([pl.Series(name, [row[name] for row in rows]) for name in names])


def _series(column: Column, values: Iterable[Any]) -> pl.Series:
    kind = _TYPES[column.kind]
    match column.kind:
        case "seconds":
            nanoseconds = [round(value * 1e9) for value in values]
            return pl.Series(column.name, nanoseconds, dtype=pl.Int64()).cast(kind)
        case "place":
            return _places(list(values)).alias(column.name)
        case "texts":
            return _lists(list(values), _flat_texts).alias(column.name)
        case "wholes":
            return _lists(list(values), _flat_wholes).alias(column.name)
        case "lists_of_wholes":
            return _lists(list(values), lambda items: _lists(items, _flat_wholes)).alias(column.name)
        case _:
            return pl.Series(column.name, list(values), dtype=kind)


def _lists(values: list[Sequence[Any] | None], make_flat: Callable[[list[Any]], pl.Series]) -> pl.Series:
    """A column of lists, cut from one flat column: polars takes 20 times as long to read the lists one by one."""
    flat = make_flat([item for items in values for item in items or ()])
    places = [place for place, items in enumerate(values) for _ in items or ()]
    groups = pl.DataFrame({"place": pl.Series(places, dtype=pl.Int64()), "items": flat})
    lists = groups.group_by("place", maintain_order=True).agg(pl.col("items"))
    every = pl.DataFrame({"place": pl.Series(range(len(values)), dtype=pl.Int64())})
    column = every.join(lists, on="place", how="left", maintain_order="left")["items"].fill_null([])
    if None not in values:
        return column
    is_known = pl.Series([items is not None for items in values], dtype=pl.Boolean())
    return pl.select(pl.when(is_known).then(column)).to_series()


def _flat_texts(items: list[Any]) -> pl.Series:
    return pl.Series(items, dtype=pl.String())


def _flat_wholes(items: list[Any]) -> pl.Series:
    return pl.Series(items, dtype=pl.Int64())


def _places(sites: list[CallSite | None]) -> pl.Series:
    fields = {
        "file": pl.Series([site and site.file for site in sites], dtype=pl.String()),
        "line": pl.Series([site and site.line for site in sites], dtype=pl.Int64()),
        "function": pl.Series([site and site.function for site in sites], dtype=pl.String()),
    }
    places = pl.struct("file", "line", "function")
    return pl.DataFrame(fields).select(pl.when(pl.col("file").is_not_null()).then(places)).to_series()
