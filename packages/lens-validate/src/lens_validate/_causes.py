"""Where did it go wrong first?

A wrong value fails its own replay and that of everything which reads it.  A failed operation is a *cause* when none of
its parents failed.  A source has no replay, so when a cause rests on sources that nothing confirms they are named too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from lens_trace import Operation, OperationId
from lens_validate._report import OperationReport


def find_causes(
    reports: Sequence[OperationReport], known: Mapping[OperationId, Operation], contradicted: Collection[OperationId]
) -> tuple[OperationId, ...]:
    """Returns the failed operations that no failed parent explains, in execution order.

    Args:
        reports: The findings.
        known: The operations by id.
        contradicted: Operations whose record, not value, is wrong: no parent explains that.
    """
    failed = {report.operation for report in reports if report.verdict == "failed"}

    def has_failed_parent(operation: OperationId) -> bool:
        return any(parent.operation in failed for parent in known[operation].parents)

    return tuple(
        report.operation
        for report in reports
        if report.operation in failed and (report.operation in contradicted or not has_failed_parent(report.operation))
    )


def explained(
    reports: list[OperationReport], causes: Sequence[OperationId], known: Mapping[OperationId, Operation]
) -> list[OperationReport]:
    """Returns the reports with a hint where a failure follows from another one, or may lie in a source."""
    by_id = {report.operation: report for report in reports}
    explained_reports: list[OperationReport] = []
    for report in reports:
        hint = _hint(report, by_id, causes, known) if report.verdict == "failed" else ""
        explained_reports.append(replace(report, reason=report.reason + hint) if hint else report)
    return explained_reports


def _hint(
    report: OperationReport,
    by_id: Mapping[OperationId, OperationReport],
    causes: Sequence[OperationId],
    known: Mapping[OperationId, Operation],
) -> str:
    parents = list(dict.fromkeys(parent.operation for parent in known[report.operation].parents))
    if report.operation not in causes:
        wrong = [p for p in parents if p in by_id and by_id[p].verdict == "failed"]
        return f" (follows from operation {wrong[0]}, which failed)" if wrong else ""
    doubtful = [
        p
        for p in parents
        if p in by_id and known[p].kind not in ("call", "output") and by_id[p].verdict == "unverified"
    ]
    if not doubtful:
        return ""
    return f" (or the value of {known[doubtful[0]].kind} {doubtful[0]} is wrong: nothing else confirms it)"
