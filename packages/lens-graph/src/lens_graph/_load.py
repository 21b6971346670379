"""How does a folder become a history again?

The records are read, checked and concluded from anew, but for the layers: which operations are one layer is taken from
the folder, so that labels stay what they were under later rules.  No model is needed and no code of the folder is run.
Without a tensor library the structure, the tables and the drawing are there, and only the values are not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lens_graph._build import history_from, interpret
from lens_graph._check_trace import check_layers, check_trace
from lens_graph._errors import LoadError
from lens_graph._folder_read import Folder, open_folder
from lens_graph._format import CONCLUSIONS, INDEX, TRACE, Conclusions, TensorIndex
from lens_graph._graph import build_graph
from lens_graph._history import ModelHistory
from lens_graph._interpretation import Payloads
from lens_graph._keeping import Gradients, TensorFiles, UnreadGradients, UnreadTensors
from lens_graph._nesting import nest_modules
from lens_graph._prune import restrict
from lens_trace import Trace


def load_history(path: str | os.PathLike[str]) -> ModelHistory:
    """Reads the structure of a stored history: everything but the values of tensors.

    Args:
        path: The folder.

    Returns:
        The history; `tensor_contents` raises `UnreadableTensorError`.  Needs no torch.

    Raises:
        LoadError: The folder is no whole, unchanged history that this version can read.
    """
    folder = open_folder(path)
    return read_history(folder, read_index(folder))


def read_index(folder: Folder) -> TensorIndex:
    """Reads the list of stored tensors."""
    return folder.decode(INDEX, TensorIndex)


def read_history(
    folder: Folder,
    index: TensorIndex,
    *,
    tensors: Mapping[Any, Any] | None = None,
    gradients: Gradients | None = None,
    tensor_files: TensorFiles | None = None,
) -> ModelHistory:
    """Reads a checked folder.

    Args:
        folder: What `open_folder` returned.
        index: What `read_index` returned.
        tensors: The values by operation id, if they can be read.
        gradients: The gradients, likewise.
        tensor_files: Who writes them when the history is saved again.

    Raises:
        LoadError: The records contradict themselves.
    """
    trace = folder.decode(TRACE, Trace)
    concluded = folder.decode(CONCLUSIONS, Conclusions)
    place = folder.path
    try:
        check_trace(trace)
        _check_index(index, trace)
        if gradients is None and index.has_gradients:
            gradients = UnreadGradients(index, place)
        if tensors is None:
            kept = frozenset(one.operation for one in index.tensors if one.backward is None and one.write is None)
            tensors = UnreadTensors(kept, place)
        check_layers(concluded.layers, concluded.operations, trace)
        graph = restrict(build_graph(trace), concluded.operations)
        facts = interpret(trace, graph, nest_modules(graph, trace), concluded.layers)
        selected = None if concluded.selected is None else frozenset(concluded.selected)
        payloads = Payloads(tensors, {}, {}, {}, (), gradients=gradients, tensor_files=tensor_files, is_from_file=True)
        return history_from(facts, payloads, selected, dict(concluded.aliases), concluded.elapsed_s)
    except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        if isinstance(error, LoadError):
            raise
        raise LoadError(f"The records in {place} contradict themselves: {error}", path=place) from error


def _check_index(index: TensorIndex, trace: Trace) -> None:
    for one in index.tensors:
        if not 0 <= one.operation < len(trace.operations):
            raise LoadError(f"There is a tensor of operation {one.operation}, but there are {len(trace.operations)}.")
        if one.backward is not None and not 1 <= one.backward <= index.backward_passes:
            raise LoadError(f"There is a gradient of backward pass {one.backward} of {index.backward_passes}.")
