"""How is a proof shown in a terminal, or as data?"""

from __future__ import annotations

import msgspec
import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

import lens_torch as tl
from lens_cli._errors import CommandError
from lens_cli._request import Request, prepare
from lens_cli._terminal import models_own_words
from lens_torch import Proof

_SHOWN = 20
_STYLES = {"passed": "green", "failed": "bold red", "unverified": "yellow", "exempt": "dim"}


def prove(request: Request, *, quiet: bool) -> Proof:
    """Runs the model and returns what is proven of its activations.

    Raises:
        CommandError: What was named is not there, or has no values.
    """
    if request.meta:
        raise CommandError("--meta has no values that could be proven; leave it out.")
    subject = prepare(request)
    with models_own_words(), torch.no_grad():
        return tl.prove_activations(
            subject.model, subject.args, subject.kwargs, random_seed=subject.seed, progress=not quiet
        )


def verdicts(proof: Proof, *, every: bool = False) -> RenderableType:
    """Returns the report, ready for a terminal.

    Args:
        proof: What was proven.
        every: Show each operation; else only those that failed or could not be checked, causes first.
    """
    report, labels = proof.report, proof.labels
    counts = ", ".join(f"{count} {verdict}" for verdict, count in report.counts.items())
    verdict = Text(report.model_name, style="bold")
    verdict.append(": ")
    verdict.append("valid" if proof else "NOT VALID", style="green" if proof else "bold red")
    verdict.append(f" ({len(report.operations)} operations: {counts}; {report.elapsed_s:.1f} s)", style="not bold")
    lines = [verdict]
    for name, found in (("plain forward", report.plain_forward), ("second trace", report.second_trace)):
        reason = f" ({found.reason})" if found.reason else ""
        lines.append(Text(f"{name}: ").append(found.verdict, style=_STYLES[found.verdict]).append(reason))
    lines += [Text(f"the trace: {finding}", style="red") for finding in report.findings]
    causes = set(report.causes)
    wrong = [e for e in report.operations if every or e.verdict in ("failed", "unverified")]
    if not every:
        wrong.sort(key=lambda e: (e.operation not in causes, e.verdict != "failed", e.operation))
    if not wrong:
        return Group(*lines)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("layer", "function", "module", "verdict", "reason"):
        table.add_column(column, no_wrap=column != "reason")
    shown = wrong if every else wrong[:_SHOWN]
    for entry in shown:
        table.add_row(
            Text(labels.get(entry.operation, f"operation {entry.operation}")),
            Text(entry.name),
            Text(entry.module),
            Text(entry.verdict + (", a cause" if entry.operation in causes else ""), style=_STYLES[entry.verdict]),
            Text(entry.reason),
        )
    more = [Text(f"and {len(wrong) - len(shown):,} more (--all)")] if len(wrong) > len(shown) else []
    return Group(*lines, table, *more)


def verdicts_as_json(proof: Proof) -> str:
    """Returns the whole report as indented JSON, with the labels of its operations."""
    data = msgspec.to_builtins(proof.report)
    labels = proof.labels
    for entry in data["operations"]:
        entry["label"] = labels.get(entry["operation"])
    data = {
        "format": "lens-validation",
        "version": 1,
        "is_valid": proof.is_valid,
        "counts": proof.report.counts,
        **data,
    }
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()
