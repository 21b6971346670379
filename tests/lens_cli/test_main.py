"""The command as a user types it: what is printed, what is written, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lens_cli._main import app

HERE = "tests.lens_cli.sample_models"


def _lens(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_draw_prints_the_summary_and_writes_the_drawing(tmp_path: Path) -> None:
    out = tmp_path / "new" / "small.svg"
    result = _lens("draw", f"{HERE}:Small", "--input", "2,4", "--out", str(out))
    assert result.exit_code == 0, result.output
    for text in ("Small", "input_1_1", "linear_1_2", "relu_1_3", "2x3", "15", "parameters", str(out)):
        assert text in result.output
    assert "<svg" in out.read_text()
    assert "linear_1_2" in out.read_text()


def test_draw_hands_its_options_on(tmp_path: Path) -> None:
    out = tmp_path / "small.gv"
    words = ["--mode", "rolled", "--depth", "1", "--direction", "LR", "--buffers", "--seed", "3"]
    result = _lens("draw", f"{HERE}:Small", "--input", "2,4", "--out", str(out), *words)
    assert result.exit_code == 0, result.output
    assert "LR" in out.read_text()


def test_summary_shows_the_layers_asked_for() -> None:
    result = _lens("summary", f"{HERE}:Small", "--input", "2,4", "--layer", "first")
    assert result.exit_code == 0, result.output
    assert "linear_1_2" in result.output
    assert "relu_1_3" not in result.output


def test_integer_inputs_suit_an_embedding() -> None:
    assert "2x7x5" in _lens("summary", f"{HERE}:Words", "--input", "int64:2,7").output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no_such_package:alexnet", "--input", "2,4"], "no_such_package"),
        ([f"{HERE}:Smal", "--input", "2,4"], "did you mean Small"),
        ([f"{HERE}:number", "--input", "2,4"], "expected a torch.nn.Module"),
        ([f"{HERE}:Small", "--input", "2,5"], "first"),
        ([f"{HERE}:Small", "--input", "2;5"], "expected sizes"),
        ([f"{HERE}:Small"], "argument"),
        ([f"{HERE}:Small", "--input", "2,4", "--layer", "conv2d_1"], "conv2d_1"),
        ([f"{HERE}:broken", "--input", "2,4"], "the weights are elsewhere"),
    ],
)
def test_bad_input_is_one_clear_line_and_a_non_zero_exit(words: list[str], message: str) -> None:
    result = _lens("summary", *words)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("lens: ")
    assert message in result.stderr


def test_debug_lets_the_traceback_through() -> None:
    result = _lens("summary", f"{HERE}:broken", "--debug")
    assert isinstance(result.exception, RuntimeError)


def test_an_unknown_ending_is_refused_before_the_model_runs(tmp_path: Path) -> None:
    result = _lens("draw", f"{HERE}:Small", "--input", "2,4", "--out", str(tmp_path / "small.txt"))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert ".svg" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_is_quick_because_torch_is_not_imported() -> None:
    code = "import sys, lens_cli._main; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "False"
