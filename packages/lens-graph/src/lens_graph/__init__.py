"""Turn the records of a forward pass into a labelled, indexable model history."""

from lens_graph._build import build_history, choose
from lens_graph._divergence import Divergence, find_divergence
from lens_graph._errors import (
    AliasCollisionError,
    AmbiguousKeyError,
    AmbiguousPassError,
    LensGraphError,
    MalformedTraceError,
    NotSavedError,
    SelectorError,
    UnknownKeyError,
)
from lens_graph._history import ModelHistory
from lens_graph._layer import LayerEntry
from lens_graph._links import Link
from lens_graph._modules import ModuleCallEntry, ModuleEntry, Modules
from lens_graph._operation import OperationEntry
from lens_graph._select import Selection, select_operations
from lens_graph._selector import Request, Selector, read_selector

__all__ = [
    "AliasCollisionError",
    "AmbiguousKeyError",
    "AmbiguousPassError",
    "Divergence",
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
    "Request",
    "Selection",
    "Selector",
    "SelectorError",
    "UnknownKeyError",
    "build_history",
    "choose",
    "find_divergence",
    "read_selector",
    "select_operations",
]
