"""What did every layer return?  The main job of the paper: "Summary of user-facing functions"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import torch

from lens_graph import ModelHistory, Selector, read_selector
from lens_torch._budget import read_budget
from lens_torch._keeping import Keeping
from lens_torch._picture import check_picture, write_picture
from lens_torch._record import Form
from lens_torch._select import selected_history
from lens_torch._stream import Destination


def get_model_activations(
    model: torch.nn.Module,
    input_args: Any = (),
    input_kwargs: Mapping[str, Any] | None = None,
    *,
    layers: Selector = "all",
    random_seed: int | None = None,
    detach: bool = True,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    transform: Callable[[torch.Tensor], torch.Tensor] | None = None,
    stop_early: bool = False,
    save_to: str | PathLike[str] | Destination | None = None,
    save_gradients: bool = False,
    memory_budget: int | str | None = None,
    vis_opt: Literal["none", "unrolled", "rolled"] = "none",
    vis_outpath: str | Path | None = None,
) -> ModelHistory:
    """Runs the model and returns its layers with the activations that were asked for; the model is left as it was.

    Args:
        model: Any `torch.nn.Module`.
        input_args: A tuple is the positional arguments; anything else is the one argument.
        input_kwargs: Keyword arguments of the forward pass.
        layers: "all", "none", a key of the history (label, module address, place), a glob (`"blocks.*.attn"`),
            `re.Pattern`, callable on an operation, polars expression over `history.tables.operations`, a list or set of
            these, or a dict from names of your own to these: the names are then keys of the history.
        random_seed: Seed of torch, Python and numpy for the pass; the generators are put back afterwards.
        detach: Save values cut off from autograd.
        device: Where saved values go; None leaves them where they are.
        dtype: Floating type of the saved values; None leaves it.
        transform: Called with each value kept, buffers left out (pool, flatten, pick tokens); what it returns is saved
            instead.  It comes first, on the value as the model computed it, then `dtype`, then `device`.
        stop_early: End the forward after the last layer that is wanted; the history is then of the part that ran.
        save_to: Folder for the values: each is written as it is made, memory holds none, and `load` reads the folder.
        save_gradients: Keep the gradients that a later `backward` on `history.output_tensors` brings: `grad_contents`.
        memory_budget: Bytes, or a text such as "4GB", that the pass may need at its peak beyond what is there already;
            more is refused, unless `save_to` takes the values out of memory.
        vis_opt: Draw the graph as well, unrolled or rolled.
        vis_outpath: File of the drawing, .svg, .pdf, .png or .gv by its ending.

    Returns: The history; a layer's value is its `tensor_contents`.
    Raises: `ValueError` for a drawing or budget that makes no sense, `KeyError` for a layer that the model has not,
        `TypeError` for what selects none, `MemoryBudgetError` before anything is kept, `TraceDivergedError` where the
        model does not do the same twice, `TraceError` where it cannot be traced, and whatever the model raises, with a
        note on where.

    Cost: one forward pass, two when labels decide what is kept or there is a budget, and the memory of what is saved.
    """
    check_picture(vis_opt, vis_outpath)
    request, budget = read_selector(layers), read_budget(memory_budget)
    is_converted = device is not None or dtype is not None or transform is not None
    with Keeping(save_to, save_gradients=save_gradients, device=device, is_converted=is_converted) as keeping:
        form = Form(
            detach=detach, device=device, dtype=dtype, transform=transform, stop_early=stop_early, keeping=keeping
        )
        history = selected_history(model, input_args, input_kwargs, request, form, random_seed, budget)
        keeping.finish(history)
    write_picture(history, vis_opt, vis_outpath)
    return history
