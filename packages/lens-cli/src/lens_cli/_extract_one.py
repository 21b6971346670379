"""How is one input run, and what its layers returned written to a folder?

One pass that writes each value as it is made, so that memory holds none of them.  `lens_torch.load` reads the folder,
and so do `lens summary`, `lens draw` and `lens table`.
"""

from __future__ import annotations

from pathlib import Path

import torch

import lens_torch as tl
from lens_cli._extraction import Extraction, storage
from lens_cli._request import Request, prepare
from lens_cli._selection import selector
from lens_cli._terminal import models_own_words


def extract_one(request: Request, asked: Extraction, out: Path) -> tl.ModelHistory:
    """Writes the activations of one input, and returns their history.

    Raises:
        CommandError: Something named is not there, cannot be read, or does not fit.
        ExistingPathError: There is something in the folder.
    """
    subject = prepare(request)
    with models_own_words(), torch.no_grad():
        return tl.get_model_activations(
            subject.model,
            subject.args,
            subject.kwargs,
            layers=selector(asked.layers),
            random_seed=subject.seed,
            save_to=out,
            **storage(asked),
        )
