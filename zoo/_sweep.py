"""How does a sweep run: some models at a time, each result kept the moment it is there?

The sweep speaks to the fork server of `zoo._server` over its standard input and output, never has more models under way
than jobs, and yields results as they come.  When the server itself dies, the models under way are crashed and a new one
is started for the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoo._catalogue import SOURCES, Entry, is_installed, preloads
from zoo._measure import Options
from zoo._results import Record

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True)
class Started:
    """A model is being measured."""

    name: str


def sweep(
    entries: Sequence[Entry], options: Options, *, jobs: int = 2, sources: Sequence[str] = SOURCES
) -> Iterator[Started | Record]:
    """Measures the entries and yields, as it happens, that a model is started and what was found."""
    waiting = deque(entry for entry in entries if is_installed(entry.library))
    for entry in entries:
        if not is_installed(entry.library):
            yield _not_installed(entry)
    while waiting:
        yield from _served(waiting, options, jobs, sources)


def _served(waiting: deque[Entry], options: Options, jobs: int, sources: Sequence[str]) -> Iterator[Started | Record]:
    """Measures until nothing waits or the server dies."""
    asked = {
        "sources": list(sources),
        "preload": preloads(sources, {entry.library for entry in waiting}),
        "options": asdict(options),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "zoo._server", json.dumps(asked)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | _ONE_THREAD | _OFFLINE,
    )
    assert server.stdin is not None and server.stdout is not None
    under_way: dict[str, Entry] = {}
    has_answered = False
    try:
        while waiting or under_way:
            while waiting and len(under_way) < jobs:
                entry = waiting.popleft()
                under_way[entry.name] = entry
                yield Started(entry.name)
                server.stdin.write(entry.name.encode() + b"\n")
                server.stdin.flush()
            line = server.stdout.readline()
            if not line.endswith(b"\n"):
                break
            record = json.loads(line)
            has_answered = True
            del under_way[record["name"]]
            yield record
    except BrokenPipeError:
        pass
    finally:
        with contextlib.suppress(BrokenPipeError):
            server.stdin.close()
        status = server.wait()
        server.stdout.close()
    if under_way and not has_answered:
        raise SystemExit(f"The fork server ended with status {status} before it measured anything; see above.")
    for entry in under_way.values():
        yield _verdict(entry, "crashed", f"the fork server ended with status {status}")


def _not_installed(entry: Entry) -> Record:
    return _verdict(entry, "not installed", f"{entry.library} is not installed in this environment")


def _verdict(entry: Entry, outcome: str, reason: str) -> Record:
    return {
        "name": entry.name,
        "family": entry.family,
        "library": entry.library,
        "mode": entry.mode,
        "outcome": outcome,
        "reason": reason,
    }


Watcher = Callable[[Any], None]
