"""Rows and stimuli agree, whatever is interrupted, repeated or broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lens_torch import Stimuli, StimuliError, load_stimuli, start_stimuli

RUN = {"model": "net", "layers": ["a", "b"]}


def _names(count: int) -> list[str]:
    return [f"{number:04d}.png" for number in range(count)]


def _rows(stimuli: Stimuli, batch: int) -> dict[str, torch.Tensor]:
    numbers = torch.tensor([float(name[:4]) for name in stimuli.names_of(batch)])
    return {"a": numbers[:, None].repeat(1, 3), "b": -numbers}


def _filled(path: Path, count: int, batch_size: int) -> Stimuli:
    stimuli = start_stimuli(path, _names(count), batch_size=batch_size, run=RUN)
    for batch in stimuli.missing:
        stimuli.put(batch, _rows(stimuli, batch))
    return stimuli


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 70))
def test_there_are_as_many_rows_as_stimuli_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, count: int, batch_size: int
) -> None:
    folder = tmp_path_factory.mktemp("stimuli") / "out"
    _filled(folder, count, batch_size)
    assert load_stimuli(folder)["b"].tolist() == [-float(number) for number in range(count)]


def test_499_stimuli_in_batches_of_32_are_499_rows(tmp_path: Path) -> None:
    _filled(tmp_path / "out", 499, 32)
    stimuli = load_stimuli(tmp_path / "out")
    assert len(stimuli) == 499
    assert stimuli.layers == ["a", "b"]
    assert stimuli["a"].shape == (499, 3)
    assert stimuli["b"].tolist() == [-float(number) for number in range(499)]
    assert sum(len(rows) for rows in stimuli.batches("a")) == 499
    assert "499 stimuli, 2 layers, 16 of 16 batches" in repr(stimuli)


def test_any_reader_of_safetensors_can_read_it(tmp_path: Path) -> None:
    _filled(tmp_path / "out", 5, 3)
    files = sorted((tmp_path / "out/batches").iterdir())
    assert torch.cat([safetensors.torch.load_file(file)["b"] for file in files]).tolist() == [0, -1, -2, -3, -4]


def test_what_is_missing_is_made_and_what_is_there_is_left(tmp_path: Path) -> None:
    stimuli = _filled(tmp_path / "out", 10, 4)
    files = sorted((tmp_path / "out/batches").iterdir())
    files[1].unlink()
    before = files[0].stat().st_mtime_ns
    with pytest.raises(StimuliError, match="1 of 3 batches are missing"):
        stimuli["a"]
    del stimuli
    again = start_stimuli(tmp_path / "out", _names(10), batch_size=4, run=RUN)
    assert again.missing == [1]
    again.put(1, _rows(again, 1))
    assert again["b"].tolist() == [-float(number) for number in range(10)]
    assert files[0].stat().st_mtime_ns == before


def test_a_half_written_batch_is_not_taken_for_done(tmp_path: Path) -> None:
    stimuli = start_stimuli(tmp_path / "out", _names(8), batch_size=4, run=RUN)
    (tmp_path / "out/batches/000000.part").write_bytes(b"half")
    del stimuli
    again = start_stimuli(tmp_path / "out", _names(8), batch_size=4, run=RUN)
    assert again.missing == [0, 1]
    assert list((tmp_path / "out/batches").iterdir()) == []


@pytest.mark.parametrize("count", [3, 5, 1, 0])
def test_more_or_fewer_rows_than_stimuli_are_refused(count: int, tmp_path: Path) -> None:
    stimuli = start_stimuli(tmp_path / "out", _names(4), batch_size=4, run=RUN)
    with pytest.raises(StimuliError, match="for 4 stimuli"):
        stimuli.put(0, {"a": torch.rand(count, 2)})
    assert stimuli.missing == [0]


def test_all_of_a_value_belongs_to_a_single_stimulus(tmp_path: Path) -> None:
    stimuli = start_stimuli(tmp_path / "out", _names(2), batch_size=1, run=RUN)
    stimuli.put(0, {"a": torch.rand(5, 2), "b": torch.tensor(1.0)})
    stimuli.put(1, {"a": torch.rand(1, 5, 2), "b": torch.tensor([2.0])})
    assert stimuli["a"].shape == (2, 5, 2)
    assert stimuli["b"].tolist() == [1, 2]


def test_rows_of_different_shapes_are_told_and_can_be_taken_one_by_one(tmp_path: Path) -> None:
    stimuli = start_stimuli(tmp_path / "out", _names(2), batch_size=1, run=RUN)
    stimuli.put(0, {"a": torch.rand(1, 5)})
    stimuli.put(1, {"a": torch.rand(1, 6)})
    with pytest.raises(StimuliError, match="different shapes"):
        stimuli["a"]
    assert [tuple(rows.shape) for rows in stimuli.batches("a")] == [(1, 5), (1, 6)]


def test_views_and_shared_memory_are_written_as_their_own_values(tmp_path: Path) -> None:
    stimuli = start_stimuli(tmp_path / "out", _names(2), batch_size=2, run=RUN)
    base = torch.arange(1000.0).reshape(10, 100)
    stimuli.put(0, {"a": base.t()[:2], "b": base[:2], "c": base[:2]})
    assert torch.equal(stimuli["a"], base.t()[:2])
    assert (tmp_path / "out/batches/000000.safetensors").stat().st_size < 4_000


@pytest.mark.parametrize(
    ("names", "batch_size", "run", "message"),
    [
        (_names(10), 5, RUN, "batch_size was 4, now it is 5"),
        (_names(10), 4, RUN | {"model": "other"}, "model was 'net', now it is 'other'"),
        (_names(10), 4, RUN | {"seed": 1}, "seed was None, now it is 1"),
        (["x.png", *_names(10)], 4, RUN, "holds other stimuli"),
        (_names(6), 4, RUN, "holds"),
        (["x.png", "x.png"], 4, RUN, "same name"),
    ],
)
def test_another_run_never_goes_on_in_the_same_folder(
    names: list[str], batch_size: int, run: dict[str, str], message: str, tmp_path: Path
) -> None:
    _filled(tmp_path / "out", 10, 4)
    with pytest.raises(StimuliError, match=message):
        start_stimuli(tmp_path / "out", names, batch_size=batch_size, run=run)
    assert load_stimuli(tmp_path / "out")["b"].shape == (10,)


def test_stimuli_can_be_added_where_no_finished_batch_changes(tmp_path: Path) -> None:
    _filled(tmp_path / "out", 8, 4)
    stimuli = start_stimuli(tmp_path / "out", _names(11), batch_size=4, run=RUN)
    assert stimuli.missing == [2]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    with pytest.raises(StimuliError, match="holds something else"):
        start_stimuli(tmp_path, _names(3), batch_size=1, run=RUN)
    with pytest.raises(StimuliError, match="holds something else"):
        start_stimuli(tmp_path / "thesis.txt", _names(3), batch_size=1, run=RUN)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("damage", ["truncated", "header", "empty"])
def test_a_damaged_batch_is_an_error_and_never_a_number(damage: str, tmp_path: Path) -> None:
    _filled(tmp_path / "out", 8, 4)
    file = tmp_path / "out/batches/000001.safetensors"
    data = bytearray(file.read_bytes())
    if damage == "header":
        data[3] ^= 0xFF
    file.write_bytes({"truncated": data[:-5], "header": data, "empty": b""}[damage])
    with pytest.raises(StimuliError, match=r"000001\.safetensors is missing or damaged"):
        load_stimuli(tmp_path / "out")["a"]
    with pytest.raises(StimuliError, match="Delete it"):
        start_stimuli(tmp_path / "out", _names(8), batch_size=4, run=RUN)


def test_one_flipped_bit_of_a_value_is_an_error_and_never_a_number(tmp_path: Path) -> None:
    _filled(tmp_path / "out", 8, 4)
    file = tmp_path / "out/batches/000001.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(StimuliError, match="do not have their checksum"):
        load_stimuli(tmp_path / "out")["b"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.bool, torch.int64, torch.float64, torch.uint8])
def test_values_come_back_in_their_type(dtype: torch.dtype, tmp_path: Path) -> None:
    stimuli = start_stimuli(tmp_path / "out", _names(3), batch_size=3, run=RUN)
    values = torch.tensor([[1], [0], [1]]).to(dtype)
    stimuli.put(0, {"a": values, "empty": values[:, :0]})
    assert torch.equal(stimuli["a"], values)
    assert stimuli["a"].dtype == dtype
    assert stimuli["empty"].shape == (3, 0)


def test_values_that_no_file_can_hold_are_refused(tmp_path: Path) -> None:
    stimuli = start_stimuli(tmp_path / "out", _names(2), batch_size=2, run=RUN)
    with pytest.raises(StimuliError):
        stimuli.put(0, {"a": torch.eye(2).to_sparse()})
    assert stimuli.missing == [0]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"names": [], "batch_size": 0, "run": {}}', "[" * 100_000])
def test_what_is_no_record_of_stimuli_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "stimuli.json").write_text(content)
    with pytest.raises(StimuliError):
        load_stimuli(tmp_path)
    with pytest.raises(StimuliError, match=r"holds no stimuli\.json"):
        load_stimuli(tmp_path / "none")


def test_a_record_of_another_version_is_an_error(tmp_path: Path) -> None:
    _filled(tmp_path / "out", 2, 2)
    about = tmp_path / "out/stimuli.json"
    about.write_bytes(msgspec.json.encode(msgspec.json.decode(about.read_bytes()) | {"version": 2}))
    with pytest.raises(StimuliError, match="of version 2, expected 'lens-stimuli' of 1"):
        load_stimuli(tmp_path / "out")


def test_a_layer_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StimuliError, match="no layer 'c'; it has a, b"):
        _filled(tmp_path / "out", 2, 2)["c"]


def test_two_processes_do_not_write_to_one_folder(tmp_path: Path) -> None:
    stimuli = start_stimuli(tmp_path / "out", _names(2), batch_size=1, run=RUN)
    code = (
        "import lens_torch as tl\n"
        f"try: tl.start_stimuli({str(tmp_path / 'out')!r}, {_names(2)}, batch_size=1, run={RUN})\n"
        "except tl.StimuliError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "Another process is writing" in result.stdout
    assert stimuli.missing == [0, 1]
