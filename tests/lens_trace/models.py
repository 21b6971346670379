"""Small models and ways to look at their traces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

import lens_trace


class Calls(torch.nn.Module):
    """A model whose forward is a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def traced(function: Callable[..., Any], *args: Any, **options: Any) -> lens_trace.Recording:
    """Traces a function as a model."""
    return lens_trace.trace(Calls(function), args, **options)


def names(recording: lens_trace.Recording) -> list[str]:
    """Function names (or kinds) in execution order."""
    return [o.function.name if o.function else o.kind for o in recording.trace.operations]


def edges(recording: lens_trace.Recording) -> list[tuple[str, list[int]]]:
    """Names with the ids of their parents."""
    return [
        (o.function.name if o.function else o.kind, [int(p.operation) for p in o.parents])
        for o in recording.trace.operations
    ]


def find(recording: lens_trace.Recording, name: str, nth: int = 0) -> lens_trace.Operation:
    """The nth operation of a function."""
    return [o for o in recording.trace.operations if o.function is not None and o.function.name == name][nth]
