"""Was every write through another view noticed?

When two tensors share memory, a write through one changes what a later reader of the other sees: the reader descends
from the writer.  If such an edge is missing and the bytes happen to be the same before and after, no replay can tell.
Where the memory was born in the pass, the saved values still lie in it as they did, so the writes that should have been
noticed are known from geometry alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from lens_trace import Geometry, Operation, OperationId, Recording, TensorRef
from lens_validate._arguments import tensor_leaves
from lens_validate._layout import dtype_name, geometry_of, owners
from lens_validate._ragged import lies_in_strides

WRITE_NO_VALUES = frozenset(
    [
        "detach_",
        "requires_grad_",
        "share_memory_",
        "rename_",
        "squeeze_",
        "unsqueeze_",
        "t_",
        "transpose_",
        "swapdims_",
        "swapaxes_",
        "as_strided_",
        "unflatten_",
        "resize_",
        "set_",
        "data.__set__",
    ]
)


def forgotten_writes(recording: Recording, known: Mapping[OperationId, Operation]) -> dict[OperationId, str]:
    """Returns the operations whose arguments were reached by a write that is not on record."""
    writers = _writers(recording)
    if not writers:
        return {}
    wrong: dict[OperationId, str] = {}
    for operation in recording.trace.operations:
        for path, reference in tensor_leaves(operation):
            if not isinstance(reference, TensorRef) or reference.write is not None:
                continue
            source = known.get(reference.operation)
            if source is None or source.output.storage not in writers:
                continue
            noticed = {overlay.operation for overlay in reference.overlays}
            for writer in writers[source.output.storage]:
                if not source.id < writer < operation.id or known[writer].call_id == operation.call_id:
                    continue
                if writer not in noticed and _reaches(recording, known, writer, reference):
                    wrong.setdefault(
                        operation.id, f"operation {writer} wrote into argument {path[0]} before; this edge is missing"
                    )
    return wrong


def _writers(recording: Recording) -> dict[int | None, list[OperationId]]:
    operations = recording.trace.operations
    born: dict[int, bool] = {}
    for operation in operations:
        if operation.output.storage is not None:
            born.setdefault(operation.output.storage, operation.kind == "call" and _has_memory(operation))
    found: dict[int | None, list[OperationId]] = {}
    for operation in operations:
        storage = operation.output.storage
        if not operation.is_inplace or operation.function is None or storage is None or not born[storage]:
            continue
        if operation.function.name not in WRITE_NO_VALUES:
            found.setdefault(storage, []).append(operation.id)
    return found


def _has_memory(operation: Operation) -> bool:
    return operation.output.device.partition(":")[0] in ("cpu", "cuda")


def _reaches(
    recording: Recording, known: Mapping[OperationId, Operation], writer: OperationId, reference: TensorRef
) -> bool:
    source = _geometry(recording, known[reference.operation])
    written = _geometry(recording, known[writer])
    if source is None or written is None or 0 in source.shape or 0 in written.shape:
        return False
    seen_as = reference.geometry or source
    return bool((owners(source, [written], seen_as, torch.device("cpu")) == 1).any())


def _geometry(recording: Recording, operation: Operation) -> Geometry | None:
    try:
        tensor = recording.tensors[operation.id]
    except (KeyError, RuntimeError):
        return None
    if (dtype_name(tensor), str(tensor.device)) != (operation.output.dtype, operation.output.device):
        return None  # a copy in another form does not lie as its value did
    return geometry_of(tensor) if lies_in_strides(tensor) and not tensor.is_quantized else None
