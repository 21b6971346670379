"""What is to be kept of the activations, and in which form?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from lens_cli._code import function_named


@dataclass(frozen=True)
class Extraction:
    """The words of `lens extract` about what is kept."""

    layers: tuple[str, ...]
    """Which layers."""
    store_dtype: str | None
    """Floating type of what is stored."""
    transform: str | None
    """Function that makes of each value what is stored."""
    batch_size: int
    """Stimuli in a pass."""
    on_divergence: Literal["raise", "resolve"]
    """What happens where a batch takes another path through the model."""


def storage(asked: Extraction) -> dict[str, Any]:
    """Returns the options about the stored form, as the library takes them."""
    from lens_cli._values import element_type

    return {
        "dtype": None if asked.store_dtype is None else element_type(asked.store_dtype, "--store-dtype"),
        "transform": function_named(asked.transform, "--transform"),
        "device": "cpu",
    }
