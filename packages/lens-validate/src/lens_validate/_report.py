"""What did validation find?

A `ValidationReport` holds one verdict for every operation of the trace, in execution order, and one for each of the
two comparisons of the whole pass: the outputs against a plain forward, and the records against a second trace.

Terms.  *passed*: the saved value follows from the saved parents, and at least one parent, or none being there the
value itself, was shown to matter.  *failed*: it does not follow, or the record contradicts itself, or a parent makes no
difference and nothing proves that it cannot.  *exempt*: the value or every edge of it cannot be checked for a proven
reason (uninitialised memory; a factor of zero).  *unverified*: something needed for the check was not there.
A *cause* is a failed operation that no failed parent explains: where to look first.

Source: "Validating the accuracy of saved activations" in the TorchLens paper, which answers True or False; here every
operation answers for itself, and what could not be proven never counts as passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from lens_trace import OperationId, OperationKind, Path
from lens_validate._notebook import report_as_html

Verdict: TypeAlias = Literal["passed", "failed", "exempt", "unverified"]
VERDICTS: tuple[Verdict, ...] = ("passed", "failed", "exempt", "unverified")


class EdgeReport(Struct, frozen=True, gc=False):
    """What was found about one parent of an operation."""

    parent: OperationId
    """The operation that the edge comes from."""
    path: Path
    """The argument that it reaches."""
    is_overlay: bool
    """Whether it is a write through another view of the argument's memory."""
    verdict: Verdict
    """`passed`: other values there change the result.  `exempt`: they cannot, and `reason` says why."""
    reason: str
    """Why, in words; empty when passed at the first draw."""


class OperationReport(Struct, frozen=True, gc=False):
    """What was found about one operation."""

    operation: OperationId
    """Which one."""
    name: str
    """Its function, or its kind where it has none."""
    module: str
    """Address of the innermost module it ran in; empty for the model itself."""
    kind: OperationKind
    """`call` for what a function returned; `input`, `buffer`, `constant` or `output` otherwise."""
    verdict: Verdict
    """The finding."""
    reason: str
    """Why, in words; empty when there is nothing to add to `passed`."""
    edges: tuple[EdgeReport, ...] = ()
    """One entry for each parent and argument."""
    is_replayed: bool = False
    """Whether it is a call whose saved value was held against a replay and agreed."""


class PassReport(Struct, frozen=True, gc=False):
    """What a comparison of the whole pass found."""

    verdict: Verdict
    """`unverified` when it was not run."""
    reason: str
    """Why, in words."""
    is_stateful: bool = False
    """True when the model itself answers differently from one forward to the next."""
    was_tried: bool = True
    """False when it was not asked for or cannot be asked; what was tried must not stay unverified."""


NOT_RUN = PassReport("unverified", "not run: validate() was given no model", was_tried=False)


