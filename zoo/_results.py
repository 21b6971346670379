"""Where do results live, and what does a killed run leave?

One JSON object a line, appended and flushed as each model ends; a later line for a model replaces an earlier one.  The
file is the whole state of a sweep: `--resume` skips the models that have a line.  A run that is killed while it writes
leaves half a line; it is recognised when read, and closed before anything is appended to it.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

Record = dict[str, Any]
"""One model's result; the keys are listed in zoo/README.md."""

OUTCOMES = (
    "passed",
    "unverified",
    "failed",
    "error",
    "crashed",
    "timed out",
    "out of memory",
    "no plain forward",
    "not built",
    "not installed",
)
"""What can be said of a model as a whole; only the first is a success, none is ever merged into another."""


def read_results(path: Path) -> tuple[dict[str, Record], int]:
    """Returns the last whole line of each model by name, and how many broken lines were found."""
    records: dict[str, Record] = {}
    broken = 0
    if not path.exists():
        return records, broken
    for line in path.read_bytes().split(b"\n"):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            name = record["name"]
        except (ValueError, KeyError, TypeError):
            broken += 1
            continue
        records.pop(name, None)
        records[name] = record
    return records, broken


class ResultFile:
    """Appends results to a file, one whole line at a time; one run at a time may hold it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise SystemExit(f"Another run is writing {path}; give this one its own --results.") from None
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")  # closes the half line of a killed run, which then reads as broken

    def append(self, record: Record) -> None:
        """Writes one result in one piece."""
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(self._descriptor, line) :]

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
