"""What does a notebook show for a report?

The verdict, the numbers, and which operations are not proven and why, causes first; the rest is folded away.  All text
that comes from the model is escaped.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lens_validate._report import OperationReport, PassReport, ValidationReport

_SHOWN = 200
_CELL = "text-align:left;vertical-align:top;padding:1px 14px 1px 0"
_COLORS = {"passed": "#1a7f37", "failed": "#cf222e", "unverified": "#bf8700", "exempt": "inherit"}


def report_as_html(report: ValidationReport, names: Mapping[int, str] | None = None) -> str:
    """The report as HTML.

    Args:
        report: The findings.
        names: What to call an operation; its number where there is no name.
    """
    color, word = ("passed", "valid") if report else ("failed", "not valid")
    counts = ", ".join(f"{count:,} {verdict}" for verdict, count in report.counts.items())
    causes = set(report.causes)
    wrong = sorted(
        (*report.having("failed"), *report.having("unverified")),
        key=lambda entry: (entry.operation not in causes, entry.verdict, entry.operation),
    )
    rows = [
        ("operations", escape(counts)),
        ("plain forward", _pass(report.plain_forward)),
        ("second trace", _pass(report.second_trace)),
        *(("the trace", escape(finding)) for finding in report.findings),
        ("took", f"{report.elapsed_s:.1f} s"),
    ]
    return (
        f"<div style='overflow-x:auto'><div><b>{escape(report.model_name)}</b>: {_colored(color, word)}</div>"
        + _table(
            (), [(f"<span style='opacity:.65'>{name}</span>", value) for name, value in rows], row="background:none"
        )
        + (_operations(wrong, causes, names or {}) if wrong else "")
        + _folded("all operations", _operations(report.operations, causes, names or {}))
        + "</div>"
    )


def _operations(entries: Sequence[OperationReport], causes: Collection[int], names: Mapping[int, str]) -> str:
    rows = [
        (
            escape(names.get(entry.operation, str(entry.operation))),
            escape(entry.name),
            escape(entry.module),
            _colored(entry.verdict, entry.verdict) + (", a cause" if entry.operation in causes else ""),
            escape(entry.reason),
        )
        for entry in entries[:_SHOWN]
    ]
    more = f"<div>and {len(entries) - _SHOWN:,} more</div>" if len(entries) > _SHOWN else ""
    return _table(("operation", "function", "module", "verdict", "reason"), rows) + more


def _pass(found: PassReport) -> str:
    return _colored(found.verdict, found.verdict) + (f" ({escape(found.reason)})" if found.reason else "")


def _colored(verdict: str, word: str) -> str:
    return f"<b style='color:{_COLORS[verdict]}'>{word}</b>" if verdict != "exempt" else word


def _table(header: Iterable[str], rows: Iterable[Sequence[str]], *, row: str = "") -> str:
    head = "".join(f"<th style='{_CELL}'>{name}</th>" for name in header)
    body = "".join(
        f"<tr style='{row}'>" + "".join(f"<td style='{_CELL}'>{cell}</td>" for cell in cells) + "</tr>"
        for cells in rows
    )
    return f"<table style='margin:2px 0'>{f'<tr>{head}</tr>' if head else ''}{body}</table>"


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>{content}</details>"
