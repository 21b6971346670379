"""Turn the records of a forward pass into a labelled, indexable model history."""

from lens_graph._build import build_history
from lens_graph._errors import (
    AmbiguousKeyError,
    AmbiguousPassError,
    LensGraphError,
    MalformedTraceError,
    NotSavedError,
    UnknownKeyError,
)
from lens_graph._history import ModelHistory
from lens_graph._layer import LayerEntry
from lens_graph._links import Link
from lens_graph._modules import ModuleCallEntry, ModuleEntry, Modules
from lens_graph._operation import OperationEntry

__all__ = [
    "AmbiguousKeyError",
    "AmbiguousPassError",
    "LayerEntry",
    "LensGraphError",
    "Link",
    "MalformedTraceError",
    "ModelHistory",
    "ModuleCallEntry",
    "ModuleEntry",
    "Modules",
    "NotSavedError",
    "OperationEntry",
    "UnknownKeyError",
    "build_history",
]
