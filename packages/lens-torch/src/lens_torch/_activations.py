"""What did every layer return?

The main job of the paper: one forward pass, and the history with its activations.  When `layers` names some of them,
a first pass without activations gives the labels, and a second pass keeps what they stand for; both draw the same
random numbers.  "Summary of user-facing functions" in the paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from lens_graph import ModelHistory
from lens_torch._select import Key, selected_operations
from lens_torch._structure import history_of, structure_beforehand
from lens_trace import everything, nothing, only, trace
from lens_viz import check_ending, draw, write


def get_model_activations(
    model: torch.nn.Module,
    input_args: Any = (),
    input_kwargs: Mapping[str, Any] | None = None,
    *,
    layers: Literal["all", "none"] | Key | Iterable[Key] = "all",
    random_seed: int | None = None,
    detach: bool = True,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    vis_opt: Literal["none", "unrolled", "rolled"] = "none",
    vis_outpath: str | Path | None = None,
) -> ModelHistory:
    """Runs the model once and returns its layers with the activations that were asked for.

    Args:
        model: Any `torch.nn.Module`; it is left as it was.
        input_args: A tuple is the positional arguments; anything else is the one argument.
        input_kwargs: Keyword arguments of the forward pass.
        layers: "all", "none", or one key or several as they index the history: `"conv2d_3"`, `["relu_1", "features", 7]`.
        random_seed: Seed of torch, Python and numpy for the pass; the generators are put back afterwards.
        detach: Save values cut off from autograd.
        device: Where saved values go; None leaves them where they are.
        dtype: Floating type of the saved values; None leaves it.
        vis_opt: Draw the graph as well, unrolled or rolled.
        vis_outpath: File of the drawing, .svg, .pdf, .png or .gv by its ending.

    Returns:
        The history; a layer's value is its `tensor_contents`.

    Raises:
        ValueError: `vis_opt` is unknown, or it and `vis_outpath` do not come together.
        KeyError: `layers` names what the model has not; the message names the nearest.
        TraceError: The model cannot be traced; the message says what to do.
        Exception: Whatever the model raises, with a note that names the operation and the module.

    Cost: one forward pass, two when `layers` names some, and the memory of what is saved.
    """
    _check_drawing(vis_opt, vis_outpath)
    selected = None
    if isinstance(layers, str) and layers in ("all", "none"):
        keep = everything if layers == "all" else nothing
    else:
        structure = structure_beforehand(model, input_args, input_kwargs, random_seed=random_seed)
        selected = selected_operations(structure, layers)
        keep = only(selected)
    history = history_of(
        trace(model, input_args, input_kwargs, keep=keep, seed=random_seed, detach=detach, device=device, dtype=dtype),
        selected=selected,
    )
    if vis_opt != "none" and vis_outpath is not None:
        write(draw(history, mode=vis_opt), vis_outpath)
    return history


def _check_drawing(vis_opt: str, vis_outpath: str | Path | None) -> None:
    if vis_opt not in ("none", "unrolled", "rolled"):
        raise ValueError(f"vis_opt is {vis_opt!r}; give 'none', 'unrolled' or 'rolled'.")
    if (vis_opt == "none") != (vis_outpath is None):
        raise ValueError(
            f"vis_opt={vis_opt!r} with vis_outpath={vis_outpath!r}: a drawing needs both, vis_opt='unrolled' or 'rolled' "
            "and a file to write; show_model_graph returns one without a file."
        )
    if vis_outpath is not None:
        check_ending(vis_outpath)
