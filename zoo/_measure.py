"""What is asked of one model?

Runs inside a process of its own.  Each stage tells what it found as soon as it has it, so that a crash, a time-out or
a lack of memory in a later stage loses nothing: build, plain forward, trace, history, validation, drawing, timing.
"""

from __future__ import annotations

import copy
import gc
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo._catalogue import Case, Entry
from zoo._memory import peak_bytes, reset_peak, resident_bytes

Tell = Callable[[dict[str, Any]], None]

_MIB = 1 << 20
_TIMED_S = 0.3
"""Seconds after which no more rounds of timing begin."""
_MOST_REPEATS = 5
_REASON_LENGTH = 600


@dataclass(frozen=True)
class Options:
    """What a run asks of every model."""

    timeout_s: float
    """Seconds after which a model is stopped."""
    memory_mib: int
    """Memory that a model may take beyond what the libraries take."""
    draw_folder: str | None
    """Where drawings are kept; None lays them out and throws them away."""
    layout_timeout_s: float = 120.0
    """Seconds that one layout may take."""


def measure(entry: Entry, options: Options, tell: Tell) -> None:
    """Asks everything of one model, telling as it goes.

    Raises: Nothing that the model or Lens raises: that is told.  `MemoryError` passes, it is a verdict of its own.
    """
    import torch

    from lens_torch import draw, write
    from lens_trace import everything, run_plain, trace
    from lens_validate import validate

    torch.manual_seed(0)
    with _Stage("build", tell, "not built") as stage:
        case = entry.build()
        case[0].train(entry.mode == "train")
        torch.set_grad_enabled(entry.mode == "train")
        lazy = torch.nn.parameter.is_lazy
        tell({"parameters": sum(p.numel() for p in case[0].parameters() if not lazy(p))})
    if stage.is_wrong:
        return
    base = resident_bytes()
    with _Stage("plain", tell, "no plain forward") as stage:
        reset_peak()
        model, args, kwargs = _fresh(case)
        run_plain(model, args, kwargs, seed=0)
        tell({"plain_peak_mib": round((peak_bytes() - base) / _MIB, 1)})
    if stage.is_wrong:
        return
    recording: Any = None
    with _Stage("trace", tell, "error") as stage:
        reset_peak()
        model, args, kwargs = _fresh(case)
        recording = trace(model, args, kwargs, keep=everything, seed=0)
        tell({"operations": len(recording.trace.operations), "trace": "passed"})
        tell({"trace_peak_mib": round((peak_bytes() - base) / _MIB, 1)})
    if stage.is_wrong:
        return
    with _Stage("history", tell, "error") as stage:
        history = _history(recording)
        tell(
            {
                "layers": len(history),
                "is_recurrent": history.model_is_recurrent,
                "max_passes": history.model_max_recurrent_loops,
                "history_s": stage.elapsed_s,
            }
        )
        with _Stage("draw", tell, "error") as stage:
            graph = draw(history, timeout_s=options.layout_timeout_s)
            tell({"svg_bytes": _drawn(graph, write, options, entry.name, "svg")})
            tell({"draw_s": stage.elapsed_s})
            if history.model_is_recurrent:
                rolled = draw(history, mode="rolled", timeout_s=options.layout_timeout_s)
                _drawn(rolled, write, options, entry.name, "rolled.svg")
            tell({"draw": "passed"})
        del history
    with _Stage("validate", tell, "error") as stage:
        reset_peak()
        model, args, kwargs = _fresh(case)
        report = validate(recording, model, args, kwargs)
        tell(_findings(report) | {"validate_s": stage.elapsed_s})
        tell({"validate_peak_mib": round((peak_bytes() - base) / _MIB, 1)})
    del recording
    with _Stage("time", tell, "error"):
        tell(_times(case))
    tell({"stage": "done"})


