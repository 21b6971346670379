"""What does each command do once its words are understood?

Plain functions over `lens_torch`, without options parsing: `_main` owns the words, this module the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

import lens_torch as tl
from lens_cli._load import load_model, random_inputs
from lens_cli._summary import summary
from lens_torch import ModelHistory


def run_structure(target: str, shapes: Sequence[str], *, train: bool, seed: int | None) -> ModelHistory:
    """Loads the model, runs it once on random inputs and returns its structure; no activation is kept.

    Args:
        target: `package.module:factory`.
        shapes: One description an input.
        train: Run it in training mode instead of evaluation mode.
        seed: Seed of weights, inputs and the pass.
    """
    if seed is not None:
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType] - torch leaves it untyped
    model = load_model(target).train(train)
    with torch.no_grad():
        return tl.get_model_structure(model, random_inputs(shapes, seed), random_seed=seed)


def print_summary(history: ModelHistory, layers: Sequence[str] = ()) -> None:
    """Prints the table of layers and the totals."""
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width: nothing is cut off there.
        console.width = 10_000
    console.print(summary(history, layers))


def draw_to_file(
    history: ModelHistory,
    out: Path,
    *,
    mode: Literal["unrolled", "rolled"],
    depth: int | str,
    direction: Literal["TB", "BT", "LR", "RL"],
    show_buffers: bool,
) -> None:
    """Writes the drawing in the format of the file's ending and prints where it went."""
    graph = tl.draw(history, mode=mode, depth=depth, direction=direction, show_buffers=show_buffers)
    print(f"wrote {tl.write(graph, out)}")
