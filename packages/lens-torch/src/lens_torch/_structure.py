"""What is the model made of, when no activation is wanted?

One forward pass that keeps no value, read as a history: labels, shapes, times, graph, modules and parameters.
"Summary of user-facing functions" in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lens_graph import ModelHistory
from lens_torch._history import history_of
from lens_trace import nothing, trace


def get_model_structure(
    model: torch.nn.Module,
    input_args: Any = (),
    input_kwargs: Mapping[str, Any] | None = None,
    *,
    random_seed: int | None = None,
) -> ModelHistory:
    """Runs the model once and returns everything about its layers but their activations.

    Args:
        model: Any `torch.nn.Module`; it is left as it was.
        input_args: A tuple is the positional arguments; anything else is the one argument.
        input_kwargs: Keyword arguments of the forward pass.
        random_seed: Seed of torch, Python and numpy for the pass; the generators are put back afterwards.

    Returns:
        The history; `tensor_contents` of its layers raises `NotSavedError`, a `KeyError`.

    Raises:
        TraceError: The model cannot be traced; the message says what to do.
        Exception: Whatever the model raises, with a note that names the operation and the module.

    Cost: one forward pass and a few microseconds an operation; no memory for activations.
    """
    return history_of(trace(model, input_args, input_kwargs, keep=nothing, seed=random_seed))
