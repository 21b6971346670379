"""What exactly was proven about a model's activations?

`validate_saved_activations` says yes or no.  A `Proof` is the whole of it: the report, one verdict and reason for each
operation, beside the history whose labels tell which operations these are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from msgspec import Struct

from lens_graph import ModelHistory, frame_of
from lens_torch._history import history_of
from lens_torch._progress import progress_bar
from lens_torch._proving import recorded_and_validated
from lens_validate import ValidationReport

if TYPE_CHECKING:
    import polars as pl


class Proof(Struct, frozen=True):
    """The findings on one forward pass; true in an `if` when every saved activation is proven right."""

    report: ValidationReport
    """One verdict for each operation, by its number."""
    history: ModelHistory
    """The pass that it is about, with all activations."""

    @property
    def is_valid(self) -> bool:
        """Nothing failed, nothing is unverified, and something passed."""
        return self.report.is_valid

    def __bool__(self) -> bool:
        return self.is_valid

    def __repr__(self) -> str:
        return str(self.report)

    def _repr_html_(self) -> str:
        return self.report.as_html(self.labels)

    @property
    def labels(self) -> dict[int, str]:
        """The label of each operation of the report; a pruned one has none."""
        return {operation.operation_id: operation.layer_label_w_pass for operation in self.history.operations}

    @property
    def table(self) -> pl.DataFrame:
        """A polars frame with one row for each operation: its number and label, the verdict, the reason, its edges."""
        return validation_table(self.report, self.history)


def validation_table(report: ValidationReport, history: ModelHistory | None = None) -> pl.DataFrame:
    """Returns the findings of a validation as a polars frame, one row for each operation in execution order.

    Args:
        report: What `lens_validate.validate` returned.
        history: The history of the same pass; with it there is a column of labels (empty for pruned operations).
    """
    entries = () if history is None else history.operations
    labels = {entry.operation_id: entry.layer_label_w_pass for entry in entries}
    rows = report.rows()
    return frame_of([{**row, "layer_label": labels.get(int(row["operation"]))} for row in rows] if labels else rows)


def prove_activations(
    model: torch.nn.Module,
    input_args: Any = (),
    input_kwargs: Mapping[str, Any] | None = None,
    *,
    random_seed: int | None = None,
    progress: Callable[[int, int], None] | bool = False,
) -> Proof:
    """Runs the model keeping everything, and returns what can be proven of each saved activation.

    Args:
        model: Any `torch.nn.Module`; it is left as it was.
        input_args: A tuple is the positional arguments; anything else is the one argument.
        input_kwargs: Keyword arguments of the forward pass.
        random_seed: Seed of torch, Python and numpy for the runs, 0 if None: a second run must draw the same numbers.
            The generators are put back afterwards.
        progress: True shows a bar on long runs, in a terminal or a notebook; a callable gets the calls done and their
            number.

    Returns:
        The proof.

    Raises:
        TraceError: The model cannot be traced; the message says what to do.
        Exception: Whatever the model raises, with a note that names the operation and the module.

    Cost: about eight forward passes, and the memory of all activations at once.
    """
    with contextlib.ExitStack() as stack:
        told = stack.enter_context(progress_bar("validating", " calls")) if progress is True else progress
        recording, report = recorded_and_validated(model, input_args, input_kwargs, random_seed, told)
    return Proof(report, history_of(recording))
