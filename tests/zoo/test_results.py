"""The file of results survives whatever kills a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo._results import ResultFile, read_results


def test_half_a_line_is_recognised_and_what_follows_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_bytes(b'{"name":"a","outcome":"passed"}\n{"name":"b","outc')
    with ResultFile(path) as file:
        file.append({"name": "c", "outcome": "failed"})
    records, broken = read_results(path)
    assert {name: record["outcome"] for name, record in records.items()} == {"a": "passed", "c": "failed"}
    assert broken == 1


def test_the_last_line_of_a_model_counts_and_nothing_is_erased(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    for outcome in ("crashed", "passed"):
        with ResultFile(path) as file:
            file.append({"name": "a", "outcome": outcome})
    records, broken = read_results(path)
    assert records["a"]["outcome"] == "passed"
    assert (len(path.read_text().splitlines()), broken) == (2, 0)


def test_two_runs_cannot_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with ResultFile(path), pytest.raises(SystemExit, match="Another run"):
        ResultFile(path)


def test_no_file_is_no_result(tmp_path: Path) -> None:
    assert read_results(tmp_path / "none.jsonl") == ({}, 0)
