"""How is a model run so that what it returns can be proven?

Seeded, because proof compares with a plain forward and a second trace, which must draw the same numbers; and keeping
everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from lens_trace import Recording, everything, trace
from lens_validate import ValidationReport, validate


def recorded_and_validated(
    model: torch.nn.Module,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    seed: int | None,
    progress: Callable[[int, int], None] | bool = False,
) -> tuple[Recording, ValidationReport]:
    """Returns the recording of a model and the findings on it; the seed is 0 if None."""
    recording = trace(model, args, kwargs, keep=everything, seed=0 if seed is None else seed)
    return recording, validate(recording, model, args, kwargs, progress=progress)
