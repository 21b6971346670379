"""Are the saved activations right?

Every operation is run again on its saved parents, every parent is perturbed to see that it matters, and the outputs
are compared with a plain forward pass.  "Validating the accuracy of saved activations" in the paper.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch

from lens_torch._complaint import complaint
from lens_torch._proving import recorded_and_validated
from lens_validate import ValidationWarning


def validate_saved_activations(
    model: torch.nn.Module,
    input_args: Any = (),
    input_kwargs: Mapping[str, Any] | None = None,
    *,
    random_seed: int | None = None,
) -> bool:
    """Runs the model keeping everything and returns whether every saved activation is proven right.

    Args:
        model: Any `torch.nn.Module`; it is left as it was.
        input_args: A tuple is the positional arguments; anything else is the one argument.
        input_kwargs: Keyword arguments of the forward pass.
        random_seed: Seed of torch, Python and numpy for the runs, 0 if None: a second run must draw the same numbers.
            The generators are put back afterwards.

    Returns:
        True when no operation failed, none is unverified and at least one passed.  Otherwise False, with a
        `UserWarning` that names the layers and says why.

    Raises:
        TraceError: The model cannot be traced; the message says what to do.
        Exception: Whatever the model raises, with a note that names the operation and the module.

    Cost: about eight forward passes, and the memory of all activations at once.
    """
    recording, report = recorded_and_validated(model, input_args, input_kwargs, random_seed)
    if not report:
        warnings.warn(complaint(report, recording), ValidationWarning, stacklevel=2)
    return report.is_valid
