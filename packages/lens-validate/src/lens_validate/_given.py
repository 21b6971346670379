"""Which tensors is a call given when it is run again?

A function that may write gets copies of all its tensor arguments; arguments that shared memory share it again in the
copies, so that `x[1:].copy_(x[:-1])` does what it did.  Others get the saved values themselves.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lens_trace import ParameterRef, Path, TensorRef
from lens_validate._arguments import Leaf
from lens_validate._call import STATISTICS, Call
from lens_validate._compare import is_same
from lens_validate._layout import Layout, geometry_of, laid_as, overlaps_itself
from lens_validate._ragged import lies_in_strides
from lens_validate._transforms import is_wrapped


def given_tensors(call: Call, tensors: dict[Path, Tensor]) -> dict[Path, Tensor]:
    """Returns the tensors to run a call with, which it may write into as it likes."""
    return _writable(call, tensors) if call.may_write else _following_gradients(call, tensors)


def _following_gradients(call: Call, tensors: dict[Path, Tensor]) -> dict[Path, Tensor]:
    # Some kernels are chosen by whether gradients are followed, so the arguments say so again.
    context = call.first.context
    if context is None or not context.grad or context.inference:
        return tensors
    operations = call.known
    if any(is_wrapped(tensor) for tensor in tensors.values()):
        return tensors
    for path, reference in call.leaves:
        value = tensors[path]
        if not isinstance(reference, TensorRef) or not value.is_floating_point() or value.is_inference():
            continue
        if operations[reference.operation].output.requires_grad and not value.requires_grad:
            tensors[path] = value.detach().requires_grad_()
    return tensors


def _writable(call: Call, tensors: dict[Path, Tensor]) -> dict[Path, Tensor]:
    copies: dict[Path, Tensor] = {}
    groups: dict[Any, list[Leaf]] = {}
    only_statistics = any(part in call.name for part in STATISTICS) and not call.first.is_inplace
    for path, reference in call.leaves:
        if only_statistics and path == (0,):
            copies[path] = tensors[path]  # normalisation writes its statistics and never its input
            continue
        groups.setdefault(_memory_of(call, reference), []).append((path, reference))
    for members in groups.values():
        copies.update(_copies_of_one_memory(call, members, tensors))
    return copies


def _memory_of(call: Call, reference: TensorRef | ParameterRef) -> Any:
    if isinstance(reference, ParameterRef):
        return "parameter", reference.parameter
    storage = call.known[reference.operation].output.storage
    return ("operation", reference.operation) if storage is None or reference.write is not None else storage


def _copies_of_one_memory(call: Call, members: list[Leaf], tensors: dict[Path, Tensor]) -> dict[Path, Tensor]:
    first_path, first = members[0]
    if all(reference == first for _, reference in members):
        if all(tensors[path] is tensors[first_path] for path, _ in members):
            copy = _copy(tensors[first_path], call.tensors[first_path])
            return {path: copy for path, _ in members}
        unchanged = {path: call.tensors[path] is tensors[path] for path, _ in members}
        if all(unchanged.values()):  # one composed argument, met twice
            copy = _copy(tensors[first_path], call.tensors[first_path])
            return {path: copy for path, _ in members}
    apart = {path: _copy(tensors[path], call.tensors[path]) for path, _ in members}
    if len(members) == 1 or any(tensors[path] is not call.tensors[path] for path, _ in members):
        return apart  # a replaced argument stands for itself
    if not all(lies_in_strides(tensors[path]) for path, _ in members):
        return apart
    lying = {path: reference.geometry or geometry_of(tensors[path]) for path, reference in members}
    layout = Layout(list(lying.values()), tensors[first_path].device)
    together = {path: layout.view(geometry) for path, geometry in lying.items()}
    for path, view in together.items():
        if view.shape != tensors[path].shape or view.dtype != tensors[path].dtype:
            return apart
        view.copy_(tensors[path])
    # Where a copy has lost its place in the storage the views contradict each other: then they are kept apart.
    return together if all(is_same(view, tensors[path]) for path, view in together.items()) else apart


def _copy(value: Tensor, saved: Tensor) -> Tensor:
    """Returns a copy whose elements share memory where those of the saved value do, as a write into them shows."""
    value, saved = value.detach(), saved.detach()
    is_plain = lies_in_strides(saved) and not saved.is_quantized and not is_wrapped(saved)
    if not is_plain or value.shape != saved.shape or value.dtype != saved.dtype:
        return value.clone()
    lying = geometry_of(saved)
    return laid_as(value, lying) if overlaps_itself(lying) else value.clone()
