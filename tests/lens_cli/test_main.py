"""The commands as a user types them: what is printed, what is written, and how they end."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import msgspec
import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner, Result

from lens_cli._main import app
from tests.lens_cli.sample_models import Small, Wide

HERE = "tests.lens_cli.sample_models"
SMALL = (f"{HERE}:Small", "--input", "2,4")
COMMANDS = ("summary", "draw", "table", "validate", "diff")


def _lens(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def _answer(*words: str) -> str:
    result = _lens(*words)
    assert result.exit_code == 0, result.output
    assert result.stderr == "", result.stderr
    return result.stdout


def _error(*words: str) -> str:
    result = _lens(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("lens: ")
    return result.stderr


def _keep_nothing(operation: object) -> bool:
    return False


# summary


def test_summary_of_a_failing_model_shows_what_ran_and_where_it_failed() -> None:
    result = _lens("summary", f"{HERE}:Failing", "-i", "2,4")
    assert result.exit_code == 2
    assert "linear_1_2" in result.stdout and "relu_1_3" in result.stdout
    (line,) = result.stderr.splitlines()
    assert "linear(float32[2, 3], float32[7, 5]" in line
    assert "module last (Linear), at tests/lens_cli/sample_models.py:" in line
    assert "lens_recording" not in line
    assert "last (Linear) never called" in _lens("summary", f"{HERE}:Failing", "-i", "2,4", "--tree").stdout
    assert _error("summary", f"{HERE}:Failing", "-i", "2,4", "--json")


def test_debug_shows_the_error_of_a_failing_model_once() -> None:
    with pytest.raises(RuntimeError) as caught:
        CliRunner().invoke(app, ["summary", f"{HERE}:Failing", "-i", "2,4", "--debug"], catch_exceptions=False)
    assert caught.value.__context__ is None


def test_summary_lists_the_layers_and_the_totals() -> None:
    answer = _answer("summary", *SMALL)
    for text in ("Small", "input_1_1", "linear_1_2", "relu_1_3", "2x3", "15 parameters", "48 FLOPs by torch's counter"):
        assert text in answer


def test_summary_shows_the_layers_asked_for() -> None:
    answer = _answer("summary", *SMALL, "--layer", "first")
    assert "linear_1_2" in answer
    assert "relu_1_3" not in answer


def test_summary_shows_the_columns_asked_for() -> None:
    header, first, *_ = _answer("summary", *SMALL, "--columns", "type,dtype", "--columns", "passes").splitlines()[1:]
    assert header.split() == ["type", "dtype", "passes"]
    assert first.split() == ["input", "float32", "1"]


def test_every_column_can_be_shown() -> None:
    from lens_cli._summary import LAYER_COLUMNS, MODULE_COLUMNS

    model = (f"{HERE}:Loop", "--input", "2,4")
    assert "tanh_1_3 (x3)" in _answer("summary", *model, "--columns", ",".join(LAYER_COLUMNS))
    assert "step (Linear) x3" in _answer("summary", *model, "--tree", "--columns", ",".join(MODULE_COLUMNS))


def test_the_tree_is_cut_at_the_depth_asked_for() -> None:
    model = (f"{HERE}:Deep", "--input", "2,4")
    whole = _answer("summary", *model, "--tree")
    assert "└─ block (Sequential)" in whole
    assert "      └─ 0 (ReLU)" in whole
    cut = _answer("summary", *model, "--depth", "1")
    assert "block (Sequential)" in cut
    assert "ReLU" not in cut
    assert "3 deeper modules are not shown" in cut
    assert _answer("summary", *model, "--depth", "all") == whole


def test_json_says_the_same_as_data() -> None:
    data = json.loads(_answer("summary", f"{HERE}:Loop", "--input", "2,4", "--json"))
    assert data["format"] == "lens-structure"
    assert data["versions"]["torch"] == torch.__version__
    layers = {layer["label"]: layer for layer in data["layers"]}
    assert list(layers) == ["input_1_1", "linear_1_2", "tanh_1_3", "linear_2_4", "add_1_5", "output_1_6"]
    assert layers["linear_1_2"]["passes"] == 3
    assert layers["linear_1_2"]["parents"] == ["input_1_1", "tanh_1_3"]
    assert layers["linear_1_2"]["parameters"] == ["step.weight", "step.bias"]
    assert layers["linear_1_2"]["flops"] == 3 * 2 * 2 * 4 * 4
    assert data["totals"]["flops"] == sum(layer["flops"] for layer in layers.values())
    assert [module["address"] for module in data["modules"]] == ["", "step", "again"]
    assert data["modules"][1]["output_shapes"] == [[2, 4]]
    assert data["modules"][0]["flops"] == data["totals"]["flops"]
    assert data["totals"]["parameters"] == 24


def test_json_is_all_that_goes_to_stdout_whatever_the_model_prints() -> None:
    result = _lens("summary", f"{HERE}:Mode", "--input", "2", "--json")
    assert json.loads(result.stdout)["model"] == "Mode"
    assert "running" in result.stderr


def test_what_code_for_inputs_and_captions_prints_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chatty.py").write_text(
        "import torch\nprint('imported')\ndef inputs():\n    print('called')\n    return torch.ones(2, 4)\n"
        "def caption(entry):\n    print('asked')\n    return 'mine'\n"
    )
    result = _lens("summary", f"{HERE}:Small", "--input-from", "chatty.py:inputs", "--json")
    assert msgspec.json.decode(result.stdout)
    assert result.stderr.splitlines() == ["imported", "called"]
    result = _lens("draw", *SMALL, "--caption", "chatty.py:caption", "-o", "x.gv", "-q")
    assert result.stdout == "x.gv\n"


def test_a_model_that_torchs_counter_cannot_follow_is_shown_without_flops(monkeypatch: pytest.MonkeyPatch) -> None:
    import lens_torch

    def refuse(*_: Any, **__: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(lens_torch, "count_flops", refuse)
    result = _lens("summary", *SMALL)
    assert result.exit_code == 0
    assert "flops" not in result.stdout
    assert "does not follow this model" in result.stderr
    assert _lens("summary", *SMALL, "--quiet").stderr == ""


# the model and its inputs, by any command


def test_arguments_of_the_factory_reach_it() -> None:
    assert "2x7" in _answer("summary", f"{HERE}:Small?width=7", "--input", "2,4")
    assert "2x8" in _answer("summary", f"{HERE}:Wide", "--model-arg", "width=8", "--input", "2,4")


def test_integer_inputs_suit_an_embedding() -> None:
    assert "2x7x5" in _answer("summary", f"{HERE}:Words", "--input", "int64:2,7")


def test_keyword_arguments_reach_the_model() -> None:
    words = ("--input", "2,4", "--input", "scale=4", "--input", "negate=True")
    assert "neg_1_3" in _answer("summary", f"{HERE}:Named", *words)


def test_inputs_can_come_from_a_function() -> None:
    assert "neg_1_3" in _answer("summary", f"{HERE}:Named", "--input-from", f"{HERE}:keyword_inputs")


def test_an_image_is_prepared_as_asked(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (9, 7)).save(tmp_path / "cat.jpg")
    words = ("summary", f"{HERE}:Picture", "--input", f"{tmp_path}/cat.jpg")
    assert "1x3x7x9" in _answer(*words)
    assert "1x3x8x8" in _answer(*words, "--image-size", "8", "--normalize", "imagenet")
    assert "1x3x6x8" in _answer(*words, "--image-size", "6,8")
    assert "1x3x4x4" in _answer(*words, "--preprocess", f"{HERE}:halved")


def test_evaluation_mode_unless_told() -> None:
    for words, layer in (((), "cos"), (("--eval",), "cos"), (("--train",), "sin")):
        assert f"{layer}_1_2" in _lens("summary", f"{HERE}:Mode", "--input", "2", *words).stdout


def test_the_floating_type_is_that_of_model_and_inputs() -> None:
    data = json.loads(_answer("summary", *SMALL, "--dtype", "bfloat16", "--device", "cpu", "--json"))
    assert {layer["dtype"] for layer in data["layers"]} == {"bfloat16"}
    assert {parameter["dtype"] for parameter in data["parameters"]} == {"bfloat16"}


def test_meta_shows_a_model_larger_than_any_memory() -> None:
    answer = _answer("summary", f"{HERE}:Wide?width=1_000_000_000_000", "--input", "2,4", "--meta")
    assert "2x1000000000000" in answer


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    safetensors.torch.save_file(Small().state_dict(), tmp_path / "small.safetensors")
    torch.save({"state_dict": Small().state_dict(), "epoch": 3}, tmp_path / "small.pt")
    for name in ("small.safetensors", "small.pt"):
        assert "linear_1_2" in _answer("summary", *SMALL, "--weights", str(tmp_path / name))
    torch.save(Wide(5).state_dict(), tmp_path / "wide.pt")
    assert "first.weight is (5, 4), in the model (3, 4)" in _error(
        "summary", *SMALL, "--weights", f"{tmp_path}/wide.pt"
    )


def test_the_seed_governs_weights() -> None:
    from lens_cli._request import Request, prepare

    one, same, other = (prepare(Request(f"{HERE}:Small", inputs=("2,4",), seed=seed)) for seed in (1, 1, 2))
    weights = [subject.model.state_dict()["first.weight"] for subject in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(one.args[0], same.args[0])


# draw


def test_draw_prints_the_summary_and_writes_the_drawing(tmp_path: Path) -> None:
    out = tmp_path / "new" / "small.svg"
    answer = _answer("draw", *SMALL, "--out", str(out))
    for text in ("Small", "input_1_1", "linear_1_2", "relu_1_3", "2x3", "15", "parameters"):
        assert text in answer
    assert answer.endswith(f"wrote {out}\n")
    assert "linear_1_2" in out.read_text()


def test_quiet_draw_prints_the_path_alone(tmp_path: Path) -> None:
    out = tmp_path / "small.gv"
    assert _answer("draw", *SMALL, "--out", str(out), "--quiet") == f"{out}\n"


def test_draw_hands_its_options_on(tmp_path: Path) -> None:
    out = tmp_path / "deep.gv"
    words = ["--mode", "rolled", "--depth", "all", "--direction", "LR", "--buffers", "--seed", "3", "--legend"]
    words += ["--theme", "dark", "--color-by", "tensor_fsize", "--caption", f"{HERE}:shout", "--link", f"{HERE}:page"]
    words += ["--collapse", "block", "--fold-repeats", "--timeout", "5"]
    _answer("draw", f"{HERE}:Deep", "--input", "2,4", "--out", str(out), *words)
    source = out.read_text()
    for text in ("LR", "CAPTION linear", "https://example.org/layer", "collapsed module"):
        assert text in source


def test_draw_can_show_one_module_alone(tmp_path: Path) -> None:
    out = tmp_path / "block.gv"
    _answer("draw", f"{HERE}:Deep", "--input", "2,4", "--out", str(out), "--module", "block")
    assert "block.0" in out.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--depth", "deep"], "depth"),
        (["--module", "blok"], "blok"),
        (["--collapse", "blok"], "blok"),
        (["--color-by", "colour"], "func_time_elapsed"),
        (["--caption", f"{HERE}:number"], "expected a function"),
        (["--timeout", "0"], "timeout_s"),
    ],
)
def test_a_drawing_option_that_means_nothing_is_an_error(words: list[str], message: str, tmp_path: Path) -> None:
    result = _lens("draw", f"{HERE}:Deep", "--input", "2,4", "--out", f"{tmp_path}/x.gv", *words, "--quiet")
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_unknown_ending_is_refused_before_the_model_runs(tmp_path: Path) -> None:
    assert ".svg" in _error("draw", f"{HERE}:broken", "--input", "2,4", "--out", str(tmp_path / "small.txt"))
    assert list(tmp_path.iterdir()) == []


def test_a_drawing_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written" in _error("draw", *SMALL, "--out", f"{tmp_path}/file/small.gv", "--quiet")


# table


def test_a_table_is_filtered_sorted_and_cut() -> None:
    words = (
        "--where",
        "kind = 'call'",
        "--sort",
        "-layer_label",
        "--columns",
        "layer_label,tensor_shape",
        "--limit",
        "1",
    )
    assert _answer("table", *SMALL, *words).split() == ["layer_label", "tensor_shape", "relu_1_3", "2x3"]


@pytest.mark.parametrize(
    "name", ["operations", "layers", "modules", "module_calls", "edges", "parameters", "buffers", "reads"]
)
def test_every_table_can_be_written_in_every_format(name: str, tmp_path: Path) -> None:
    import polars as pl

    model = (f"{HERE}:Loop", name, "--input", "2,4")
    _answer("table", *model)
    for ending in ("txt", "csv", "json", "parquet"):
        answer = _answer("table", *model, "--out", f"{tmp_path}/new/t.{ending}")
        assert answer == f"wrote {tmp_path}/new/t.{ending}\n"
    rows = json.loads((tmp_path / "new/t.json").read_text())
    frame = pl.read_parquet(tmp_path / "new/t.parquet")
    with (tmp_path / "new/t.csv").open() as file:
        lines = list(csv.reader(file))
    assert len(rows) == frame.height == len(lines) - 1 == len((tmp_path / "new/t.txt").read_text().splitlines()) - 1
    assert all(list(row) == frame.columns == lines[0] for row in rows)


def test_times_are_seconds_in_conditions_and_in_what_is_written() -> None:
    words = ("--where", "func_time_elapsed < 60 AND func_time_elapsed > 0", "--format", "json")
    rows = json.loads(_answer("table", *SMALL, *words))
    assert {row["layer_label"] for row in rows} == {"linear_1_2", "relu_1_3"}
    assert all(0 < row["func_time_elapsed"] < 60 for row in rows)


def test_the_columns_of_a_table_are_explained() -> None:
    assert "Bytes of its tensors" in _answer("table", *SMALL, "--describe")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--where", "colour = 3"], "'colour = 3': unable to find column \"colour\". The columns are layer_label"),
        (["--where", "("], "--where '('"),
        (["--sort", "tensor_size"], "did you mean tensor_fsize"),
        (["--columns", "layer_labels"], "did you mean layer_label?"),
        (["--out", "table.xlsx"], "give one of .txt, .csv"),
        (["--format", "parquet"], "give the file"),
    ],
)
def test_a_table_that_cannot_be_made_is_an_error(words: list[str], message: str) -> None:
    assert message in _error("table", *SMALL, *words)


# validate


def test_a_proven_model_is_status_0() -> None:
    answer = _answer("validate", *SMALL)
    assert "Small: valid" in answer
    assert "plain forward: passed" in answer
    assert _answer("validate", *SMALL, "--quiet") == ""


def test_a_model_that_is_not_proven_is_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    from lens_torch import _proving

    record = _proving.trace
    # With nothing kept there is nothing to compare with.
    monkeypatch.setattr(_proving, "trace", lambda *a, **k: record(*a, **(k | {"keep": _keep_nothing})))
    result = _lens("validate", *SMALL)
    assert result.exit_code == 1
    for text in ("NOT VALID", "linear_1_2:1", "unverified"):
        assert text in result.stdout
    quiet = _lens("validate", *SMALL, "--quiet")
    assert (quiet.exit_code, quiet.stdout) == (1, "")


def test_every_verdict_can_be_shown_and_read_as_data() -> None:
    assert "linear_1_2:1" in _answer("validate", *SMALL, "--all")
    data = json.loads(_answer("validate", *SMALL, "--json"))
    assert data["is_valid"] is True
    assert {entry["label"]: entry["verdict"] for entry in data["operations"]}["relu_1_3:1"] == "passed"


def test_nothing_can_be_proven_without_values() -> None:
    assert "--meta has no values" in _error("validate", *SMALL, "--meta")


# diff


def test_the_same_model_twice_is_status_0() -> None:
    assert "The same." in _answer("diff", f"{HERE}:Small", f"{HERE}:Small", "--input", "2,4")


def test_what_changed_is_told_with_status_1() -> None:
    result = _lens("diff", f"{HERE}:Small", f"{HERE}:Deep", "--input", "2,4")
    assert result.exit_code == 1
    for text in ("+  linear_2_4", "in block.0", "block.0.weight", "2 operations added", "Sequential"):
        assert text in result.stdout
    assert "in first" not in result.stdout


def test_shapes_that_changed_are_told_and_can_be_ignored() -> None:
    words = ("diff", f"{HERE}:Small", f"{HERE}:Small?width=5", "--input", "2,4")
    result = _lens(*words)
    assert "2x3 -> 2x5" in result.stdout
    assert "3x4 float32 -> 5x4 float32" in result.stdout
    assert _lens(*words, "--ignore", "shapes").exit_code == 1
    assert _lens(*words, "--ignore", "shapes,parameters").exit_code == 0


def test_saved_structures_are_compared_without_a_model(tmp_path: Path) -> None:
    for name in ("Small", "Deep"):
        (tmp_path / f"{name}.json").write_text(_answer("summary", f"{HERE}:{name}", "--input", "2,4", "--json"))
    assert _lens("diff", f"{tmp_path}/Small.json", f"{tmp_path}/Small.json").exit_code == 0
    result = _lens("diff", f"{tmp_path}/Small.json", f"{tmp_path}/Deep.json", "--json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert data["is_same"] is False
    assert [change["kind"] for change in data["changes"] if change["aspect"] == "operations"] == ["added", "added"]
    assert _lens("diff", f"{HERE}:Small", f"{tmp_path}/Small.json", "--input", "2,4", "--quiet").stdout == ""


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 3}', "[" * 100_000])
def test_what_is_no_structure_is_an_error(content: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    assert "is no structure" in _error("diff", str(path), str(path))


def test_a_structure_of_another_version_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    data = json.loads(_answer("summary", *SMALL, "--json"))
    path.write_text(json.dumps(data | {"version": 99}))
    assert "of version 99, expected 'lens-structure' of version 1" in _error("diff", str(path), str(path))
    assert "cannot be read" in _error("diff", f"{tmp_path}/none.json", str(path))


def test_an_unknown_aspect_is_an_error() -> None:
    assert "no aspect 'colour'" in _error("diff", f"{HERE}:Small", f"{HERE}:Small", "--ignore", "colour")


# errors, interrupts, streams


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no_such_package:alexnet", "--input", "2,4"], "no_such_package"),
        ([f"{HERE}:Smal", "--input", "2,4"], "did you mean Small"),
        ([f"{HERE}:number", "--input", "2,4"], "expected a torch.nn.Module"),
        ([f"{HERE}:Small", "--input", "2,5"], "first"),
        ([f"{HERE}:Small", "--input", "2,5"], "linear"),
        ([f"{HERE}:Small", "--input", "2;5"], "expected sizes"),
        ([f"{HERE}:Small"], "Small takes x: give an --input for each"),
        ([f"{HERE}:Small", "--input", ""], "--input is empty"),
        ([f"{HERE}:Small", "--input", "2,4", "--layer", "conv2d_1"], "conv2d_1"),
        ([f"{HERE}:Small", "--input", "2,4", "--columns", "shap"], "did you mean shape"),
        ([f"{HERE}:Small", "--input", "2,4", "--depth", "x"], "expected a number"),
        ([f"{HERE}:Small", "--input", "2,4", "--tree", "--layer", "first"], "leave --tree"),
        ([f"{HERE}:Small", "--input", "2,4", "--dtype", "float17"], "float17"),
        ([f"{HERE}:Small", "--input", "2,4", "--device", "moon"], "moon"),
        ([f"{HERE}:Small", "--input", "2,4", "--model-arg", "width"], "expected name=value"),
        ([f"{HERE}:Small", "--input", "2,4", "--image-size", "big"], "expected 224"),
        ([f"{HERE}:Small", "--input", "2,4", "--preprocess", f"{HERE}:number"], "expected a function"),
        ([f"{HERE}:Small", "--input", "2,4", "--weights", "none.safetensors"], "There is no file"),
        ([f"{HERE}:Small", "--input", "2,4", "--weights", "none.pt", "--meta"], "leave --weights or --meta out"),
        ([f"{HERE}:broken", "--input", "2,4"], "the weights are elsewhere"),
        ([f"{HERE}:Small", "--input", "1" + 30 * "0"], "no memory for a tensor of that size; --meta"),
        ([f"{HERE}:Small", "--input", "99999999,99999999"], "no memory for a tensor of that size; --meta"),
        ([f"{HERE}:Small", "--input", "2,4", "--columns", "colour"], "no column 'colour'. The columns are"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(words: list[str], message: str) -> None:
    assert message in _error("summary", *words)


def test_a_configuration_without_transformers_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "pip install transformers" in _error("summary", "hf:config.json", "--input", "int64:1,4")


def test_debug_lets_the_traceback_through() -> None:
    result = _lens("summary", f"{HERE}:broken", "--debug")
    assert isinstance(result.exception, RuntimeError)


def test_ctrl_c_is_one_line_and_status_130() -> None:
    result = _lens("summary", f"{HERE}:Interrupted", "--input", "2")
    assert result.exit_code == 130
    assert result.stderr == "lens: interrupted\n"


def test_ctrl_c_in_a_real_terminal_session_leaves_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time, torch\n\nclass Slow(torch.nn.Module):\n    def forward(self, x):\n"
        "        open('started', 'w').close()\n        time.sleep(60)\n        return x\n"
    )
    command = [sys.executable, "-m", "lens_cli", "summary", "slow.py:Slow", "--input", "2"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if (tmp_path / "started").exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "lens: interrupted\n")


def test_a_reader_that_closes_the_pipe_ends_the_command_in_silence(tmp_path: Path) -> None:
    command = f"{sys.executable} -m lens_cli summary {HERE}:Small --input 2,4 --json | head -1"
    result = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=120)
    assert result.stdout == "{\n"
    assert result.stderr == ""


def test_a_warning_is_one_line_and_quiet_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import tests.lens_cli.sample_models as samples

    def warn() -> torch.nn.Module:
        warnings.warn("mind the\nstep", UserWarning, stacklevel=1)
        return samples.Small()

    monkeypatch.setattr(samples, "warn", warn, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert _lens("summary", f"{HERE}:warn", "--input", "2,4").stderr == "lens: warning: mind the step\n"
        assert _lens("summary", f"{HERE}:warn", "--input", "2,4", "--quiet").stderr == ""


def test_no_colours_where_there_is_no_terminal() -> None:
    for words in (("summary", *SMALL), ("validate", *SMALL), ("diff", f"{HERE}:Small", f"{HERE}:Deep", "-i", "2,4")):
        assert "\x1b" not in _lens(*words).output


# help


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_examples_and_the_options_they_share(command: str) -> None:
    answer = _answer(command, "--help")
    assert f"lens {command} " in answer.partition("Examples:")[2]
    for option in ("--input", "--input-from", "--weights", "--seed", "--meta", "--quiet", "--debug"):
        assert option in answer


def test_help_is_quick_because_torch_is_not_imported() -> None:
    code = "import sys; from typer.testing import CliRunner; from lens_cli._main import app\n"
    code += "CliRunner().invoke(app, ['summary', '--help']); print('torch' in sys.modules, 'polars' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "False False"


def test_version_and_exit_statuses_are_told() -> None:
    assert _answer("--version").startswith("lens 0.")
    assert "130" in _answer("--help")


def test_shells_can_complete_commands_and_options() -> None:
    environment = os.environ | {"_LENS_COMPLETE": "complete_bash", "COMP_WORDS": "lens su", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", "import sys; sys.argv[0] = 'lens'; from lens_cli import main; main()"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["summary"]


def test_the_json_of_a_structure_reads_back(tmp_path: Path) -> None:
    from lens_cli._facts import Structure
    from lens_cli._structure_file import read_structure, to_json

    path = tmp_path / "x.json"
    path.write_text(_answer("summary", *SMALL, "--json"))
    structure = read_structure(path)
    assert msgspec.json.decode(to_json(structure).encode(), type=Structure) == structure
