"""How are two models compared, and how is it told what changed?

Each side is a MODEL that is run on the inputs given, a folder that was saved, or a file that `lens summary --json`
wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lens_cli._compare import Change
from lens_cli._facts import Structure
from lens_cli._history import history_for, is_stored
from lens_cli._request import Request
from lens_cli._structure import structure_of
from lens_cli._structure_file import read_structure

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


def side(request: Request) -> Structure:
    """Returns one side of the comparison.

    Raises:
        CommandError: What was named is not there, or cannot be read.
    """
    path = Path(request.model)
    if path.suffix == ".json":
        return read_structure(path)
    if is_stored(request):  # the inputs are for the other side
        request = replace(request, inputs=(), inputs_from=None)
    return structure_of(history_for(request))


def both_sides(request: Request, other: str) -> tuple[Structure, Structure]:
    """Returns the structures of the two models that were named, each run on the inputs given."""
    return side(request), side(replace(request, model=other))


def changes_as_text(
    first: Structure, second: Structure, found: Sequence[Change], names: tuple[str, str]
) -> RenderableType:
    """Returns what changed between what was named so, ready for a terminal."""
    lines: list[RenderableType] = [
        Text(f"- {names[0]}: {_name(first)}", style="red"),
        Text(f"+ {names[1]}: {_name(second)}", style="green"),
    ]
    for aspect in dict.fromkeys(change.aspect for change in found):
        table = Table(box=None, show_header=False, pad_edge=False)
        for change in found:
            if change.aspect == aspect:
                sign, style = _SIGNS[change.kind]
                what = " -> ".join(text for text in (change.before, change.after) if text is not None)
                table.add_row(
                    Text(sign, style=style),
                    Text(change.name),
                    Text(f"in {change.where}" if change.where else ""),
                    Text(what),
                )
        lines += [Text(aspect, style="bold"), table]
    lines.append(Text(_sums(first, second, found)))
    return Group(*lines)


def changes_as_json(first: Structure, second: Structure, found: Sequence[Change]) -> str:
    """Returns what changed as indented JSON."""
    data = {
        "format": "lens-diff",
        "version": 1,
        "first": {"model": first.model, "versions": first.versions, "totals": first.totals},
        "second": {"model": second.model, "versions": second.versions, "totals": second.totals},
        "is_same": not found,
        "changes": list(found),
    }
    return msgspec.json.format(msgspec.json.encode(data), indent=2).decode()


def _name(structure: Structure) -> str:
    sums = structure.totals
    return (
        f"{structure.model}, torch {structure.versions.get('torch', 'unknown')}: "
        f"{sums.layers:,} layers, {sums.parameters:,} parameters"
    )


def _sums(first: Structure, second: Structure, found: Sequence[Change]) -> str:
    if not found:
        return "The same."
    counts = Counter(change.kind for change in found if change.aspect == "operations")
    told = [f"{counts[kind]:,} operations {kind}" for kind in ("added", "removed") if counts[kind]]
    others = Counter(change.aspect for change in found if change.aspect != "operations" or change.kind == "changed")
    told += [f"{count:,} differences in {aspect}" for aspect, count in others.items()]
    return "Not the same: " + ", ".join(told) + "."
