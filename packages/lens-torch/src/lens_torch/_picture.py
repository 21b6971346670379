"""Is a drawing wanted beside the activations, and where?

`vis_opt` and `vis_outpath` belong together; that is checked before the model runs, so that nothing is lost by a slip.
"""

from __future__ import annotations

from pathlib import Path

from lens_graph import ModelHistory
from lens_viz import check_ending, draw, write


def check_picture(vis_opt: str, vis_outpath: str | Path | None) -> None:
    """Raises a `ValueError` when the two do not make sense together."""
    if vis_opt not in ("none", "unrolled", "rolled"):
        raise ValueError(f"vis_opt is {vis_opt!r}; give 'none', 'unrolled' or 'rolled'.")
    if (vis_opt == "none") != (vis_outpath is None):
        raise ValueError(
            f"vis_opt={vis_opt!r} with vis_outpath={vis_outpath!r}: a drawing needs both, 'unrolled' or 'rolled' and a "
            "file to write; show_model_graph returns one without a file."
        )
    if vis_outpath is not None:
        check_ending(vis_outpath)


def write_picture(history: ModelHistory, vis_opt: str, vis_outpath: str | Path | None) -> None:
    """Writes the drawing that was asked for, if any."""
    if vis_outpath is not None:
        write(draw(history, mode="rolled" if vis_opt == "rolled" else "unrolled"), vis_outpath)
