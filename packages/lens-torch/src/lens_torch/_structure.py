"""What is the model made of, when no activation is wanted?

One forward pass that keeps no value, read as a history: labels, shapes, times, graph, modules and parameters.  Here
too is the one place where a recording becomes a history.  "Summary of user-facing functions" in the paper.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch

from lens_graph import ModelHistory, build_history
from lens_trace import OperationId, Recording, nothing, trace


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
        The history; `tensor_contents` of its layers raises `NotSavedError`.

    Raises:
        TraceError: The model cannot be traced; the message says what to do.
        Exception: Whatever the model raises, with a note that names the operation and the module.

    Cost: one forward pass and a few microseconds an operation; no memory for activations.
    """
    return history_of(trace(model, input_args, input_kwargs, keep=nothing, seed=random_seed))


def structure_beforehand(
    model: torch.nn.Module, input_args: Any, input_kwargs: Mapping[str, Any] | None, *, random_seed: int | None
) -> ModelHistory:
    """Returns the structure and puts torch's random generators back, so that the next pass draws the same numbers."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):  # pyright: ignore[reportUnknownMemberType] - torch leaves it untyped
        return get_model_structure(model, input_args, input_kwargs, random_seed=random_seed)


def history_of(recording: Recording, *, selected: Collection[OperationId] | None = None) -> ModelHistory:
    """Returns the history of a recording, with its saved tensors and live functions.

    Args:
        recording: What `trace` returned.
        selected: The operations that were asked for, when only a subset was kept.
    """
    return build_history(
        recording.trace,
        recording.tensors,
        functions=recording.functions,
        rng_states=recording.rng_states,
        objects=recording.objects,
        parameters=recording.parameters,
        selected=selected,
    )
