"""Memory that is known before: the estimate beside what is measured, and budgets that refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

import lens_torch as tl
from lens_torch._budget import read_budget

ROOT = Path(__file__).parent.parent.parent
RUNS: list[int] = []


class Wide(nn.Module):
    """Residual blocks with views, in-place operations and a write over a kept value."""

    def __init__(self, width: int = 256, depth: int = 6) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        RUNS.append(1)
        for layer in self.layers:
            x = x + layer(self.norm(x)).relu_().view(-1, 2, x.shape[-1] // 2).flatten(1)
        x *= 2
        return x


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
                                  nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.SiLU())  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x)
        return torch.cat([y, y.sigmoid() * y], 1).mean((2, 3))


def _peak(run: Any) -> int:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        held = run()
    events = [e for e in found.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    del held
    return peak


MODELS = {"wide": (Wide(), torch.rand(512, 256)), "images": (Images().eval(), torch.rand(4, 3, 64, 64))}


@pytest.mark.filterwarnings("ignore:.*Profiler clears events:UserWarning")  # of torch 2.11
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("layers", "dtype"),
    [
        ("none", None),
        ("all", None),
        ("all", torch.float16),
        (lambda o: (o.layer_total_num or 0) % 2, None),
        ("relu_*", None),
    ],
    ids=["none", "all", "half", "every other", "relu"],
)
def test_the_peak_is_what_the_allocator_counts(name: str, layers: Any, dtype: Any, grad: bool) -> None:
    model, x = MODELS[name]
    with torch.set_grad_enabled(grad):
        found = tl.get_model_structure(model, x).estimate(layers, dtype=dtype)
        peak = max(_peak(lambda: tl.get_model_activations(model, x, layers=layers, dtype=dtype)) for _ in range(2))
        kept = tl.get_model_activations(model, x, layers=layers, dtype=dtype).tensors
    assert 0.85 * peak <= found.peak_nbytes <= 1.15 * peak
    assert found.kept_nbytes == pytest.approx(getattr(kept, "nbytes", 0), rel=0.01)


@pytest.mark.parametrize("transform", [lambda t: t.mean(-1), lambda t: t[:, 0]])
def test_a_budget_knows_what_a_transform_makes(transform: Any) -> None:
    model, x = MODELS["wide"]
    whole = tl.get_model_structure(model, x).estimate("relu_*").peak_nbytes
    with pytest.raises(tl.MemoryBudgetError):
        tl.get_model_activations(model, x, layers="relu_*", memory_budget=whole - 1)
    tl.get_model_activations(model, x, layers="relu_*", memory_budget=whole)
    small = tl.get_model_structure(model, x).estimate("none").peak_nbytes * 1.1
    history = tl.get_model_activations(model, x, layers="relu_*", memory_budget=int(small), transform=transform)
    assert history["relu_1:1"].tensor_contents.numel() == 512


def test_a_refusal_comes_before_anything_is_kept_and_names_the_largest_layers() -> None:
    model, x = MODELS["images"]
    with torch.no_grad(), pytest.raises(tl.MemoryBudgetError, match=r"memory_budget is 1\.0 MB") as caught:
        tl.get_model_activations(model, x, memory_budget="1MB")
    error = caught.value
    assert isinstance(error, MemoryError)
    assert error.budget == 2**20 < error.needed.peak_nbytes
    assert "The largest layers: conv2d_1_2 1.0 MB" in str(error)
    with torch.no_grad(), pytest.raises(tl.MemoryBudgetError, match="The forward alone needs that much"):
        tl.get_model_activations(model, x, layers="output_1", memory_budget=10)


def test_streamed_values_need_no_budget(tmp_path: Path) -> None:
    model, x = MODELS["wide"]
    history = tl.get_model_activations(model, x, layers="relu_*", memory_budget=1, save_to=tmp_path / "values")
    assert history["relu_1:1"].tensor_contents.shape == (512, 256)


def test_a_budget_that_suffices_changes_nothing_but_the_number_of_passes() -> None:
    model, x = MODELS["wide"]
    RUNS.clear()
    history = tl.get_model_activations(model, x, memory_budget="1 GB")
    assert len(RUNS) == 2
    plain = tl.get_model_activations(model, x)
    assert history.saved_layers == plain.saved_layers
    assert torch.equal(history["output_1"].tensor_contents, plain["output_1"].tensor_contents)


@pytest.mark.parametrize(
    ("budget", "nbytes"),
    [(5, 5), ("5", 5), ("4GB", 4 * 2**30), ("1.5 kb", 1536), ("2MiB", 2**21), ("0", 0), (None, None)],
)
def test_a_budget_is_bytes_or_a_text(budget: Any, nbytes: int | None) -> None:
    assert read_budget(budget) == nbytes


@pytest.mark.parametrize("budget", ["", "lots", "4 elephants", -1, True, 1.5, "GB", [4], "-4GB"])
def test_what_is_no_budget_is_refused_before_the_model_runs(budget: Any) -> None:
    RUNS.clear()
    with pytest.raises(ValueError, match="memory_budget"):
        tl.get_model_activations(*MODELS["wide"], memory_budget=budget)
    assert not RUNS


LIMITED = """
import resource, sys, torch
import lens_torch as tl