class ValidationReport(Struct, frozen=True):
    """The findings of one validation; true in an `if` when the recording is valid."""

    model_name: str
    """Class of the model."""
    operations: tuple[OperationReport, ...]
    """One entry for each operation of the trace, in execution order."""
    causes: tuple[OperationId, ...]
    """Failed operations that no failed parent explains: where to look first."""
    plain_forward: PassReport
    """The outputs against a plain, untraced forward."""
    second_trace: PassReport
    """The records against a second trace of the same model on the same inputs."""
    findings: tuple[str, ...]
    """What is wrong with the trace as a whole, not with one operation (a missing operation, a read that does not
    agree with the value read)."""
    elapsed_s: float
    """Seconds that validation took."""

    @property
    def is_valid(self) -> bool:
        """Nothing failed, nothing unverified, something passed, no comparison that was tried came to nothing.

        At least one value must have been replayed: inputs, constants, outputs and uninitialised memory alone are only
        held against what they refer to, or against nothing.
        """
        counts = self.counts
        return (
            counts["passed"] > 0
            and any(entry.is_replayed for entry in self.operations)
            and counts["failed"] == 0
            and counts["unverified"] == 0
            and not self.findings
            and all(_holds(found) for found in (self.plain_forward, self.second_trace))
        )

    def __bool__(self) -> bool:
        return self.is_valid

    @property
    def counts(self) -> dict[Verdict, int]:
        """Number of operations by verdict."""
        counts: dict[Verdict, int] = dict.fromkeys(VERDICTS, 0)
        for operation in self.operations:
            counts[operation.verdict] += 1
        return counts

    @property
    def is_stateful(self) -> bool:
        """Whether the model was seen to answer differently from one forward to the next."""
        return self.plain_forward.is_stateful or self.second_trace.is_stateful

    def having(self, verdict: Verdict) -> tuple[OperationReport, ...]:
        """Returns the operations with this verdict, in execution order."""
        return tuple(operation for operation in self.operations if operation.verdict == verdict)

    def rows(self) -> list[dict[str, int | str]]:
        """Returns one flat row for each operation, ready for a table."""
        return [
            {
                "operation": operation.operation,
                "name": operation.name,
                "kind": operation.kind,
                "module": operation.module,
                "verdict": operation.verdict,
                "reason": operation.reason,
                "edges_passed": sum(edge.verdict == "passed" for edge in operation.edges),
                "edges_exempt": sum(edge.verdict == "exempt" for edge in operation.edges),
                "edges_failed": sum(edge.verdict == "failed" for edge in operation.edges),
                "edges_unverified": sum(edge.verdict == "unverified" for edge in operation.edges),
            }
            for operation in self.operations
        ]

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.as_html()

    def as_html(self, names: Mapping[int, str] | None = None) -> str:
        """Returns the report as HTML for a notebook.

        Args:
            names: What to call the operations, by number; their numbers where there is no name.
        """
        return report_as_html(self, names)


def _holds(found: PassReport) -> bool:
    return found.verdict in ("passed", "exempt") or (found.verdict == "unverified" and not found.was_tried)


_SHOWN = 10


def _lines(report: ValidationReport) -> list[str]:
    counts = report.counts
    head = f"{report.model_name}: {'valid' if report else 'NOT VALID'}"
    numbers = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    lines = [f"{head} ({len(report.operations)} operations: {numbers}; {report.elapsed_s:.1f} s)"]
    lines += [f"  plain forward: {_pass(report.plain_forward)}", f"  second trace: {_pass(report.second_trace)}"]
    lines += [f"  the trace: {finding}" for finding in report.findings]
    causes = set(report.causes)
    failed = sorted(report.having("failed"), key=lambda entry: (entry.operation not in causes, entry.operation))
    lines += _section("failed", failed) + _section("unverified", report.having("unverified"))
    return lines + _exemptions(report)


def _pass(found: PassReport) -> str:
    return f"{found.verdict} ({found.reason})" if found.reason else found.verdict


def _section(title: str, entries: list[OperationReport] | tuple[OperationReport, ...]) -> list[str]:
    lines = [f"  {title}: {_place(entry)}: {entry.reason}" for entry in entries[:_SHOWN]]
    return lines if len(entries) <= _SHOWN else [*lines, f"  ... and {len(entries) - _SHOWN} more {title}"]


def _place(entry: OperationReport) -> str:
    return f"operation {entry.operation} ({entry.name}{' in ' + entry.module if entry.module else ''})"


def _exemptions(report: ValidationReport) -> list[str]:
    reasons: dict[str, int] = {}
    for entry in report.operations:
        if entry.verdict == "exempt" and not entry.edges:
            reasons[entry.reason] = reasons.get(entry.reason, 0) + 1
        for edge in entry.edges:
            if edge.verdict == "exempt":
                reasons[edge.reason] = reasons.get(edge.reason, 0) + 1
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return [f"  exempt x{count}: {reason}" for reason, count in ordered[:_SHOWN]]
