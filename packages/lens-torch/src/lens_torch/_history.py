"""How does a recording become a history?

In one place, with everything that is alive: the saved tensors, the functions, the random states, the parameters.
"""

from __future__ import annotations

from collections.abc import Collection

from lens_graph import ModelHistory, build_history
from lens_trace import OperationId, Recording


def history_of(recording: Recording, *, selected: Collection[OperationId] | None = None) -> ModelHistory:
    """Returns the history of a recording.

    Args:
        recording: What `trace` returned.
        selected: The operations that were asked for, when only a subset was kept.
    """
    return build_history(
        recording.trace,
        recording.tensors,
        functions=recording.functions,
        rng_states=recording.rng_states,
        objects=recording.objects,
        parameters=recording.parameters,
        selected=selected,
    )
