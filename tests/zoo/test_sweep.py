"""The verdicts of the runner on models that crash, hang, take all memory, or do not run at all."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo._browse import write_index
from zoo._catalogue import load
from zoo._measure import Options
from zoo._report import write_report
from zoo._results import read_results
from zoo._sweep import Started, sweep

SOURCE = "tests.zoo.troublemakers"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """One sweep over all troublemakers."""
    folder = tmp_path_factory.mktemp("drawings")
    entries = {name: entry for name, entry in load([SOURCE]).items() if not entry.on_request}
    hanging = [entries.pop("trouble/hanging")]
    events = list(sweep(list(entries.values()), Options(300, 1024, str(folder)), jobs=2, sources=[SOURCE]))
    assert sum(isinstance(event, Started) for event in events) == len(entries) - 1  # all but the absent one
    events += sweep(hanging, Options(3, 1024, str(folder)), sources=[SOURCE])
    return {e["name"].partition("/")[2]: e for e in events if not isinstance(e, Started)}, folder


@pytest.mark.parametrize(
    ("name", "outcome", "reason"),
    [
        ("linear", "passed", ""),
        ("loud", "passed", ""),
        ("crashing", "crashed", "SIGSEGV"),
        ("leaving", "crashed", "ended with status 0"),
        ("hanging", "timed out", "stopped after 3 s in the stage"),
        ("greedy", "out of memory", ""),
        ("raising", "no plain forward", "RuntimeError: this model never runs"),
        ("broken", "not built", "ValueError: no such architecture"),
        ("absent", "not installed", "no_such_library"),
    ],
)
def test_each_way_to_end_has_a_verdict_of_its_own(
    outcomes: tuple[dict[str, Any], Path], name: str, outcome: str, reason: str
) -> None:
    record = outcomes[0][name]
    assert record["outcome"] == outcome
    assert reason in record.get("reason", "")


def test_a_passed_model_has_everything_measured(outcomes: tuple[dict[str, Any], Path]) -> None:
    record = outcomes[0]["linear"]
    assert (record["trace"], record["validation"], record["draw"]) == ("passed", "passed", "passed")
    assert record["operations"] == record["passed"] == 4
    assert (record["exempt"], record["unverified"], record["failed"]) == (0, 0, 0)
    assert record["is_recurrent"] is False
    assert all(record[name] > 0 for name in ("plain_s", "trace_s", "trace_ratio", "draw_s", "peak_mib", "parameters"))
    assert record["versions"]["torch"]


def test_a_stateful_model_is_told(outcomes: tuple[dict[str, Any], Path]) -> None:
    record = outcomes[0]["counting"]
    assert record["is_stateful"] is True
    assert "exempt" in (record["plain_forward"], record["second_trace"])


def test_drawings_are_kept_and_the_index_leads_to_them(outcomes: tuple[dict[str, Any], Path]) -> None:
    records, folder = outcomes
    assert (folder / "trouble/linear.svg").read_text().lstrip().startswith("<")
    page = write_index(folder, list(records.values())).read_text()
    assert 'href="trouble/linear.svg"' in page
    assert 'src="trouble/raising.svg"' not in page
    assert "no plain forward" in page


def test_the_report_lists_failures_and_keeps_broken_models_apart(
    outcomes: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    write_report(tmp_path / "zoo.md", list(outcomes[0].values()))
    report = (tmp_path / "zoo.md").read_text()
    measured, apart = report.split("## No plain forward")
    assert "| `trouble/crashing` | crashed | plain | SIGSEGV" in measured
    assert "`trouble/raising`" in apart and "`trouble/raising`" not in measured
    assert "| run | 7 | |" in measured  # neither the broken nor the absent nor the raising one
    lines = (tmp_path / "zoo.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == sorted(r["name"] for r in outcomes[0].values()) or lines


def test_a_killed_run_leaves_no_process_and_goes_on_where_it_was(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    command = [sys.executable, "-m", "zoo", "run", "--source", SOURCE, "--results", str(results), "--jobs", "1"]
    first = subprocess.Popen([*command, "--only", "linear", "--only", "hanging"], stderr=subprocess.DEVNULL)
    _until(lambda: bool(read_results(results)[0]))
    children = _descendants(first.pid)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert children
    _until(lambda: not any(_is_alive(child) for child in children))
    second = subprocess.run(
        [*command, "--only", "linear", "--only", "counting", "--resume"], capture_output=True, text=True, timeout=300
    )
    assert second.returncode == 0, second.stderr
    assert "[1/1] passed trouble/counting" in second.stderr
    assert set(read_results(results)[0]) == {"trouble/linear", "trouble/counting"}


def test_a_run_with_a_failure_ends_with_status_1(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "zoo", "run", "--source", SOURCE, "--results", str(tmp_path / "r.jsonl")]
    ended = subprocess.run([*command, "--only", "raising"], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    assert "this model never runs" in ended.stderr


def _until(holds: Callable[[], bool], timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _descendants(process: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(folder.name))
    found = list(parents.get(process, ()))
    for child in found:
        found += parents.get(child, ())
    return found


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
