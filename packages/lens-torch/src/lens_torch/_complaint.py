"""Which layers could not be proven right, and why?

The report of lens-validate knows operations by number; here they get the labels that a history gives them.
"""

from __future__ import annotations

from lens_torch._history import history_of
from lens_trace import Recording
from lens_validate import ValidationReport

_TOLD = 10


def complaint(report: ValidationReport, recording: Recording) -> str:
    """Says what is wrong with which layers, the causes first."""
    labels = {operation.operation_id: operation.layer_label_w_pass for operation in history_of(recording).operations}
    entries = {entry.operation: entry for entry in report.operations}
    wrong = dict.fromkeys([*report.causes, *(e.operation for v in ("failed", "unverified") for e in report.having(v))])
    told = [f"{labels.get(i, f'operation {i} ({entries[i].name})')}: {entries[i].reason}" for i in wrong]
    told += [
        f"{name}: {found.reason}"
        for name, found in (("plain forward", report.plain_forward), ("second trace", report.second_trace))
        if found.verdict == "failed"
    ]
    told += report.findings or ([] if told else ["no operation could be checked"])
    more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return f"The saved activations of {report.model_name} are not proven right. " + "; ".join(told[:_TOLD]) + more
