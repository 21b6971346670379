"""`lens extract`: one row a stimulus, whatever is killed, added, broken or repeated."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

import lens_torch as tl
from lens_cli._main import app
from lens_cli._request import Request, prepare_model

HERE = "tests.lens_cli.sample_models"
SMALL = ("extract", f"{HERE}:Small", "--seed", "0")


def _lens(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def _done(*words: str) -> Result:
    result = _lens(*words)
    assert result.exit_code == 0, result.output
    return result


def _error(*words: str) -> str:
    result = _lens(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    return result.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "stimuli"
    path.mkdir()
    for number in range(10):
        np.save(path / f"{number:03d}.npy", np.full(4, number, dtype=np.float32))
    return path


def _expected(layer: str = "first") -> torch.Tensor:
    model = prepare_model(Request(f"{HERE}:Small", seed=0))
    values = model.first(torch.arange(10.0)[:, None].repeat(1, 4))  # type: ignore[operator]
    return (values if layer == "first" else values.relu()).detach()


def test_each_stimulus_has_its_row_in_order(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "acts"
    result = _done(*SMALL, "--inputs", str(folder), "--layers", "first,relu_1", "--batch-size", "4", "--out", str(out))
    assert result.stdout == f"wrote {out}\n"
    assert "10 stimuli in" in result.stderr
    stimuli = tl.load_stimuli(out)
    assert stimuli.names == [f"{number:03d}.npy" for number in range(10)]
    assert stimuli.layers == ["first", "relu_1"]
    torch.testing.assert_close(stimuli["first"], _expected())
    torch.testing.assert_close(stimuli["relu_1"], _expected("relu"))


def test_499_stimuli_are_499_rows(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(499):
        np.save(tmp_path / f"in/{number}.npy", np.full(4, number, dtype=np.float32))
    words = ("--inputs", f"{tmp_path}/in", "-l", "first", "--batch-size", "64", "-o", f"{tmp_path}/out", "--quiet")
    result = _done(*SMALL, *words)
    assert (result.stdout, result.stderr) == (f"{tmp_path}/out\n", "")
    stimuli = tl.load_stimuli(tmp_path / "out")
    assert len(stimuli) == len(stimuli["first"]) == 499
    assert stimuli.names == sorted(f"{number}.npy" for number in range(499))


def test_a_killed_run_goes_on_without_doing_anything_twice(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "acts"
    words = ["extract", f"{HERE}:Slow", "--seed", "0", "--inputs", str(folder), "-l", "first", "--batch-size", "1"]
    words += ["-o", str(out)]
    process = subprocess.Popen([sys.executable, "-m", "lens_cli", *words], stderr=subprocess.DEVNULL)
    for _ in range(1200):
        if len(list(out.glob("batches/*.safetensors"))) >= 3:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    finished = {file: file.stat().st_mtime_ns for file in out.glob("batches/*.safetensors")}
    assert 3 <= len(finished) < 10
    assert f"going on after {len(finished)} of 10 stimuli" in _done(*words).stderr
    assert all(file.stat().st_mtime_ns == written for file, written in finished.items())
    assert tl.load_stimuli(out)["first"].shape == (10, 3)
    assert "all 10 stimuli are there already" in _done(*words).stderr


def test_ctrl_c_keeps_what_is_finished(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, put = tmp_path / "acts", tl.Stimuli.put

    def interrupted(self: tl.Stimuli, batch: int, values: dict[str, torch.Tensor]) -> None:
        if batch == 2:
            raise KeyboardInterrupt
        put(self, batch, values)

    words = (*SMALL, "--inputs", str(folder), "-l", "first", "--batch-size", "3", "-o", str(out))
    monkeypatch.setattr(tl.Stimuli, "put", interrupted)
    result = _lens(*words)
    assert (result.exit_code, result.stderr) == (130, "lens: interrupted\n")
    monkeypatch.undo()
    assert "going on after 6 of 10" in _done(*words).stderr
    torch.testing.assert_close(tl.load_stimuli(out)["first"], _expected())


def test_a_run_goes_on_with_the_random_weights_it_began_with(folder: Path, tmp_path: Path) -> None:
    words = ("extract", f"{HERE}:Small", "--inputs", str(folder), "-l", "first", "--batch-size", "5")
    out = tmp_path / "acts"
    _done(*words, "-o", str(out))
    rows = tl.load_stimuli(out)["first"]
    (out / "batches" / "000001.safetensors").unlink()
    assert "going on after 5 of 10" in _done(*words, "-o", str(out)).stderr
    torch.testing.assert_close(tl.load_stimuli(out)["first"], rows)
    _done(*words, "-o", f"{tmp_path}/others")
    assert not torch.equal(tl.load_stimuli(tmp_path / "others")["first"], rows), "another run makes other weights"


def test_another_model_never_goes_on_in_the_same_folder(folder: Path, tmp_path: Path) -> None:
    words = ("--inputs", str(folder), "-l", "first", "-o", f"{tmp_path}/acts")
    _done(*SMALL, *words)
    assert "are not those of the run" in _error("extract", f"{HERE}:Small", *words)
    assert "holds another run" in _error(*SMALL, *words, "--batch-size", "2")
    assert "holds another run" in _error(*SMALL, "--inputs", str(folder), "-l", "relu_1", "-o", f"{tmp_path}/acts")
    torch.testing.assert_close(tl.load_stimuli(tmp_path / "acts")["first"], _expected())


def test_a_folder_of_something_else_is_left_alone(folder: Path) -> None:
    assert "holds something else" in _error(*SMALL, "--inputs", str(folder), "-l", "first", "-o", str(folder))
    assert len(list(folder.iterdir())) == 10


def test_layers_are_chosen_by_any_word_and_named_by_the_user(folder: Path, tmp_path: Path) -> None:
    def layers(name: str, *words: str) -> list[str]:
        options = [part for word in words for part in ("-l", word)]
        _done(*SMALL, "--inputs", str(folder), *options, "-o", f"{tmp_path}/{name}")
        return sorted(tl.load_stimuli(tmp_path / name).layers)

    assert layers("glob", "relu_*") == ["relu_1_3"]
    assert layers("pattern", "re:^(relu|linear)_1") == ["linear_1_2", "relu_1_3"]
    assert layers("type", "type:linear") == ["linear_1_2"]
    assert layers("number", "1", "-1") == ["linear_1_2", "output_1_4"]
    assert layers("names", "a=first,b=relu_1") == ["a", "b"]
    assert layers("some", "first,b=relu_1") == ["b", "first"]
    assert layers("mixed", "relu_*,type:linear,out=-1") == ["linear_1_2", "out", "relu_1_3"]
    assert layers("all", "all") == ["input_1_1", "linear_1_2", "output_1_4", "relu_1_3"]


def test_the_stored_form_is_the_one_asked_for(folder: Path, tmp_path: Path) -> None:
    words = ("--store-dtype", "float16", "--transform", f"{HERE}:doubled")
    _done(*SMALL, "--inputs", str(folder), "-l", "first", *words, "-o", f"{tmp_path}/acts")
    rows = tl.load_stimuli(tmp_path / "acts")["first"]
    assert rows.dtype == torch.float16
    torch.testing.assert_close(rows.float(), _expected() * 2, rtol=1e-2, atol=1e-2)


def test_images_are_prepared_and_other_files_left_out(tmp_path: Path) -> None:
    (tmp_path / "in/cats").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (20 + number, 30), (255, 0, 0)).save(tmp_path / f"in/cats/{number}.png")
    (tmp_path / "in/notes.txt").write_text("cats")
    (tmp_path / "in/.hidden.png").write_text("no picture")
    words = ("extract", f"{HERE}:Picture", "--inputs", f"{tmp_path}/in", "-l", "conv", "--seed", "0")
    result = _done(*words, "--image-size", "8", "-o", f"{tmp_path}/acts")
    assert "1 files with other endings are left out" in result.stderr
    stimuli = tl.load_stimuli(tmp_path / "acts")
    assert stimuli.names == ["cats/0.png", "cats/1.png", "cats/2.png"]
    assert stimuli["conv"].shape == (3, 2, 6, 6)
    assert "'cats/1.png' is (3, 30, 21)" in _error(*words, "-o", f"{tmp_path}/other", "--quiet")
    _done(*words, "--batch-size", "1", "-o", f"{tmp_path}/single")
    assert [rows.shape[3] for rows in tl.load_stimuli(tmp_path / "single").batches("conv")] == [18, 19, 20]


def test_tensors_by_name_are_keyword_arguments_beside_those_of_input(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        torch.save({"x": torch.full((4,), float(number)), "scale": torch.ones(4)}, tmp_path / f"in/{number}.pt")
    words = ("--inputs", f"{tmp_path}/in", "--input", "negate=True", "-l", "output_1", "-o", f"{tmp_path}/acts")
    _done("extract", f"{HERE}:Named", *words)
    assert tl.load_stimuli(tmp_path / "acts")["output_1"][:, 0].tolist() == [0, -1, -2]


def test_a_layer_without_a_row_for_each_stimulus_is_refused(folder: Path, tmp_path: Path) -> None:
    words = ("extract", f"{HERE}:Mixing", "--inputs", str(folder), "-l", "sin_1", "-o")
    assert "its rows cannot be told apart; run one stimulus at a time" in _error(*words, f"{tmp_path}/acts")
    _done(*words, f"{tmp_path}/single", "--batch-size", "1")
    assert tl.load_stimuli(tmp_path / "single")["sin_1"].shape == (10, 4)


def test_another_path_through_the_model_is_told_unless_it_is_meant(folder: Path, tmp_path: Path) -> None:
    words = ("extract", f"{HERE}:Forked", "--inputs", str(folder), "-l", "add_1", "--batch-size", "1", "-o")
    assert "another path" in _error(*words, f"{tmp_path}/acts")


@pytest.mark.parametrize("content", [b"", b"no array", b"\x80\x04evil"])
def test_a_stimulus_that_cannot_be_read_is_named_and_the_finished_stay(
    content: bytes, folder: Path, tmp_path: Path
) -> None:
    (folder / "007.npy").write_bytes(content)
    words = (*SMALL, "--inputs", str(folder), "-l", "first", "--batch-size", "2", "-o", f"{tmp_path}/acts")
    assert "007.npy" in _error(*words)
    assert tl.load_stimuli(tmp_path / "acts").missing == [3, 4]
    np.save(folder / "007.npy", np.full(4, 7, dtype=np.float32))
    _done(*words)
    torch.testing.assert_close(tl.load_stimuli(tmp_path / "acts")["first"], _expected())


def test_a_place_that_cannot_be_written_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Error" in _error(*SMALL, "--inputs", str(folder), "-l", "first", "-o", f"{tmp_path}/file/acts")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--inputs", "nowhere"], "is no folder"),
        (["--inputs", "."], "holds no file that can be read"),
        (["--inputs", "STIMULI", "-l", "re:("], "unterminated"),
        (["--inputs", "STIMULI", "-l", "conv2d_1"], "conv2d_1"),
        (["--inputs", "STIMULI", "--meta"], "--meta has no values"),
        (["--inputs", "STIMULI", "--store-dtype", "float17"], "float17"),
        (["--inputs", "STIMULI", "--transform", f"{HERE}:number"], "expected a function"),
    ],
)
def test_what_cannot_be_extracted_is_one_clear_line(
    words: list[str], message: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    words = [str(folder) if word == "STIMULI" else word for word in words]
    words += [] if "-l" in words else ["-l", "first"]
    assert message in _error(*SMALL, *words, "-o", f"{tmp_path}/acts")
    assert "conv2d_1" in words or not (tmp_path / "acts").exists(), "nothing is written for words that mean nothing"


def test_one_input_becomes_a_stored_history(tmp_path: Path) -> None:
    out = tmp_path / "acts"
    words = ("-i", "2,4", "-l", "hidden=first,rectified=relu_1", "--store-dtype", "float16", "-o", str(out))
    assert _done(*SMALL, *words).stdout == f"wrote {out}\n"
    history = tl.load(out)
    assert history.saved_layers == ["linear_1_2", "relu_1_3"]
    hidden = history["hidden"].tensor_contents
    assert (hidden.shape, hidden.dtype) == ((2, 3), torch.float16)
    assert torch.equal(history["rectified"].tensor_contents, hidden.relu())
    assert "acts" in _error(*SMALL, *words), "what is there is not written over"
    assert tl.load(out, check="now").saved_layers == ["linear_1_2", "relu_1_3"]


def test_a_stored_history_stands_for_the_model_and_runs_nothing(tmp_path: Path) -> None:
    out = str(tmp_path / "acts")
    _done(*SMALL, "-i", "2,4", "-l", "first", "-o", out)
    assert "linear_1_2" in _done("summary", out).stdout
    assert _done("summary", out).stderr == ""
    assert "linear_1_2" in _done("table", out, "--where", "num_saved > 0").stdout
    _done("draw", out, "-o", f"{tmp_path}/small.svg")
    assert _done("diff", out, f"{HERE}:Small", "-i", "2,4").stdout.endswith("The same.\n")
    assert "takes no inputs" in _error("summary", out, "-i", "2,4")
    assert "LoadError" in _error("summary", str(tmp_path))


def test_the_bar_tells_stimuli_a_second_and_the_time_left() -> None:
    from rich.console import Console
    from rich.progress import Progress

    from lens_cli._progress import _Speed

    bar = Progress(_Speed(), console=Console(file=io.StringIO(), force_terminal=True))
    task = bar.add_task("", total=10)
    for _ in range(3):
        time.sleep(0.01)
        bar.update(task, advance=2)
    assert "stimuli/s" in str(_Speed().render(bar.tasks[0]))
