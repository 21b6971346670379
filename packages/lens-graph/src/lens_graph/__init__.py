"""Turn the records of a forward pass into a labelled, indexable model history."""

from lens_graph._build import build_history, choose
from lens_graph._divergence import Divergence, find_divergence
from lens_graph._errors import (
    AliasCollisionError,
    AmbiguousKeyError,
    AmbiguousPassError,
    ExistingPathError,
    LensGraphError,
    LoadError,
    MalformedTraceError,
    NotSavedError,
    NotStoredError,
    SaveError,
    SelectorError,
    UnknownKeyError,
    UnreadableTensorError,
)
from lens_graph._estimate import Estimate, estimate
from lens_graph._folder_read import Folder, open_folder
from lens_graph._folder_write import FolderWriter
from lens_graph._foresee import Foreseen, foresee
from lens_graph._format import StoredPart, StoredTensor, TensorIndex
from lens_graph._history import ModelHistory
from lens_graph._keeping import Gradients, TensorFiles
from lens_graph._layer import LayerEntry
from lens_graph._links import Link
from lens_graph._load import load_history, read_history, read_index
from lens_graph._module_addresses import Modules
from lens_graph._modules import ModuleCallEntry, ModuleEntry
from lens_graph._operation import OperationEntry
from lens_graph._rows import frame_of
from lens_graph._save import encode_records, has_room_for_tables, write_structure, write_tables
from lens_graph._select import Selection, select_operations
from lens_graph._selector import Request, Selector, read_selector
from lens_graph._text import human_bytes

__all__ = [
    "AliasCollisionError",
    "AmbiguousKeyError",
    "AmbiguousPassError",
    "Divergence",
    "Estimate",
    "ExistingPathError",
    "Folder",
    "FolderWriter",
    "Foreseen",
    "Gradients",
    "LayerEntry",
    "LensGraphError",
    "Link",
    "LoadError",
    "MalformedTraceError",
    "ModelHistory",
    "ModuleCallEntry",
    "ModuleEntry",
    "Modules",
    "NotSavedError",
    "NotStoredError",
    "OperationEntry",
    "Request",
    "SaveError",
    "Selection",
    "Selector",
    "SelectorError",
    "StoredPart",
    "StoredTensor",
    "TensorFiles",
    "TensorIndex",
    "UnknownKeyError",
    "UnreadableTensorError",
    "build_history",
    "choose",
    "encode_records",
    "estimate",
    "find_divergence",
    "foresee",
    "frame_of",
    "has_room_for_tables",
    "human_bytes",
    "load_history",
    "open_folder",
    "read_history",
    "read_index",
    "read_selector",
    "select_operations",
    "write_structure",
    "write_tables",
]
