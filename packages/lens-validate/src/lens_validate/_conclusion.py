"""What do all the findings say together?

Findings come in from the replay of calls, from sources and from the witnesses.  Here they are put in execution order,
the causes among the failures are told from what follows from them, and the report is made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lens_trace import Operation, OperationId, Recording, Trace
from lens_validate._causes import explained, find_causes
from lens_validate._report import OperationReport, PassReport, ValidationReport


def concluded(
    recording: Recording,
    reports: Mapping[OperationId, OperationReport],
    plain: PassReport,
    second: PassReport,
    findings: Sequence[str],
    contradicted: Collection[OperationId],
    elapsed_s: float,
) -> ValidationReport:
    """Returns the report on a recording of which every operation has a finding."""
    known = by_id(recording.trace)
    ordered = [reports[operation.id] for operation in recording.trace.operations]
    causes = find_causes(ordered, known, contradicted)
    hinted = tuple(explained(ordered, causes, known))
    return ValidationReport(recording.trace.model_name, hinted, causes, plain, second, tuple(findings), elapsed_s)


def by_id(trace: Trace) -> dict[OperationId, Operation]:
    """Returns the operations by id; in a falsified trace an id need not be a place."""
    return {operation.id: operation for operation in trace.operations}


def module_addresses(trace: Trace) -> dict[int, str]:
    """Returns the address of the innermost module of each operation that ran in one."""
    calls = trace.module_calls
    return {
        operation.id: calls[operation.module_calls[-1]].address
        for operation in trace.operations
        if operation.module_calls and 0 <= operation.module_calls[-1] < len(calls)
    }


def readers_of(trace: Trace) -> dict[OperationId, tuple[OperationId, ...]]:
    """Returns the operations that read each operation, in execution order."""
    found: dict[OperationId, dict[OperationId, None]] = {}
    for operation in trace.operations:
        for parent in operation.parents:
            found.setdefault(parent.operation, {})[operation.id] = None
    return {parent: tuple(readers) for parent, readers in found.items()}
