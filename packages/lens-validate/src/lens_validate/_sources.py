"""Are inputs, buffers, constants and outputs what they should be?

They have no function to run.  An output is a replay of its own kind: it must be its argument.  A source is compared
with the live value where there is one (the given inputs, the model's buffers); otherwise it rests on its readers: it
passes when one of them replays and was shown to depend on it, and it fails when several read it and none of them
follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from lens_trace import Operation, OperationId, ParameterRef, Path, Recording, TensorRef
from lens_validate._arguments import tensor_leaves
from lens_validate._check import report_of
from lens_validate._compare import find_difference, is_same
from lens_validate._ragged import shape_of
from lens_validate._report import EdgeReport, OperationReport
from lens_validate._values import MissingValue, Values, WrongValue


def check_output(operation: Operation, values: Values, modules: dict[int, str]) -> OperationReport:
    """Returns the finding on a leaf of the model's result: it must equal what it refers to."""
    leaves = tensor_leaves(operation)
    if len(leaves) != 1:
        return report_of(operation, "failed", f"an output has one argument, this has {len(leaves)}", modules)
    path, reference = leaves[0]
    try:
        argument, saved = values.argument(path, reference), values.output(operation)
        if saved.device.type == "meta":
            return report_of(
                operation, "unverified", "it ran on the meta device, where tensors have no values", modules
            )
        difference = _spec_difference(operation, saved) or find_difference(saved, argument)
        edges = () if difference is not None else _output_edges(path, reference, values)
    except MissingValue as error:
        return report_of(operation, "unverified", str(error), modules)
    except WrongValue as error:
        return report_of(operation, "failed", str(error), modules)
    return report_of(operation, "passed" if difference is None else "failed", difference or "", modules, edges)


def _output_edges(path: Path, reference: TensorRef | ParameterRef, values: Values) -> tuple[EdgeReport, ...]:
    contributors = values.contributors(path, reference)
    parents = [reference.operation] if isinstance(reference, TensorRef) else []
    numbered = [(parent, 0) for parent in parents]
    numbered += [(overlay.operation, k) for k, overlay in enumerate(reference.overlays, 1)]
    edges: list[EdgeReport] = []
    for parent, number in numbered:
        shows = contributors is None or bool((contributors == number).any())
        reason = "" if shows else "fully overwritten before it was read"
        edges.append(EdgeReport(parent, path, number > 0, "passed" if shows else "exempt", reason))
    return tuple(edges)


def check_source(
    operation: Operation,
    values: Values,
    recording: Recording,
    reports: Mapping[OperationId, OperationReport],
    readers: tuple[OperationId, ...],
    given: Mapping[OperationId, Tensor],
    again: Mapping[OperationId, Tensor],
    modules: dict[int, str],
    known: Mapping[OperationId, Operation],
    sound: Callable[[OperationId], bool],
) -> OperationReport:
    """Returns the finding on an input, buffer or constant.

    Args:
        operation: The source.
        values: Where saved values come from.
        recording: Holds the live buffers.
        reports: Findings on its readers.
        readers: Operations that it is a parent of.
        given: Inputs that the caller of `validate` supplied, by operation.
        again: What buffers and constants were in a second trace, by operation.
        modules: Module address of each operation, for the report.
        known: All operations of the trace by id.
        sound: Whether the record of an operation does not contradict itself.
    """
    try:
        saved = values.output(operation)
    except MissingValue as error:
        return report_of(operation, "unverified", str(error), modules)
    except WrongValue as error:
        return report_of(operation, "failed", str(error), modules)
    wrong = _spec_difference(operation, saved)
    if wrong is not None:
        return report_of(operation, "failed", wrong, modules)
    if saved.device.type == "meta":
        return report_of(operation, "unverified", "it is on the meta device, where tensors have no values", modules)
    live = recording.buffers.get(operation.buffer) if operation.buffer is not None else None
    try:
        if operation.id in given:
            difference = find_difference(saved, given[operation.id])
            if difference is not None:
                return report_of(operation, "failed", f"it is not the input that was given: {difference}", modules)
            return report_of(operation, "passed", "equal to the input that was given", modules)
        if operation.id in again:
            difference = find_difference(saved, again[operation.id])
            if difference is not None:
                return report_of(operation, "failed", f"a second trace reads another value: {difference}", modules)
            return report_of(operation, "passed", "equal to what a second trace reads", modules)
        if live is not None and is_same(live, saved):
            return report_of(operation, "passed", "equal to the model's buffer", modules)
    except MissingValue as error:
        return report_of(operation, "unverified", str(error), modules)
    return _by_readers(operation, reports, readers, live is not None, modules, known, sound)


def _by_readers(
    operation: Operation,
    reports: Mapping[OperationId, OperationReport],
    readers: tuple[OperationId, ...],
    differs: bool,
    modules: dict[int, str],
    known: Mapping[OperationId, Operation],
    sound: Callable[[OperationId], bool],
) -> OperationReport:
    if not readers:
        return report_of(operation, "exempt", "nothing reads it", modules)
    depending = [
        r for r in readers if any(e.parent == operation.id and e.verdict == "passed" for e in reports[r].edges)
    ]
    if any(reports[reader].verdict == "passed" for reader in depending):
        return report_of(operation, "passed", "what reads it follows from it", modules)
    failed = [reader for reader in readers if reports[reader].verdict == "failed"]
    if len(failed) == len(readers) and (differs or len(_alone(operation, failed, reports, known, sound)) > 1):
        why = "it differs from the model's buffer and" if differs else "it is a source and"
        return report_of(operation, "failed", f"{why} nothing that reads it follows from it", modules)
    if any(reports[reader].verdict == "unverified" for reader in readers) or failed:
        return report_of(operation, "unverified", "nothing that reads it could be shown to follow from it", modules)
    return report_of(operation, "exempt", "what reads it cannot depend on it", modules)


def _spec_difference(operation: Operation, saved: Tensor) -> str | None:
    spec = operation.output
    if shape_of(saved) != spec.shape:
        return f"recorded with shape {spec.shape}, saved with {shape_of(saved)}"
    if str(saved.dtype).removeprefix("torch.") != spec.dtype:
        return f"recorded with dtype {spec.dtype}, saved as {saved.dtype}".replace("torch.", "")
    return None


def _alone(
    operation: Operation,
    failed: list[OperationId],
    reports: Mapping[OperationId, OperationReport],
    known: Mapping[OperationId, Operation],
    sound: Callable[[OperationId], bool],
) -> set[int | None]:
    """Returns the calls whose failure only this source explains: sound records, and no other parent failed."""
    found: set[int | None] = set()
    for reader in failed:
        others = {parent.operation for parent in known[reader].parents} - {operation.id}
        if sound(reader) and not any(other in reports and reports[other].verdict == "failed" for other in others):
            found.add(known[reader].call_id if known[reader].call_id is not None else -1 - reader)
    return found
