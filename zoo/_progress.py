"""How does a sweep look while it runs?

A bar with the number of models done, the verdicts so far, and what runs; a line for each model that is not passed.
Where there is no terminal, one plain line a model.
"""

from __future__ import annotations

from collections import Counter
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from zoo._results import OUTCOMES, Record

_COLOURS = {"passed": "green", "unverified": "yellow", "not installed": "dim", "no plain forward": "dim"}


class Board:
    """Shows the sweep; everything on the error stream."""

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True)
        self._counts: Counter[str] = Counter()
        self._under_way: dict[str, None] = {}
        self._done, self._total = 0, total
        self._progress = Progress(
            TextColumn("{task.fields[verdicts]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[running]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("zoo", total=total, verdicts="", running="")

    def __enter__(self) -> Board:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def started(self, name: str) -> None:
        """Shows that a model is being measured."""
        self._under_way[name] = None
        self._update()

    def ended(self, record: Record) -> None:
        """Shows what was found."""
        self._under_way.pop(record["name"], None)
        self._counts[record["outcome"]] += 1
        self._done += 1
        if self._console.is_terminal:
            if record["outcome"] != "passed":
                self._progress.console.print(f"[{_colour(record)}]{record['outcome']}[/] {record['name']}: ", end="")
                self._progress.console.print(_why(record), markup=False, highlight=False)
        else:
            end = "" if record["outcome"] == "passed" else f": {_why(record)}"
            line = f"[{self._done}/{self._total}] {record['outcome']} {record['name']} {record.get('total_s', 0):.1f} s"
            self._console.print(line + end, markup=False, highlight=False, soft_wrap=True)
        self._progress.advance(self._task)
        self._update()

    def _update(self) -> None:
        verdicts = "  ".join(f"[{_COLOURS.get(o, 'red')}]{self._counts[o]} {o}[/]" for o in OUTCOMES if self._counts[o])
        self._progress.update(self._task, verdicts=verdicts, running=", ".join(self._under_way))


def _colour(record: Record) -> str:
    return _COLOURS.get(record["outcome"], "red")


def _why(record: Record) -> str:
    """The reason in one short line."""
    said = str(record.get("reason") or record.get("validation_reason", ""))
    return " ".join(said.split())[:400]
