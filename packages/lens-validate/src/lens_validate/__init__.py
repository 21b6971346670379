"""Prove that the activations saved from a PyTorch model are right."""

from lens_validate._errors import NotARecordingError, ValidateError, ValidationWarning
from lens_validate._report import EdgeReport, OperationReport, PassReport, ValidationReport, Verdict
from lens_validate._running import validate_while_running
from lens_validate._validate import validate

__all__ = [
    "EdgeReport",
    "NotARecordingError",
    "OperationReport",
    "PassReport",
    "ValidateError",
    "ValidationReport",
    "ValidationWarning",
    "Verdict",
    "validate",
    "validate_while_running",
]
