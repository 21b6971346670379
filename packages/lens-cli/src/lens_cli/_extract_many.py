"""How are many stimuli run in batches, so that a killed run goes on where it was?

Layers are chosen once, on the first batch; each batch that is missing is one pass, and one file that appears whole or
not at all.  `lens_torch.load_stimuli` reads the folder.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import lens_torch as tl
from lens_cli._errors import CommandError
from lens_cli._extraction import Extraction, storage
from lens_cli._fingerprint import weights_checksum
from lens_cli._progress import stimuli_bar
from lens_cli._request import Request, Subject, preparation, prepare
from lens_cli._selection import names_given, selector
from lens_cli._stimulus_files import find_stimuli, read_batch
from lens_cli._terminal import models_own_words, note


def extract_many(request: Request, asked: Extraction, inputs: Path, out: Path, *, quiet: bool) -> tl.Stimuli:
    """Writes the activations of every stimulus of a folder, and returns them.

    Raises:
        CommandError: Something named is not there, cannot be read, or does not fit.
        StimuliError: The folder holds another run, or a layer has no row for each stimulus.
    """
    # What these words mean is seen before anything is made or written.
    selector(asked.layers)
    storage(asked)
    names, left_out = find_stimuli(inputs)
    if left_out:
        note(f"lens: {left_out:,} files with other endings are left out", quiet=quiet)
    drawn = _drawn_seed(request, out)
    subject = prepare(request if drawn is None else replace(request, seed=drawn), has_stimuli=True)
    run = {**_run(request, asked, subject), "drawn_seed": drawn}
    _check_weights(out, run)
    with tl.start_stimuli(out, names, batch_size=asked.batch_size, run=run) as stimuli:
        _fill(
            stimuli, _Reader(inputs, stimuli, subject, request), replace(subject, seed=request.seed), asked, quiet=quiet
        )
    return stimuli


def _fill(stimuli: tl.Stimuli, reader: _Reader, subject: Subject, asked: Extraction, *, quiet: bool) -> None:
    names, missing = stimuli.names, stimuli.missing
    done = len(names) - sum(len(stimuli.names_of(batch)) for batch in missing)
    if not missing:
        note(f"lens: all {len(names):,} stimuli are there already", quiet=quiet)
        return
    if done:
        note(f"lens: going on after {done:,} of {len(names):,} stimuli", quiet=quiet)
    started = time.perf_counter()
    with models_own_words(), torch.no_grad(), stimuli_bar(len(names), done, quiet=quiet) as advance:
        plan = _plan(subject, asked, *reader.arguments(0))
        kept = _names(plan, asked)
        for batch in missing:
            args, kwargs = reader.arguments(batch)
            history = plan.run(args, kwargs)
            stimuli.put(batch, {name: history[label].tensor_contents for label, name in kept.items()})
            advance(len(stimuli.names_of(batch)))
    elapsed = time.perf_counter() - started
    ran = len(names) - done
    note(f"lens: {ran:,} stimuli in {elapsed:.1f} s, {ran / elapsed:.1f} stimuli/s", quiet=quiet)


class _Reader:
    """Makes the arguments of the pass over a batch."""

    def __init__(self, inputs: Path, stimuli: tl.Stimuli, subject: Subject, request: Request) -> None:
        from lens_cli._values import element_type

        self._inputs, self._stimuli, self._subject = inputs, stimuli, subject
        self._preparation = preparation(request)
        self._dtype = None if request.dtype is None else element_type(request.dtype, "--dtype")
        self._device = next((p.device for p in subject.model.parameters()), None)

    def arguments(self, batch: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Returns positional and keyword arguments: the stimuli first, then what --input gives every pass."""
        found = read_batch(self._inputs, self._stimuli.names_of(batch), self._preparation)
        if isinstance(found, torch.Tensor):
            return (self._placed(found), *self._subject.args), self._subject.kwargs
        named = {name: self._placed(value) for name, value in found.items()}
        return self._subject.args, {**named, **self._subject.kwargs}

    def _placed(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(device=self._device, dtype=self._dtype if tensor.is_floating_point() else None)


def _plan(subject: Subject, asked: Extraction, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tl.Plan:
    return tl.plan(
        subject.model,
        args,
        kwargs,
        layers=selector(asked.layers),
        random_seed=subject.seed,
        stop_early=True,
        on_divergence=asked.on_divergence,
        **storage(asked),
    )


def _names(plan: tl.Plan, asked: Extraction) -> dict[str, str]:
    """Returns the label of each operation to keep, and its name in the folder.

    That is the user's own name or word where it stands for one operation, else the label.
    """
    names: dict[str, str] = {}
    for name, chosen in names_given(asked.layers).items():
        found = plan.structure.select(chosen)
        if len(found) == 1:
            names.setdefault(found[0].label, name)
    return {label: names.get(label, label) for label in plan.layers}


def _drawn_seed(request: Request, out: Path) -> int | None:
    """Returns a seed for weights and inputs where the user gave none: that of the run in the folder, or a new one.

    The same weights are then made again when the run goes on.  It does not govern the passes.
    """
    if request.seed is not None:
        return None
    before = tl.load_stimuli(out).record.run.get("drawn_seed") if (out / "stimuli.json").exists() else None
    return before if isinstance(before, int) else secrets.randbelow(2**32)


def _check_weights(out: Path, run: Mapping[str, Any]) -> None:
    if (out / "stimuli.json").exists() and tl.load_stimuli(out).record.run.get("weights") != run["weights"]:
        raise CommandError(
            f"The weights of the model are not those of the run in {str(out)!r}; give the --weights or the --seed of "
            "that run, or write to a new folder."
        )


def _run(
    request: Request, asked: Extraction, subject: Subject
) -> dict[str, str | int | float | bool | list[str] | None]:
    return {
        "model": request.model,
        "model_args": list(request.model_args),
        "weights": weights_checksum(subject.model),
        "training": subject.model.training,
        "dtype": request.dtype,
        "seed": request.seed,
        "inputs": list(request.inputs),
        "input_from": request.inputs_from,
        "image_size": request.image_size,
        "normalize": request.normalize,
        "preprocess": request.preprocess,
        "layers": list(asked.layers),
        "store_dtype": asked.store_dtype,
        "transform": asked.transform,
        "torch": str(torch.__version__),
    }
