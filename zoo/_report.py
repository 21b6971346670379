"""What is published of a sweep?

`docs/zoo.md`: a table by family, every exemption by name, every model that is not passed with the reason, and those
whose plain forward fails apart from them.  Beside it the results themselves, one JSON object a line.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from zoo._results import OUTCOMES, Record
from zoo._summary import by_family, frame

_APART = ("no plain forward", "not built", "not installed")
"""Outcomes that say nothing about Lens."""
_PUBLISHED_LENGTH = 300

_HEAD = """# Zoo

Does Lens trace, validate and draw models that none of us wrote? Random weights, small inputs, one process a model. How
to repeat it stands in `zoo/README.md` of the repository; the results behind this page, one model a line, in
[{data}]({data}).
"""
_FAMILIES = """## By family

Operations are summed over the models; the four verdicts count operations; times and ratios are medians over models.
*ratio* is a trace that keeps everything beside a plain forward, *keep nothing* one that keeps no value, the quickest
run of each, on one thread beside other work. Tiny models show the cost of recording an operation, not its share in a
model of real size.
"""
_EXEMPTIONS = """## Exemptions

What validation could not make matter, for a reason that it proved from the values at hand: arguments and operations,
over all models.
"""
_STATEFUL = """## Stateful

Models that answer differently from one forward to the next, so that a second run proves nothing about the first.
"""
_NO_PLAIN = """## No plain forward

Models that could not be built or do not run without Lens either: they say nothing about it.
"""


def write_report(out: Path, records: Sequence[Record], notes: Mapping[str, str] | None = None) -> None:
    """Writes the report and, beside it, the JSONL that it was made from; the catalogue's notes go with reasons."""
    records = sorted(records, key=lambda record: (record["library"], record["family"], record["name"]))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("\n".join(_lines(records, out.with_suffix(".jsonl").name, notes or {})) + "\n", encoding="utf-8")
    published = (json.dumps(_published(record), ensure_ascii=False, separators=(",", ":")) for record in records)
    out.with_suffix(".jsonl").write_text("\n".join(published) + "\n", encoding="utf-8")


def _published(record: Record) -> Record:
    return {k: _text(v) if isinstance(v, str) else v for k, v in record.items() if v not in ("", {})}


def _text(said: str) -> str:
    """One short line, with the names of files but not the folders of the machine that they were on."""
    return re.sub(r"(?:/[\w.@+-]+)+/", ".../", " ".join(said.split()))[:_PUBLISHED_LENGTH]


def _lines(records: Sequence[Record], data: str, notes: Mapping[str, str]) -> Iterable[str]:
    measured = [record for record in records if record["outcome"] not in _APART]
    apart = [record for record in records if record["outcome"] in _APART]
    yield _HEAD.format(data=data)
    yield f"Measured {_dates(records)} with {_versions(records)}."
    yield ""
    yield from _totals(measured)
    yield _FAMILIES
    yield from _families(measured)
    yield _EXEMPTIONS
    yield from _exemptions(measured)
    yield "## Not passed"
    yield ""
    yield from _listed([record for record in measured if record["outcome"] != "passed"], "Every model passed.")
    yield _STATEFUL
    stateful = [record["name"] for record in measured if record.get("is_stateful")]
    yield ", ".join(f"`{name}`" for name in stateful) + "." if stateful else "None."
    yield ""
    yield _NO_PLAIN
    yield from _listed(apart, "None.", notes)


def _dates(records: Sequence[Record]) -> str:
    dates = sorted({record["date"] for record in records if "date" in record})
    return dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}" if dates else "never"


def _versions(records: Sequence[Record]) -> str:
    found = sorted({(name, v) for record in records for name, v in record.get("versions", {}).items()})
    return ", ".join(f"{name} {v}" for name, v in found)


def _totals(records: Sequence[Record]) -> Iterable[str]:
    models = frame(records)
    done = {stage: int((models[stage] == "passed").sum()) for stage in ("trace", "validation", "draw")}
    total = max(len(records), 1)
    yield "| | models | share |"
    yield "|---|---:|---:|"
    yield f"| run | {len(records)} | |"
    for stage, words in (("trace", "traced"), ("validation", "validated"), ("draw", "drawn")):
        yield f"| {words} | {done[stage]} | {100 * done[stage] / total:.1f}% |"
    for outcome in OUTCOMES:
        count = int((models["outcome"] == outcome).sum())
        if count and outcome != "passed":
            yield f"| {outcome} | {count} | |"
    operations = int(models["operations"].sum() or 0)
    yield ""
    yield f"{operations:,} operations in all; {int(models['is_recurrent'].sum() or 0)} models are recurrent."
    yield ""


def _families(records: Sequence[Record]) -> Iterable[str]:
    table = by_family(records)
    nothing = (
        frame(records)
        .group_by("family", maintain_order=True)
        .agg(pl.col("trace_nothing_ratio").median().round(2).alias("keep nothing"))
    )
    table = table.join(nothing, on="family", how="left", maintain_order="left")
    table = table.rename({c: c.removeprefix("models ") + " " for c in table.columns if c.startswith("models ")})
    yield "| " + " | ".join(name.strip() for name in table.columns) + " |"
    yield "|---|" + "---:|" * (table.width - 1)
    for row in table.iter_rows():
        yield "| " + " | ".join(_cell(value) for value in row) + " |"
    yield ""


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _exemptions(records: Sequence[Record]) -> Iterable[str]:
    times: Counter[str] = Counter()
    models: Counter[str] = Counter()
    for record in records:
        found = record.get("exemptions") or {}
        times.update(found)
        models.update(found.keys())
    yield "| reason | times | models |"
    yield "|---|---:|---:|"
    for reason, count in times.most_common():
        yield f"| {reason} | {count:,} | {models[reason]:,} |"
    yield ""


def _listed(records: Sequence[Record], otherwise: str, notes: Mapping[str, str] | None = None) -> Iterable[str]:
    if not records:
        yield otherwise
    else:
        yield "| model | outcome | stage | why |"
        yield "|---|---|---|---|"
    for record in records:
        why = str(record.get("reason") or record.get("validation_reason") or "")
        why = ": ".join(filter(None, ((notes or {}).get(record["name"]), _text(why)))).replace("|", "\\|")
        yield f"| `{record['name']}` | {record['outcome']} | {record.get('failed_stage', '')} | {why} |"
    yield ""
