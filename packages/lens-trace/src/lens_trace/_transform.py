"""How does a function of the user's run in the middle of a pass without being part of it?

A transform of saved values (pool, flatten, pick tokens) is called while the model runs.  Nothing that it does is
recorded, no graph grows from it unless the saved values keep theirs, and the random numbers that it draws are not
missing to the model afterwards: a trace is an observation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from lens_trace._modules import active
from lens_trace._rng import capture_all, restore_all

Transform = Callable[[torch.Tensor], torch.Tensor]


def aside(transform: Transform, *, detach: bool) -> Transform:
    """Returns the transform as it may be called during a pass."""

    def apply(tensor: torch.Tensor) -> torch.Tensor:
        modes, active.modes = active.modes, ()
        generators = capture_all()
        try:
            with torch._C.DisableTorchFunction(), torch.set_grad_enabled(torch.is_grad_enabled() and not detach):
                return transform(tensor)
        finally:
            restore_all(generators)
            active.modes = modes

    return apply