class _Stage:
    """A part of the measurement: tells that it begins, and what went wrong in it."""

    def __init__(self, name: str, tell: Tell, outcome: str) -> None:
        self._name, self._tell, self._outcome = name, tell, outcome
        self.is_wrong = False

    @property
    def elapsed_s(self) -> float:
        return round(time.perf_counter() - self._began, 4)

    def __enter__(self) -> _Stage:
        self._began = time.perf_counter()
        self._tell({"stage": self._name})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if error is None or is_lack_of_memory(error) or not isinstance(error, Exception):
            return False
        self.is_wrong = True
        where = [f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)[-3:]]
        notes = " ".join(getattr(error, "__notes__", ()))
        reason = f"{type(error).__name__}: {error} {notes} ({' > '.join(where)})"
        wrong: dict[str, Any] = {"outcome": self._outcome, "failed_stage": self._name, "reason": _short(reason)}
        if self._name in ("trace", "draw"):
            wrong[self._name] = "failed"
        elif self._name == "validate":
            wrong["validation"] = "error"
        self._tell(wrong)
        return True


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    said = str(error)
    return isinstance(error, MemoryError) or "can't allocate memory" in said or "bad_alloc" in said


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _REASON_LENGTH else text[: _REASON_LENGTH // 2] + " ... " + text[-_REASON_LENGTH // 2 :]


def _fresh(case: Case) -> Case:
    """The same model with arguments of its own: a forward may change a cache that it was given."""
    return case[0], copy.deepcopy(case[1]), copy.deepcopy(case[2])


def _history(recording: Any) -> Any:
    from lens_graph import build_history

    return build_history(recording.trace)


def _drawn(graph: Any, write: Callable[..., Path], options: Options, name: str, ending: str) -> int:
    if options.draw_folder is None:
        return len(graph.pipe(format="svg"))
    return write(graph, Path(options.draw_folder) / f"{name}.{ending}").stat().st_size


def _findings(report: Any) -> dict[str, Any]:
    """What validation found, in numbers and by name."""
    exemptions: Counter[str] = Counter()
    for entry in report.operations:
        if entry.verdict == "exempt" and not entry.edges:
            exemptions[entry.reason] += 1
        exemptions.update(edge.reason for edge in entry.edges if edge.verdict == "exempt")
    counts = report.counts
    if report:
        validation = "passed"
    elif counts["failed"] or report.findings or "failed" in (report.plain_forward.verdict, report.second_trace.verdict):
        validation = "failed"
    else:
        validation = "unverified"
    return {
        "validation": validation,
        **{verdict: counts[verdict] for verdict in ("passed", "exempt", "unverified", "failed")},
        "exemptions": dict(exemptions.most_common()),
        "plain_forward": report.plain_forward.verdict,
        "second_trace": report.second_trace.verdict,
        "is_stateful": report.is_stateful,
        **({} if report else {"validation_reason": str(report)[:1500]}),
    }


def _times(case: Case) -> dict[str, Any]:
    """The quickest of some plain forwards and traces, in alternation; all have run before."""
    from lens_trace import everything, nothing, trace

    def plain(case: Case) -> None:
        case[0](*case[1], **case[2])

    def keep_all(case: Case) -> None:
        trace(*case, keep=everything)

    def keep_nothing(case: Case) -> None:
        trace(*case, keep=nothing)

    ways = {"plain_s": plain, "trace_s": keep_all, "trace_nothing_s": keep_nothing}
    found: dict[str, list[float]] = {way: [] for way in ways}
    gc.collect()
    began = time.perf_counter()
    while len(found["plain_s"]) < _MOST_REPEATS and (not found["plain_s"] or time.perf_counter() - began < _TIMED_S):
        for way, run in ways.items():
            found[way].append(_timed(run, case))
    quickest = {way: min(values) for way, values in found.items()}
    return {
        **{way: float(f"{value:.4g}") for way, value in quickest.items()},
        "trace_ratio": round(quickest["trace_s"] / quickest["plain_s"], 3),
        "trace_nothing_ratio": round(quickest["trace_nothing_s"] / quickest["plain_s"], 3),
        "repeats": len(found["plain_s"]),
    }


def _timed(run: Callable[[Case], None], case: Case) -> float:
    fresh = _fresh(case)
    began = time.perf_counter()
    run(fresh)
    return time.perf_counter() - began
