"""How does a recording become a history?

In one place, with everything that is alive: the saved tensors, the functions, the random states, the parameters.
"""

from __future__ import annotations

from lens_graph import ModelHistory, Selection, build_history
from lens_torch._keeping import Keeping
from lens_trace import Recording


def history_of(
    recording: Recording,
    selection: Selection | None = None,
    *,
    like: ModelHistory | None = None,
    keeping: Keeping | None = None,
) -> ModelHistory:
    """Returns the history of a recording.

    Args:
        recording: What `trace` returned.
        selection: What was asked for, when only a subset was kept.
        like: The history of an earlier pass on the same path.
        keeping: Where its values and gradients went; None for memory.
    """
    kept = (keeping or Keeping(None, save_gradients=False)).given(recording)
    return build_history(
        recording.trace,
        **kept,
        functions=recording.functions,
        rng_states=recording.rng_states,
        objects=recording.objects,
        parameters=recording.parameters,
        selected=None if selection is None else selection.operations,
        aliases=None if selection is None else selection.aliases,
        like=like,
    )