model = torch.nn.Sequential(*[torch.nn.Sequential(torch.nn.Linear(1024, 1024), torch.nn.ReLU()) for _ in range(10)])
x = torch.rand(2048, 1024)
torch.set_grad_enabled(False)
tl.get_model_activations(model, x[:2], layers="relu_1")  # whatever is loaded late is loaded now
structure = tl.get_model_structure(model, x)
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + (96 << 20), used + (96 << 20)))
assert structure.estimate().kept_nbytes > 160 << 20
try:
    tl.get_model_activations(model, x)
except (MemoryError, RuntimeError) as error:
    assert "alloc" in str(error), error
else:
    raise AssertionError("everything fitted")
history = tl.get_model_activations(model, x, layers=["relu_3", "9"], memory_budget="64MB")
assert torch.equal(history["9"].tensor_contents, model(x))
assert tl.get_model_activations(model, x, layers="all", transform=lambda t: t.mean(1)).num_tensors_saved == 22
try:
    tl.get_model_activations(model, x, memory_budget="64MB")
except tl.MemoryBudgetError as error:
    print(error)
else:
    raise AssertionError("nothing was refused")
"""

MEASURED = """
import torch
import lens_torch as tl

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) * 1024

torch.set_grad_enabled(False)
model = torch.nn.Sequential(*[torch.nn.Sequential(torch.nn.Linear(1024, 1024), torch.nn.ReLU()) for _ in range(8)])
x = torch.rand(2048, 1024)
needed = tl.get_model_structure(model, x).estimate()
open("/proc/self/clear_refs", "w").write("5")
before = peak()
history = tl.get_model_activations(model, x)
print(needed.peak_nbytes, peak() - before)
"""


def _child(code: str) -> str:
    # Every tensor in a mapping of its own that goes back when freed: else the heap keeps what earlier passes left.
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=240, cwd=ROOT, check=False,
        env={"OMP_NUM_THREADS": "1", "PATH": "", "MALLOC_MMAP_THRESHOLD_": "65536"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux only")
def test_a_selection_fits_where_everything_does_not() -> None:
    assert "The largest layers" in _child(LIMITED)


@pytest.mark.skipif(sys.platform != "linux", reason="the resident peak is told by Linux")
def test_the_peak_is_what_a_process_of_its_own_takes() -> None:
    needed, measured = map(int, _child(MEASURED).split())
    assert 0.85 * measured <= needed <= 1.15 * measured


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("width", [16, 64, 256])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_what_fused_recurrent_functions_hold_inside_is_told(kind: Any, width: int, layers: int, grad: bool) -> None:
    model, x = kind(width, 64, layers, bidirectional=layers == 2), torch.rand(50, 8, width)
    with torch.set_grad_enabled(grad):
        found = tl.get_model_structure(model, x).estimate("none").peak_nbytes
        peak = max(_peak(lambda: tl.get_model_activations(model, x, layers="none")) for _ in range(2))
    assert 0.8 * peak <= found <= 1.2 * peak


@pytest.mark.parametrize("layers", ["all", "chunk_1", ["input_1", "chunk_2"]])
def test_views_of_an_input_take_no_more_than_the_input(layers: Any) -> None:
    class Halves(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (x, *x.chunk(2))

    x = torch.rand(64, 64)
    history = tl.get_model_activations(Halves(), x, layers=layers)
    held = {value.untyped_storage()._cdata: value.untyped_storage().nbytes() for value in history.tensors.values()}
    assert tl.get_model_structure(Halves(), x).estimate(layers).kept_nbytes == sum(held.values())
    assert history.tensors.nbytes == sum(held.values())
