"""What do the results say, by family?

polars tables of records.  A verdict is never merged into another: each outcome that occurs has a column of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from rich.table import Table

from zoo._results import OUTCOMES, Record

_NUMBERS: dict[str, Any] = {
    "operations": pl.Int64,
    "layers": pl.Int64,
    "is_recurrent": pl.Boolean,
    "passed": pl.Int64,
    "exempt": pl.Int64,
    "unverified": pl.Int64,
    "failed": pl.Int64,
    "plain_s": pl.Float64,
    "trace_ratio": pl.Float64,
    "trace_nothing_ratio": pl.Float64,
    "draw_s": pl.Float64,
    "validate_s": pl.Float64,
    "trace_peak_mib": pl.Float64,
    "peak_mib": pl.Float64,
    "total_s": pl.Float64,
}
_TEXTS = ("name", "family", "library", "mode", "outcome", "trace", "validation", "draw", "reason", "failed_stage")


def frame(records: Sequence[Record]) -> pl.DataFrame:
    """One row a model, the fields that tables are made of."""
    schema = dict.fromkeys(_TEXTS, pl.String) | _NUMBERS
    rows = [{name: record.get(name) for name in schema} for record in records]
    return pl.DataFrame(rows, schema=schema)


def by_family(records: Sequence[Record]) -> pl.DataFrame:
    """One row a family, in order of first appearance, and a last one for all."""
    models = frame(records)
    occurring = [outcome for outcome in OUTCOMES if outcome == "passed" or outcome in models["outcome"]]
    columns = [
        pl.len().alias("models"),
        *((pl.col("outcome") == outcome).sum().alias(f"models {outcome}") for outcome in occurring),
        pl.col("operations").sum(),
        pl.col("layers").sum(),
        pl.col("is_recurrent").sum().alias("recurrent"),
        *(pl.col(verdict).sum() for verdict in ("passed", "exempt", "unverified", "failed")),
        (pl.col("plain_s") * 1000).median().round(1).alias("plain ms"),
        pl.col("trace_ratio").median().round(2).alias("ratio"),
        pl.col("draw_s").median().round(2).alias("draw s"),
        pl.col("peak_mib").max().round(0).alias("peak MiB"),
    ]
    families = models.group_by("family", maintain_order=True).agg(columns)
    return pl.concat([families, models.select(pl.lit("all").alias("family"), *columns)])


def rich_table(families: pl.DataFrame) -> Table:
    """The table for a terminal."""
    table = Table(title="Zoo", caption="times and ratios are medians; the ratio is trace keeping everything / plain")
    for name in families.columns:
        table.add_column(name, justify="left" if name == "family" else "right")
    for row in families.iter_rows():
        table.add_row(*("" if value is None else str(value) for value in row), end_section=False)
    return table
