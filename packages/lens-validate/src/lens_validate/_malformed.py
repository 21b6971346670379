"""Are the records what their types say?

A record can be made anew with anything in its fields.  What is no number where a number belongs cannot be checked any
further, so this is asked before everything else, by writing the trace down and reading it back.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from lens_trace import Operation, OperationId, Recording, Trace
from lens_validate._report import NOT_RUN, OperationReport, ValidationReport


def malformed_report(recording: Recording, elapsed_s: float) -> ValidationReport | None:
    """Returns a report that names the malformed records, None when all are well-formed."""
    trace: Any = recording.trace
    if _wrong(trace, Trace) is None:
        return None
    reports: list[OperationReport] = []
    findings: list[str] = []
    for place, operation in enumerate(_listed(trace.operations)):
        wrong = _wrong(operation, Operation)
        reason = "the trace holds malformed records" if wrong is None else f"its record is malformed: {wrong}"
        verdict = "unverified" if wrong is None else "failed"
        reports.append(OperationReport(OperationId(place), "", "", "call", verdict, reason))
    causes = tuple(report.operation for report in reports if report.verdict == "failed")
    if not causes:
        findings.append(f"its records are malformed: {_wrong(trace, Trace)}")
    name = str(getattr(trace, "model_name", ""))
    return ValidationReport(name, tuple(reports), causes, NOT_RUN, NOT_RUN, tuple(findings), elapsed_s)


def _listed(operations: Any) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", operations) if isinstance(operations, tuple) else ()


def _wrong(record: object, kind: Any) -> str | None:
    try:
        msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=kind)
    except UnicodeEncodeError:
        return None  # a string of the user's that cannot be written is no wrong record
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        return str(error)
    return None
