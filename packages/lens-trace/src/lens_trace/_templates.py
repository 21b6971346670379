"""What stands for an argument that is neither a plain container nor a tensor, while the model runs?"""

from __future__ import annotations

from typing import Any, NamedTuple

from lens_trace._rows import Reference


class SequenceTemplate(NamedTuple):
    """A list or tuple of a type of its own."""

    kind: type
    items: tuple[Any, ...]


class ArrayTemplate(NamedTuple):
    """An array that shares the memory of a tensor."""

    reference: Reference
    array: Any
