"""What do the tensors of a running model answer?

While a call is being checked the model itself holds its arguments, so nothing needs to be kept.  The live tensors show
one thing more than saved values do: that an argument *is* the tensor which its parent returned.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lens_trace import Geometry, Operation, OperationId, ParameterRef, Path, Recording, TensorRef
from lens_validate._arguments import Reference, tensor_leaves, value_at
from lens_validate._layout import geometry_of, laid_as, overlaps_itself, owners
from lens_validate._overlays import WRITE_NO_VALUES
from lens_validate._ragged import lies_in_strides
from lens_validate._transforms import is_wrapped
from lens_validate._values import MissingValue, WrongValue


class LiveValues:
    """Answers from the tensors that the running model holds."""

    def __init__(
        self,
        operation: Operation,
        plan: Recording,
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
        outputs: Mapping[OperationId, Tensor],
        made: Mapping[OperationId, weakref.ref[Tensor]],
        lay: Mapping[OperationId, Geometry],
    ) -> None:
        self._plan = plan
        self._lay = lay
        self._changes_shape = operation.function is not None and operation.function.name in WRITE_NO_VALUES
        self._args, self._kwargs = list(arguments[0]), arguments[1]
        self._outputs = outputs
        self._made = made

    def argument(self, path: Path, reference: Reference) -> Tensor:
        """Returns the argument itself; it must be the tensor that its parent returned."""
        value = value_at(self._args, self._kwargs, path)
        if not isinstance(value, Tensor):
            raise WrongValue(f"argument {path[0]} is no tensor")
        wrong = self._is_another(value, reference)
        if wrong:
            raise WrongValue(f"argument {path[0]} is not the tensor that operation {wrong} returned")
        before = self._lay.get(reference.operation) if isinstance(reference, TensorRef) else None
        if self._changes_shape and before is not None and reference.geometry is None:
            # The argument itself has its new shape already; its memory is still the same.
            return value.detach().as_strided(before.shape, before.stride, before.offset)
        lay = reference.geometry or before
        if lay is not None and overlaps_itself(lay) and _is_laid_anew(value, lay):
            return laid_as(value.detach(), lay)
        return value.detach()

    def contributors(self, path: Path, reference: Reference) -> Tensor | None:
        """Returns who wrote each byte of each element."""
        if reference.geometry is None or not reference.overlays:
            return None
        overlays = [overlay.geometry or reference.geometry for overlay in reference.overlays]
        value = value_at(self._args, self._kwargs, path)
        return owners(reference.geometry, overlays, reference.geometry, value.device)

    def output(self, operation: Operation) -> Tensor:
        """Returns what the call has just returned."""
        return self._outputs[operation.id].detach()

    def written(self, operation: Operation, write: int) -> Tensor:
        """Returns what a call has just written into a buffer of the model."""
        path, spec = operation.writes[write].path, operation.writes[write].spec
        leaf = next((leaf for at, leaf in tensor_leaves(operation) if at == path), None)
        if isinstance(leaf, TensorRef):
            known = self._made.get(leaf.operation)
            live = self._plan.buffers.get(leaf.buffer) if leaf.buffer is not None else None
            live = known() if live is None and known is not None else live
            if live is not None and tuple(live.shape) == spec.shape:
                return live.detach()
        raise MissingValue("what it wrote beside its output is not shown while the model runs")

    def _is_another(self, value: Tensor, reference: Reference) -> int:
        if isinstance(reference, ParameterRef) or reference.geometry is not None or reference.write is not None:
            return 0
        known = self._made.get(reference.operation)
        parent = known() if known is not None else None
        if self._changes_shape:
            return 0
        # An argument that is about to be written is shown as a copy, which has no storage in common with anything.
        if parent is None or parent is value or _shares_memory(parent, value) or _is_equal(parent, value):
            return 0
        return reference.operation


def _is_laid_anew(value: Tensor, lay: Geometry) -> bool:
    """Whether an argument that is about to be written is shown as a copy that lies in another way than it did."""
    if not lies_in_strides(value) or value.is_quantized or is_wrapped(value):
        return False
    own = geometry_of(value)
    return (own.shape, own.dtype) == (lay.shape, lay.dtype) and own.stride != lay.stride


def _shares_memory(left: Tensor, right: Tensor) -> bool:
    try:
        return left.untyped_storage()._cdata == right.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage]
    except (RuntimeError, NotImplementedError):
        return True


def _is_equal(left: Tensor, right: Tensor) -> bool:
    # The parent may have been written since: then only its kind can be compared.
    return left.shape == right.shape and left.dtype == right.dtype
