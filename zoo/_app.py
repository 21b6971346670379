"""The command line of the zoo: list, run, summary, report.

uv run --group zoo python -m zoo run --library torchvision --jobs 2
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from zoo._catalogue import Entry, chosen, load, not_listed
from zoo._fast import FAST
from zoo._measure import Options
from zoo._progress import Board
from zoo._results import ResultFile, read_results
from zoo._sweep import Started, sweep

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Trace, validate and draw hundreds of real models.")

RESULTS = Path("zoo-results.jsonl")

Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="GLOB", help="Names, such as 'timm/*mixer*' or 'resnet*'.")
]
Family = Annotated[list[str] | None, typer.Option("--family", metavar="GLOB", help="Families, such as 'torchvision*'.")]
Library = Annotated[list[str] | None, typer.Option("--library", help="Libraries, such as timm.")]
Fast = Annotated[bool, typer.Option("--fast", help="The fast subset only.")]
All = Annotated[bool, typer.Option("--all", help="Also what runs on request only.")]
Results = Annotated[Path, typer.Option("--results", help="The JSONL file of results.")]


@app.command("list")
def list_names(
    only: Only = None,
    family: Family = None,
    library: Library = None,
    fast: Fast = False,
    everything: All = False,
) -> None:
    """Print the names of the models, by family; no library is imported."""
    for entry in _chosen(only, family, library, fast, everything):
        print(f"{entry.name}\t{entry.family}\t{entry.mode}\t{entry.notes}")


@app.command()
def run(
    only: Only = None,
    family: Family = None,
    library: Library = None,
    fast: Fast = False,
    everything: All = False,
    results: Results = RESULTS,
    resume: Annotated[bool, typer.Option("--resume", help="Skip the models that have a result.")] = False,
    draw: Annotated[
        Path | None, typer.Option("--draw", metavar="DIR", help="Keep every drawing, with an index.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Models at a time.")] = 2,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds for one model.")] = 300,
    memory: Annotated[int, typer.Option("--memory", help="MiB for one model.")] = 6144,
    sources: Annotated[list[str] | None, typer.Option("--source", hidden=True)] = None,
) -> None:
    """Measure models, each in a fresh process; ends with status 1 when one of them is not passed."""
    entries = _chosen(only, family, library, fast, everything, sources)
    known, broken = read_results(results)
    if broken:
        typer.echo(f"{results}: {broken} broken line(s), left by a run that was killed; ignored.", err=True)
    todo = [entry for entry in entries if not (resume and entry.name in known)]
    options = Options(timeout, memory, None if draw is None else str(draw.resolve()))
    with ResultFile(results) as file, Board(len(todo)) as board:
        for event in sweep(todo, options, jobs=jobs, **({"sources": sources} if sources else {})):
            if isinstance(event, Started):
                board.started(event.name)
            else:
                file.append(event)
                board.ended(event)
    records, _ = read_results(results)
    mine = [records[entry.name] for entry in entries if entry.name in records]
    if draw is not None:
        from zoo._browse import write_index

        typer.echo(f"Drawings: {write_index(draw, mine)}", err=True)
    _print_summary(mine)
    if any(record["outcome"] not in ("passed", "not installed") for record in mine):
        raise typer.Exit(1)


@app.command()
def summary(
    results: Results = RESULTS,
    only: Only = None,
    family: Family = None,
    library: Library = None,
    fast: Fast = False,
) -> None:
    """Print what a results file holds, by family."""
    records, _ = read_results(results)
    names = {entry.name for entry in _chosen(only, family, library, fast, True)}
    _print_summary([record for name, record in records.items() if name in names])


@app.command()
def show(name: str, results: Results = RESULTS) -> None:
    """Print all that is known of one model."""
    records, _ = read_results(results)
    if name not in records:
        raise typer.BadParameter(f"{results} has no result for {name!r}.")
    print(json.dumps(records[name], indent=1, ensure_ascii=False))


@app.command()
def missing() -> None:
    """Compare the lists of names with what the installed libraries have; ends with status 1 when something lacks."""
    lacking = sorted(not_listed())
    for name in lacking:
        print(name)
    raise typer.Exit(1 if lacking else 0)


@app.command()
def report(
    results: Annotated[
        list[Path] | None, typer.Option("--results", help="JSONL files of results; later ones win.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="The report; the JSONL is written beside it.")] = Path(
        "docs/zoo.md"
    ),
) -> None:
    """Write docs/zoo.md and the results behind it; what the catalogue no longer has is left out."""
    from zoo._report import write_report

    records = {name: record for path in results or [RESULTS] for name, record in read_results(path)[0].items()}
    known = load()
    missing = [name for name, entry in known.items() if name not in records and not entry.on_request]
    notes = {name: entry.notes for name, entry in known.items() if entry.notes}
    write_report(out, [record for name, record in records.items() if name in known], notes)
    if missing:
        typer.echo(f"{len(missing)} models of the catalogue have no result: {', '.join(missing[:20])}", err=True)


def _chosen(
    only: list[str] | None,
    family: list[str] | None,
    library: list[str] | None,
    fast: bool,
    everything: bool,
    sources: list[str] | None = None,
) -> list[Entry]:
    catalogue = load(sources) if sources else load()
    entries = chosen(
        catalogue.values(),
        only=only or (),
        family=family or (),
        library=library or (),
        fast=FAST if fast else None,
        everything=everything,
    )
    if not entries:
        raise typer.BadParameter("No model of the catalogue fits; `python -m zoo list` names them all.")
    return entries


def _print_summary(records: list[dict[str, object]]) -> None:
    from zoo._summary import by_family, rich_table

    Console(width=160).print(rich_table(by_family(records)))
