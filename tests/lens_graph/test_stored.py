"""A stored history answers as before, needs no torch, and is either whole or refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lens_graph import (
    ExistingPathError,
    ModelHistory,
    NotStoredError,
    SaveError,
    UnreadableTensorError,
    build_history,
    load_history,
)
from lens_trace import Trace

from . import sample_traces
from .same_history import differences

SAMPLES = [
    value
    for name, value in vars(sample_traces).items()
    if callable(value) and getattr(value, "__module__", "") == sample_traces.__name__ and not name.startswith("_")
]


@pytest.fixture(params=SAMPLES, ids=lambda make: make.__name__)
def history(request: pytest.FixtureRequest) -> ModelHistory:
    make: Callable[[], Trace] = request.param
    return build_history(make())


def test_a_loaded_history_answers_as_the_saved_one(history: ModelHistory, tmp_path: Path) -> None:
    history.save(tmp_path / "h")
    assert differences(history, load_history(tmp_path / "h")) == []


def test_what_was_loaded_can_be_saved_and_loaded_again(history: ModelHistory, tmp_path: Path) -> None:
    history.save(tmp_path / "h")
    load_history(tmp_path / "h").save(tmp_path / "again")
    assert differences(history, load_history(tmp_path / "again")) == []


def test_layers_come_from_the_folder_and_not_from_the_rules_of_today(tmp_path: Path) -> None:
    history = build_history(sample_traces.recurrent())
    assert history.model_is_recurrent
    history.save(tmp_path / "h")
    text = (
        "import lens_graph._build as build\n"
        "def refuse(*_): raise AssertionError('searched for loops')\n"
        "build.find_layers = refuse\n"
        "import lens_graph, sys\n"
        "print(lens_graph.load_history(sys.argv[1]).layer_list)\n"
    )
    run = subprocess.run([sys.executable, "-c", text, str(tmp_path / "h")], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(history.layer_list)


def test_loading_imports_no_torch(tmp_path: Path) -> None:
    build_history(sample_traces.alexnet()).save(tmp_path / "h")
    text = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "import lens_graph\n"
        "history = lens_graph.load_history(sys.argv[1])\n"
        "print(history['conv2d_3'].layer_label, history.tables.layers.height, 'safetensors' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", text, str(tmp_path / "h")], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["conv2d_3_8", "24", "False"]


def test_the_tables_are_there_for_other_programs(tmp_path: Path) -> None:
    import polars as pl

    history = build_history(sample_traces.alexnet())
    history.save(tmp_path / "h")
    for name in ("operations", "layers", "edges", "modules"):
        assert pl.read_parquet(tmp_path / "h" / "tables" / f"{name}.parquet").equals(getattr(history.tables, name))


def test_what_is_alive_says_that_it_is_not_stored(tmp_path: Path) -> None:
    build_history(sample_traces.alexnet()).save(tmp_path / "h")
    loaded = load_history(tmp_path / "h")
    with pytest.raises(NotStoredError, match="conv2d"):
        _ = loaded["conv2d_1"].func_applied
    assert loaded["input_1"].func_applied is None
    assert loaded["conv2d_1"].func_rng_states is None


def test_tensors_without_somebody_who_can_write_them_are_refused(tmp_path: Path) -> None:
    history = build_history(sample_traces.alexnet(), {0: "a tensor"})
    with pytest.raises(SaveError, match="lens_torch"):
        history.save(tmp_path / "h")
    assert not (tmp_path / "h").exists()


def test_a_record_that_cannot_be_written_is_refused_before_anything_is(tmp_path: Path) -> None:
    import msgspec

    trace = msgspec.structs.replace(sample_traces.alexnet(), model_name="\ud800")
    with pytest.raises(SaveError, match="trace"):
        build_history(trace).save(tmp_path / "h")
    assert not (tmp_path / "h").exists()


@pytest.mark.parametrize("content", ["file", "folder with a file", "history"])
def test_a_path_that_is_taken_is_refused_and_left_alone(content: str, tmp_path: Path) -> None:
    path = tmp_path / "h"
    history = build_history(sample_traces.alexnet())
    if content == "file":
        path.write_text("mine")
    elif content == "folder with a file":
        path.mkdir()
        (path / "notes.txt").write_text("mine")
    else:
        history.save(path)
    before = _content(tmp_path)
    with pytest.raises(ExistingPathError, match="Give"):
        history.save(path)
    if content != "history":
        with pytest.raises(ExistingPathError, match="Give"):
            history.save(path, overwrite=True)
    assert _content(tmp_path) == before


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    build_history(sample_traces.alexnet()).save(tmp_path)
    assert load_history(tmp_path).model_name == "AlexNet"


def test_overwriting_replaces_a_history_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "h"
    build_history(sample_traces.alexnet()).save(path)
    other = build_history(sample_traces.recurrent())
    other.save(path, overwrite=True)
    assert load_history(path).layer_list == other.layer_list
    assert [entry.name for entry in tmp_path.iterdir()] == ["h"]


def test_overwriting_that_fails_leaves_the_old_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "h"
    old = build_history(sample_traces.alexnet())
    old.save(path)

    def fail(*_: object) -> bytes:
        raise OSError("no space left")

    monkeypatch.setattr("lens_graph._tables.Tables.as_parquet", fail)
    with pytest.raises(OSError, match="no space left"):
        build_history(sample_traces.recurrent()).save(path, overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["h"]
    assert load_history(path).layer_list == old.layer_list


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise OSError("no space left")

    monkeypatch.setattr("lens_graph._tables.Tables.as_parquet", fail)
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "new", tmp_path / "empty"):
        with pytest.raises(OSError, match="no space left"):
            build_history(sample_traces.alexnet()).save(path)
    assert _content(tmp_path) == {}
    assert not (tmp_path / "new").exists()


def test_unread_tensors_say_what_to_install(tmp_path: Path) -> None:
    from lens_graph._keeping import UnreadTensors

    tensors = UnreadTensors(frozenset({3}), tmp_path)
    assert 3 in tensors
    assert list(tensors) == [3]
    with pytest.raises(UnreadableTensorError, match="lens_torch"):
        _ = tensors[3]


def _content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
