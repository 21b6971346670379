"""Where do the values of a check come from?

A check asks for three things: the value of an argument as the call saw it, the value of an output, and what was written
beside it.  `SavedValues` answers from what a recording kept.  A value that was not kept is `MissingValue`, which makes
the check's verdict *unverified*; one that was changed after it was kept is `WrongValue`, which makes it *failed*.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from lens_trace import (
    ChangedTensorError,
    Geometry,
    NotSavedError,
    Operation,
    Path,
    Recording,
    TensorRef,
    WrittenValue,
)
from lens_validate._arguments import Reference
from lens_validate._layout import compose, dtype_name, geometry_of, home_of, owners
from lens_validate._ragged import lies_in_strides


class MissingValue(Exception):
    """A value that the check needs was not kept."""


class WrongValue(Exception):
    """A value is on record that cannot be the one the pass had."""


class Values(Protocol):
    """What a check asks for."""

    def argument(self, path: Path, reference: Reference) -> Tensor:
        """Returns an argument as the call saw it; not to be written."""
        ...

    def contributors(self, path: Path, reference: Reference) -> Tensor | None:
        """Returns who wrote each byte of each element (see `owners`), None when all of it is the operation's value."""
        ...

    def output(self, operation: Operation) -> Tensor:
        """Returns the saved value of an operation."""
        ...

    def written(self, operation: Operation, write: int) -> Tensor:
        """Returns what an operation wrote beside its output."""
        ...


class SavedValues:
    """Answers from a recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._operations = {operation.id: operation for operation in recording.trace.operations}
        self._is_converted: bool | None = None

    def argument(self, path: Path, reference: Reference) -> Tensor:
        """Returns an argument as the call saw it."""
        base = self._base(reference)
        if reference.geometry is None:
            if reference.overlays:
                raise MissingValue("how the argument lay in its memory is not on record")
            return base
        if not lies_in_strides(base) or base.is_quantized:
            raise MissingValue("an argument written through other views has no strided memory")
        home = home_of(base, reference.geometry)
        if not reference.overlays and home == reference.geometry:
            return base
        overlays = [(self._geometry(overlay), self._written(overlay)) for overlay in reference.overlays]
        try:
            return compose((home, base), overlays, reference.geometry)
        except (RuntimeError, ValueError) as error:
            raise WrongValue(f"the views on record cannot lie in one memory: {error}") from None

    def contributors(self, path: Path, reference: Reference) -> Tensor | None:
        """Returns who wrote each byte of each element."""
        if reference.geometry is None or not reference.overlays:
            return None
        base = self._base(reference)
        overlays = [self._geometry(overlay) for overlay in reference.overlays]
        return owners(home_of(base, reference.geometry), overlays, reference.geometry, base.device)

    def output(self, operation: Operation) -> Tensor:
        """Returns the saved value of an operation, on the device that it was computed on."""
        try:
            saved = self._recording.tensors[operation.id]
        except NotSavedError:
            raise MissingValue(_not_kept(operation)) from None
        except KeyError:
            raise MissingValue(_not_kept(operation)) from None
        except ChangedTensorError as error:
            raise WrongValue(str(error)) from None
        return self._as_computed(saved, operation)

    def written(self, operation: Operation, write: int) -> Tensor:
        """Returns what an operation wrote beside its output."""
        try:
            return self._recording.tensors.written(operation.id, write)
        except (NotSavedError, KeyError, AttributeError):
            raise MissingValue(f"write {write} of operation {operation.id} was not kept") from None

    def _base(self, reference: Reference) -> Tensor:
        if not isinstance(reference, TensorRef):
            parameters = self._recording.parameters
            if not 0 <= reference.parameter < len(parameters):
                raise WrongValue(f"parameter {reference.parameter} does not exist; there are {len(parameters)}")
            return parameters[reference.parameter]
        operation = self._operations.get(reference.operation)
        if operation is None:
            raise WrongValue(f"operation {reference.operation} is not in the trace")
        return self.output(operation) if reference.write is None else self.written(operation, reference.write)

    def _written(self, overlay: WrittenValue) -> Tensor:
        return self._base(TensorRef(overlay.operation, overlay.write))

    def _geometry(self, overlay: WrittenValue) -> Geometry:
        return overlay.geometry if overlay.geometry is not None else geometry_of(self._written(overlay))

    def _as_computed(self, saved: Tensor, operation: Operation) -> Tensor:
        spec = operation.output
        if str(saved.device) != spec.device and saved.device.type != "meta":
            try:
                saved = saved.to(spec.device)
            except (RuntimeError, AssertionError):
                raise MissingValue(f"it was computed on {spec.device}, which is not here") from None
        if dtype_name(saved) != spec.dtype and self._kept_converted():
            raise MissingValue(
                f"kept as {saved.dtype} instead of the {spec.dtype} that was computed".replace("torch.", "")
            )
        return saved

    def _kept_converted(self) -> bool:
        # trace(dtype=...) converts every floating value to one dtype; anything less uniform is a wrong record.
        if self._is_converted is None:
            tensors = self._recording.tensors
            pairs = [(o.output.dtype, tensors[o.id]) for o in self._operations.values() if o.id in tensors]
            floating = [(spec, dtype_name(t)) for spec, t in pairs if t.is_floating_point() or t.is_complex()]
            changed = sum(spec != kept for spec, kept in floating)
            self._is_converted = len({kept for _, kept in floating}) == 1 and changed > max(1, len(floating) // 2)
        return self._is_converted


def _not_kept(operation: Operation) -> str:
    return (
        f"the value of operation {operation.id} was not kept (not asked for, or it ended with a transform such as vmap)"
    )
