"""What does the search for loops know of an operation?"""

from __future__ import annotations

from msgspec import Struct


class LoopNode(Struct, frozen=True, gc=False):
    """One operation, reduced to what decides about layers."""

    signature: int | None
    """Equal for operations that are alike; None for what is alike to nothing: inputs, outputs, buffers, constants."""
    parents: tuple[tuple[int, int], ...]
    """Each edge into it: index of the node where the value comes from, code of the argument that it reaches."""
    has_parameters: bool
    """Whether parameters are among its arguments."""
    site: int | None
    """Code of its place in the code, innermost frame and user's frame together; None where unknown."""
