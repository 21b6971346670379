"""How do rows that another package made become a frame?

polars takes a while to load, so that it is not loaded before a frame is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def frame_of(rows: Sequence[Mapping[str, str | int | bool | None]]) -> pl.DataFrame:
    """Returns the polars frame that these rows make: one column for each key of the first, in its order.

    Args:
        rows: Plain values by column name, every row with the same names.

    Example:
        >>> frame_of([{"name": "relu", "passed": 1}]).columns
        ['name', 'passed']
    """
    from lens_graph._tables import frame_of_rows

    return frame_of_rows(rows)
