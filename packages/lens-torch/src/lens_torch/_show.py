"""What does the graph of a model look like?  "Visualization" in the paper; Figures 2 and 3 are the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from lens_torch._structure import get_model_structure
from lens_viz import ModelGraph, check_ending, draw, write


def show_model_graph(
    model: torch.nn.Module,
    input_args: Any = (),
    input_kwargs: Mapping[str, Any] | None = None,
    *,
    mode: Literal["unrolled", "rolled"] = "unrolled",
    depth: int | Literal["auto", "all"] | None = None,
    show_buffers: bool = False,
    direction: Literal["TB", "BT", "LR", "RL"] = "TB",
    outpath: str | Path | None = None,
    random_seed: int | None = None,
) -> ModelGraph:
    """Runs the model once, keeps nothing, and returns the drawing of its graph.

    `draw(get_model_structure(model, input_args))` has more options: one module alone, equal blocks drawn once, colours
    by a number, captions, themes.

    Args:
        model: Any `torch.nn.Module`; it is left as it was.
        input_args: A tuple is the positional arguments; anything else is the one argument.
        input_kwargs: Keyword arguments of the forward pass.
        mode: One node a pass ("unrolled") or one node a layer ("rolled").
        depth: Modules at this depth are one node; "all" for none; "auto" or None for the deepest that stays readable.
        show_buffers: Show the model's buffers.
        direction: Where the arrows lead: top to bottom, bottom to top, left to right, right to left.
        outpath: File to write as well, .svg, .pdf, .png or .gv by its ending.
        random_seed: Seed of torch, Python and numpy for the pass; the generators are put back afterwards.

    Returns:
        A graphviz object: `.source`, `.pipe(format="svg")`, `.render()`; notebooks show it.
        No system Graphviz is needed.

    Raises:
        ValueError: An option without meaning, or an ending that cannot be written.
        RuntimeError: No Graphviz, or too slow a layout; the .gv file is written and the message says where.
        TraceError: The model cannot be traced; the message says what to do.
        Exception: Whatever the model raises, with a note that names the operation and the module.

    Cost: one forward pass, and a layout of 0.1 to 3 s when a picture is asked for.
    """
    if outpath is not None:
        check_ending(outpath)
    history = get_model_structure(model, input_args, input_kwargs, random_seed=random_seed)
    graph = draw(history, mode=mode, depth=depth, show_buffers=show_buffers, direction=direction)
    if outpath is not None:
        write(graph, outpath)
    return graph
