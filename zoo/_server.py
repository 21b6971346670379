"""How does each model get a fresh process without importing torch again?

A *fork server*: this module runs as a process of its own that imports the libraries once, starts no thread, and forks a
child for each model.  The child has the libraries and nothing else, sets its limits, measures one model, tells its
findings through a pipe, and ends.  The server waits for it, stops it when its time or memory is over, and answers with
one line.  A child that dies is told apart: crashed (with the signal), timed out, out of memory.

    python -m zoo._server '{"sources": [...], "preload": [...], "options": {...}}'

Names of models come in on standard input, one a line; results go out on standard output, one JSON object a line.  At
the end of input the children that still run are stopped.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import selectors
import signal
import sys
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from zoo._catalogue import Entry, load
from zoo._measure import Options, is_lack_of_memory, measure
from zoo._memory import bound_memory, die_with_parent, resident_bytes

_TICK_S = 0.25
_MIB = 1 << 20
_OUTPUT_LENGTH = 1500


@dataclass
class _Child:
    """A model that is being measured."""

    entry: Entry
    process: int
    pipe: int
    output: Any
    began: float
    record: dict[str, Any]
    buffer: bytes = b""
    stopped: dict[str, Any] = field(default_factory=dict)


def main() -> None:
    """Serves until the end of input."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end of input is the signal to stop
    asked = json.loads(sys.argv[1])
    replies = os.dup(1)
    os.dup2(2, 1)  # nothing that a library prints may come between the replies
    warnings.simplefilter("ignore")
    catalogue = load(asked["sources"])
    for source in asked["sources"]:
        getattr(importlib.import_module(source), "prepare", lambda: None)()
    for module in ("torch", "lens_torch", "lens_validate", *asked["preload"]):
        importlib.import_module(module)
    import torch

    torch.set_num_threads(1)
    if threading.active_count() > 1:
        names = [thread.name for thread in threading.enumerate()]
        raise RuntimeError(f"A library has started threads, forking is not safe: {names}")
    gc.collect()
    gc.freeze()  # so that a child's collector does not touch, and thereby copy, the memory of the libraries
    _serve(catalogue, Options(**asked["options"]), replies)


def _serve(catalogue: dict[str, Entry], options: Options, replies: int) -> None:
    selector = selectors.DefaultSelector()
    selector.register(0, selectors.EVENT_READ)
    children: dict[int, _Child] = {}
    shared = resident_bytes()
    pending = b""
    try:
        while True:
            for key, _ in selector.select(_TICK_S):
                if key.fd == 0:
                    data = os.read(0, 1 << 16)
                    if not data:
                        return
                    *lines, pending = (pending + data).split(b"\n")
                    for line in lines:
                        child = _started(catalogue[line.decode()], options)
                        children[child.pipe] = child
                        selector.register(child.pipe, selectors.EVENT_READ)
                elif _has_ended(children[key.fd]):
                    selector.unregister(key.fd)
                    _reply(replies, _finished(children.pop(key.fd)))
            for child in children.values():
                _watch(child, options, shared)
    finally:
        for child in children.values():
            _kill(child)


def _started(entry: Entry, options: Options) -> _Child:
    """Forks a child that measures one model."""
    out, into = os.pipe()
    output = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the child has ended
    began = time.monotonic()
    process = os.fork()
    if process == 0:
        os.close(out)
        _run(entry, options, into, output.fileno())
    os.close(into)
    with contextlib.suppress(OSError):
        os.setpgid(process, process)
    return _Child(entry, process, out, output, began, _header(entry))


def _run(entry: Entry, options: Options, pipe: int, output: int) -> None:
    """The child: measures, tells, and ends without ever returning."""
    status = 1
    try:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        faulthandler.enable()
        bound_memory(options.memory_mib)

        def tell(found: dict[str, Any]) -> None:
            line = json.dumps(found).encode() + b"\n"
            while line:
                line = line[os.write(pipe, line) :]

        try:
            measure(entry, options, tell)
            status = 0
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"[:600]
            tell({"outcome": "out of memory" if is_lack_of_memory(error) else "error", "reason": reason})
            status = 0
    finally:
        os._exit(status)  # no exit handler of a library, and never the server's loop


def _header(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "family": entry.family,
        "library": entry.library,
        "mode": entry.mode,
        "notes": entry.notes,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "versions": _versions(entry.library),
    }


def _versions(library: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in dict.fromkeys(("torch", library)):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _has_ended(child: _Child) -> bool:
    """Reads what the child told; True at the end of its pipe."""
    data = os.read(child.pipe, 1 << 16)
    *lines, child.buffer = (child.buffer + data).split(b"\n")
    for line in lines:
        child.record.update(json.loads(line))
    return not data


def _watch(child: _Child, options: Options, shared: int) -> None:
    """Stops a child whose time or memory is over."""
    if child.stopped:
        return
    if time.monotonic() - child.began > options.timeout_s:
        reason = f"stopped after {options.timeout_s:g} s in the stage {child.record.get('stage', 'start')!r}"
        child.stopped = {"outcome": "timed out", "reason": reason}
    elif (taken := resident_bytes(child.process) - shared) > options.memory_mib * _MIB:
        reason = f"stopped with {taken // _MIB} MiB in the stage {child.record.get('stage', 'start')!r}"
        child.stopped = {"outcome": "out of memory", "reason": reason}
    if child.stopped:
        _kill(child)


def _kill(child: _Child) -> None:
    """Kills the child and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.process, signal.SIGKILL)


def _finished(child: _Child) -> dict[str, Any]:
    """The result of a child whose pipe has closed, with a verdict on how it ended."""
    os.close(child.pipe)
    _, status, usage = os.wait4(child.process, 0)
    _kill(child)  # a process that it started and left
    record = child.record
    stage = record.pop("stage", "start")
    if child.stopped:
        record |= child.stopped | {"failed_stage": stage}
    elif os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        record |= {"outcome": "crashed", "failed_stage": stage, "reason": f"{name}: {_said(child)}"}
    elif stage != "done" or status:
        record.setdefault("failed_stage", stage)
        record.setdefault("outcome", "crashed")
        record.setdefault("reason", f"ended with status {os.waitstatus_to_exitcode(status)}: {_said(child)}")
    record.setdefault("outcome", record.get("validation", "error"))
    record["peak_mib"] = round(usage.ru_maxrss / 1024, 1)
    record["total_s"] = round(time.monotonic() - child.began, 2)
    child.output.close()
    return record


def _said(child: _Child) -> str:
    """The end of what the child printed: where faulthandler writes."""
    child.output.seek(0)
    return child.output.read().decode(errors="replace").strip()[-_OUTPUT_LENGTH:]


def _reply(replies: int, record: dict[str, Any]) -> None:
    line = json.dumps(record).encode() + b"\n"
    while line:
        line = line[os.write(replies, line) :]


if __name__ == "__main__":
    main()
    os._exit(0)  # the libraries have nothing to say about being forked from
