"""What ran before the model failed?

The exception that a model raises while it is traced carries what was recorded up to there; read as a history it shows
the shapes and values that led to the failure.
"""

from __future__ import annotations

from lens_graph import ModelHistory
from lens_torch._history import history_of
from lens_trace import Recording


def partial_history(error: BaseException) -> ModelHistory:
    """Returns the history of what ran before an exception.

    Args:
        error: What the model raised within a function of Lens.

    Returns:
        The history up to the failing operation. It has no outputs; values are those that were asked for.

    Raises:
        ValueError: The exception did not come out of a model that was traced.
    """
    recording = getattr(error, "lens_recording", None)
    if not isinstance(recording, Recording):
        raise ValueError(
            f"{type(error).__name__} carries no recording. Give the exception that the model raised inside a function "
            "of Lens, such as get_model_activations."
        )
    return history_of(recording)
