"""What can go wrong while validating, and what to do about it.

    ValidateError                   nothing could be validated; the message says why
    ├── NotARecordingError          (also TypeError) what was given is no recording
    └── CannotRebuildError          (internal) an argument of a recorded call cannot be made again
    ValidationWarning               (UserWarning) validation found something wrong; names the operations

What is wrong *with a recording* is never an exception: it is a verdict in the report.
"""


class ValidateError(Exception):
    """Nothing could be validated."""


class NotARecordingError(ValidateError, TypeError):
    """What was given to `validate` is not a `lens_trace.Recording`."""


class CannotRebuildError(ValidateError):
    """An argument of a recorded call cannot be made again; the operation is reported as unverified."""


class ValidationWarning(UserWarning):
    """Validation found something wrong; the text names the operations."""
