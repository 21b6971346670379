"""What can go wrong beyond tracing, and what to do about it.

    LensTorchError
    ├── MemoryBudgetError      (MemoryError)   what was asked for needs more memory than allowed
    ├── StimuliError           a folder of stimuli holds something else, or rows and stimuli do not agree
    └── TraceDivergedError     (RuntimeError)  a second pass took another path through the model than the first

Wrong selectors are `KeyError`s and `TypeError`s of lens-graph; what cannot be traced is a `TraceError` of lens-trace.
"""

from __future__ import annotations

from lens_graph import Estimate
from lens_trace import CallSite


class LensTorchError(Exception):
    """Base of the errors of this package."""


class MemoryBudgetError(LensTorchError, MemoryError):
    """What was asked for needs more memory than allowed; nothing has been kept."""

    def __init__(self, message: str, *, needed: Estimate, budget: int) -> None:
        super().__init__(message)
        self.needed = needed
        """What it takes: bytes kept, bytes at the peak, bytes of each layer."""
        self.budget = budget
        """The bytes that were allowed."""


class StimuliError(LensTorchError):
    """A folder of stimuli cannot be read or written as asked."""


class TraceDivergedError(LensTorchError, RuntimeError):
    """A pass took another path through the model than the one that layers were chosen by."""

    def __init__(self, message: str, *, operation: int, label: str | None, call_site: CallSite | None) -> None:
        super().__init__(message)
        self.operation = operation
        """The first operation that differs, by its number in the trace."""
        self.label = label
        """The label that was planned for it; None where none was."""
        self.call_site = call_site
        """Where the call was made."""
