"""What does the graph of a model look like?  "Visualization" in the paper; Figures 2 and 3 are the pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import torch

from lens_torch._structure import get_model_structure
from lens_viz import ModelGraph, Theme, check_ending, draw, write


class Look(TypedDict, total=False):
    """The options of `draw` about what is folded and how it looks; it explains them."""

    collapse: Sequence[str] | str | Callable[[str], bool]
    """Modules that are one node whatever the depth."""
    module: str | None
    """Draw the inside of this module only."""
    fold_repeats: bool
    """Draw a run of identical sibling blocks once."""
    color_by: str | Mapping[str, float] | None
    """Colour the nodes by a number."""
    theme: str | Theme
    """`light`, `dark`, or a `Theme`."""
    caption: Callable[[Any], str | Sequence[str] | None] | None
    """Function that captions a node."""
    link: Callable[[Any], str | None] | None
    """Function that gives a node its link."""
    legend: bool
    """Explain colours and shapes."""
    engine: str | None
    """Graphviz `dot` to use instead of the first found."""
    timeout_s: float
    """Seconds that the layout may take."""


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
    **look: Unpack[Look],
) -> ModelGraph:
    """Runs the model once, keeps nothing, and returns the drawing of its graph.

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
        look: More options of `draw`: `module`, `collapse`, `fold_repeats`, `color_by`, `theme`, `caption`, `link`,
            `legend`, `engine`, `timeout_s`.

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
    unknown = sorted(look.keys() - Look.__annotations__.keys())
    if unknown:
        raise TypeError(
            f"show_model_graph has no option {unknown[0]!r}; more options are {', '.join(Look.__annotations__)}."
        )
    if outpath is not None:
        check_ending(outpath)
    history = get_model_structure(model, input_args, input_kwargs, random_seed=random_seed)
    graph = draw(history, mode=mode, depth=depth, show_buffers=show_buffers, direction=direction, **look)
    if outpath is not None:
        write(graph, outpath)
    return graph
