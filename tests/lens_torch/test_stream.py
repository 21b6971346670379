"""`save_to`: memory holds no value, files are whole or not there, and nothing is destroyed unasked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors import safe_open
from torch import nn

import lens_torch as tl

MODEL = """
import resource, sys, torch, lens_torch as tl
from torch import nn

class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(10, 10) for _ in range(8))

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x)).mul_(1.5)
        return x

torch.manual_seed(0)
torch.set_num_threads(1)
model, x = Deep(), torch.randn(1 << 20, 10)  # 40 MiB a value, three values a layer
with torch.no_grad():
    model(x)  # whatever torch takes for itself
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    limit = size + (300 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""


def _child(text: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_activations_beyond_the_memory_allowed_are_streamed_and_right(tmp_path: Path) -> None:
    text = MODEL + (
        "    history = tl.get_model_activations(model, x, save_to=sys.argv[1])\n"
        "    assert history.num_tensors_saved == 26, history\n"
        "    seen, value = [], x\n"
        "    for layer in model.layers:\n"
        "        hooked = []\n"
        "        handle = layer.register_forward_hook(lambda module, args, output: hooked.append(output))\n"
        "        layer(value)\n"
        "        handle.remove()\n"
        "        number = len(seen) // 3 + 1\n"
        "        linear = history[f'linear_{number}'].tensor_contents\n"
        "        assert torch.equal(linear, hooked.pop()), number\n"
        "        tanh = torch.tanh(linear)\n"
        "        assert torch.equal(history[f'tanh_{number}'].tensor_contents, tanh), number\n"
        "        value = tanh.mul_(1.5)\n"
        "        assert torch.equal(history[f'mul_{number}'].tensor_contents, value), number\n"
        "        del linear, tanh\n"
        "        seen += [1, 1, 1]\n"
        "    assert torch.equal(tl.load(sys.argv[1])['output_1'].tensor_contents, value)\n"
        "    print('right')\n"
    )
    run = _child(text, tmp_path / "h")
    assert run.stdout == "right\n", run.stderr


def test_the_same_activations_do_not_fit_in_that_memory() -> None:
    text = MODEL + (
        "    try: tl.get_model_activations(model, x)\n"
        "    except (RuntimeError, MemoryError) as error: print('no room')\n"
    )
    run = _child(text)
    assert run.stdout == "no room\n", run.stderr


def test_no_value_stays_in_memory_while_the_model_runs(tmp_path: Path) -> None:
    alive: list[Any] = []

    class Watched(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            import weakref

            for _ in range(5):
                x = x * 2
                alive.append(weakref.ref(x))
                assert sum(reference() is not None for reference in alive) <= 2
            return x

    history = tl.get_model_activations(Watched(), torch.ones(3), save_to=tmp_path / "h")
    assert [reference() is not None for reference in alive] == [False] * 5
    assert torch.equal(history["mul_1:5"].tensor_contents, torch.full((3,), 32.0))


def test_the_files_are_safetensors_of_the_size_stated(tmp_path: Path) -> None:
    to = tl.Destination(tmp_path / "h", shard_nbytes=100_000)
    model = nn.Sequential(*(nn.Linear(100, 100) for _ in range(10)))
    tl.get_model_activations(model, torch.rand(100, 100), save_to=to)
    files = sorted((tmp_path / "h" / "tensors").iterdir())
    assert len(files) > 4
    names: list[str] = []
    for path in files:
        assert path.stat().st_size <= 100_000 + (1 << 20)
        with safe_open(path, framework="pt") as file:
            names += file.keys()
    assert len(names) == len(set(names)) == 11  # ten layers and the input; the output is the last layer's value


class Breaks(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * 2
        raise RuntimeError("broken model")


def test_a_streamed_folder_has_the_tables_of_a_saved_one(tmp_path: Path) -> None:
    model, x = nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.rand(2, 4)
    streamed = tl.get_model_activations(model, x, layers={"act": "relu_1"}, save_to=tmp_path / "streamed")
    for table in ("operations", "layers", "modules", "module_calls", "edges", "parameters", "buffers", "reads"):
        stored = pl.read_parquet(tmp_path / "streamed" / "tables" / f"{table}.parquet")
        assert stored.equals(getattr(streamed.tables, table))


@pytest.mark.parametrize("exists", [False, True])
def test_an_exception_in_the_model_leaves_nothing(exists: bool, tmp_path: Path) -> None:
    path = tmp_path / "h"
    if exists:
        path.mkdir()
    with pytest.raises(RuntimeError, match="broken model"):
        tl.get_model_activations(Breaks(), torch.ones(2), save_to=path)
    assert list(tmp_path.rglob("*")) == ([path] if exists else [])


@pytest.mark.parametrize("moment", ["forward", "records"])
def test_a_killed_run_leaves_nothing_that_looks_whole(moment: str, tmp_path: Path) -> None:
    text = (
        "import os, signal, sys, torch, lens_torch as tl, lens_graph._folder_write as w\n"
        "class Dies(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        x = x * 2\n"
        f"        if {moment == 'forward'}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return x\n"
        "w.encode_manifest = lambda manifest: os.kill(os.getpid(), signal.SIGKILL)\n"
        "tl.get_model_activations(Dies(), torch.ones(2), save_to=sys.argv[1])\n"
    )
    path = tmp_path / "h"
    assert _child(text, path).returncode == -9
    with pytest.raises(tl.LoadError, match="was not finished"):
        tl.load(path)
    with pytest.raises(tl.ExistingPathError, match="interrupted run"):
        tl.get_model_activations(nn.ReLU(), torch.ones(2), save_to=path)
    tl.get_model_activations(nn.ReLU(), torch.ones(2), save_to=tl.Destination(path, overwrite=True))
    assert tl.load(path)["relu_1"].is_saved
    assert [entry.name for entry in tmp_path.iterdir()] == ["h"]


def test_a_path_that_is_taken_is_refused_before_the_model_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    ran: list[int] = []

    class Notes(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            ran.append(1)
            return x

    with pytest.raises(tl.ExistingPathError, match=r"mine\.txt"):
        tl.get_model_activations(Notes(), torch.ones(2), save_to=tmp_path)
    with pytest.raises(tl.ExistingPathError, match=r"mine\.txt"):
        tl.get_model_activations(Notes(), torch.ones(2), save_to=tl.Destination(tmp_path, overwrite=True))
    assert ran == []
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_history_whose_folder_was_replaced_reads_nothing_wrong(tmp_path: Path) -> None:
    path = tmp_path / "h"
    old = tl.get_model_activations(nn.ReLU(), torch.ones(2), save_to=path)
    assert torch.equal(old["relu_1"].tensor_contents, torch.ones(2))
    tl.get_model_activations(nn.ReLU(), torch.full((2,), 5.0), save_to=tl.Destination(path, overwrite=True))
    with pytest.raises(tl.LoadError, match="changed"):
        _ = old["relu_1"].tensor_contents


def test_values_written_later_are_stored_as_they_were(tmp_path: Path) -> None:
    class Later(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x * 1
            view = y[1:]
            y.add_(1)
            view.zero_()
            y.data.mul_(10)
            y.numpy()[0] = 7
            return y

    history = tl.get_model_activations(Later(), torch.ones(3), save_to=tmp_path / "h")
    values = {layer.layer_type: layer.tensor_contents.tolist() for layer in history if layer.layer_passes_total == 1}
    assert values["input"] == [1, 1, 1]
    assert values["getitem"] == [1, 1]
    assert values["add"] == [2, 2, 2]
    assert values["zero"] == [0, 0]
    assert values["output"] == [7, 0, 0]
    assert history["mul_1"].tensor_contents.tolist() == [1, 1, 1]


def test_a_destination_that_cannot_be_written_is_the_systems_own_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        tl.get_model_activations(nn.ReLU(), torch.ones(2), save_to=tmp_path / "file" / "h")
