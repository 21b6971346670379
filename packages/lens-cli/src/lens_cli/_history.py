"""Which history is a command about?

Of a model that is run once, keeping nothing, or of a folder that `lens extract` or `history.save` wrote: then nothing
is run.
"""

from __future__ import annotations

from pathlib import Path

import torch

import lens_torch as tl
from lens_cli._errors import CommandError
from lens_cli._request import Request, prepare
from lens_cli._terminal import models_own_words
from lens_torch import FlopCount, ModelHistory


def history_for(request: Request) -> ModelHistory:
    """Returns the history that a request names.

    Raises:
        CommandError: What was named is not there, or cannot be read.
    """
    if is_stored(request):
        return _stored(request)
    subject = prepare(request)
    with models_own_words(), torch.no_grad():
        return tl.get_model_structure(subject.model, subject.args, subject.kwargs, random_seed=subject.seed)


def counted_history_for(request: Request) -> tuple[ModelHistory, dict[int, int] | None]:
    """Returns the same with floating-point operations by operation id; None where torch's counter gives none."""
    if is_stored(request):
        return _stored(request), None
    subject = prepare(request)
    with models_own_words(), torch.no_grad():
        # A second pass must see what the first saw, noise included.
        states = torch.get_rng_state()
        try:
            count: FlopCount = tl.count_flops(subject.model, subject.args, subject.kwargs, random_seed=subject.seed)
            return count.history, count.by_operation
        except Exception:
            torch.set_rng_state(states)
        # The counter failed, or the model itself; the plain pass tells which, and what it raises is what the user sees.
        history = tl.get_model_structure(subject.model, subject.args, subject.kwargs, random_seed=subject.seed)
        return history, None


def what_ran_before(error: BaseException) -> ModelHistory | None:
    """Returns the history of what ran before the model raised; None where nothing did."""
    try:
        history = tl.partial_history(error)
    except ValueError:  # the error has another origin
        return None
    return history if len(history) > len(history.input_layers) else None


def is_stored(request: Request) -> bool:
    """Tells whether MODEL is a folder."""
    return Path(request.model).is_dir()


def _stored(request: Request) -> ModelHistory:
    if request.inputs or request.inputs_from is not None:
        raise CommandError(f"MODEL {request.model!r} is a folder: a stored history, which takes no inputs.")
    return tl.load(request.model)
