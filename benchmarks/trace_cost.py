"""What does tracing cost, as ratios to a plain forward in one process?

    uv run --group bench python benchmarks/trace_cost.py                        # everything, about ten minutes
    uv run --group bench --with torchlens python benchmarks/trace_cost.py      # with torchlens beside it
    uv run --group bench python benchmarks/trace_cost.py --only mlp resnet18   # some models
    uv run --group bench python benchmarks/trace_cost.py --device cuda          # on a GPU
    uv run --group bench python benchmarks/trace_cost.py --device cuda --batch 64

Each model runs plainly, with forward hooks on every module that keep their outputs, with a mode that holds the output
of every operation and copies what is about to be overwritten, traced keeping everything, traced keeping nothing, and
traced with the history built.  The third is the floor of keeping everything: it does nothing but hold that memory.

Every sample follows a plain pass that is not measured, so that each way finds heap and caches as a plain pass leaves
them, not as the way before it did (memory that one way gives back to the system would be paid for by the next); the
order is drawn anew each round.  A ratio is the median of the ratios within the rounds.  A pass of few milliseconds is
run several times a sample, since one alone would mostly measure cold caches.  Peak memory comes from fresh processes:
growth over the model at rest, after one plain pass.  On a GPU a sample ends when the device has done its work, and
memory is that of torch's allocator on the device, measured in the same process.  The output is Markdown, made to be
pasted into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import gc
import importlib.util
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import lens_trace

Case = tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]


class Place:
    """Where models run."""

    device = "cpu"
    batch: int | None = None
    """Instead of each model's own."""


def settle() -> None:
    """Waits until the device has done what it was told."""
    if Place.device == "cuda":
        torch.cuda.synchronize()


def placed(name: str) -> Case:
    """Returns a model with its input, where it is to run."""
    model, args, kwargs = CASES[name]()
    if Place.batch is not None:
        args = tuple(a[:1].expand(Place.batch, *a.shape[1:]).contiguous() for a in args)
    return model.to(Place.device), tuple(a.to(Place.device) for a in args), kwargs


def resnet18() -> Case:
    from torchvision.models import resnet18

    return resnet18().eval(), (torch.rand(1, 3, 224, 224),), {}


def resnet50() -> Case:
    from torchvision.models import resnet50

    return resnet50().eval(), (torch.rand(4, 3, 224, 224),), {}


def vit_b_16() -> Case:
    from torchvision.models import vit_b_16

    return vit_b_16().eval(), (torch.rand(4, 3, 224, 224),), {}


def gpt2() -> Case:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(GPT2Config()).eval()
    return model, (torch.randint(0, 50257, (4, 128)),), {"use_cache": False}


def bert() -> Case:
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig()).eval(), (torch.randint(0, 30522, (4, 64)),), {}


def mlp() -> Case:
    layers: list[torch.nn.Module] = []
    for _ in range(50):
        layers += [torch.nn.Linear(4, 4), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers).eval(), (torch.rand(1, 4),), {}


class _Unrolled(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x
        for _ in range(6667):
            h = torch.tanh(self.cell(h) + x)
        return h


def rnn() -> Case:
    return _Unrolled().eval(), (torch.rand(1, 4),), {}


CASES: dict[str, Callable[[], Case]] = {
    "mlp": mlp,
    "rnn": rnn,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "vit_b_16": vit_b_16,
    "gpt2": gpt2,
    "bert": bert,
}


def _plain(case: Case) -> None:
    model, args, kwargs = case
    model(*args, **kwargs)


def _hooks(case: Case) -> None:
    model, args, kwargs = case
    kept: list[Any] = []
    handles = [m.register_forward_hook(lambda _m, _i, o: kept.append(o)) for m in model.modules()]
    try:
        model(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()


class _Holding(TorchDispatchMode):
    """Holds every tensor that an ATen operation returned, and a copy of every tensor that one is about to overwrite."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.is_mutable:
            self.held += [
                value.clone()
                for value, argument in zip(args, func._schema.arguments, strict=False)
                if argument.alias_info is not None and argument.alias_info.is_write
            ]
        result = func(*args, **(kwargs or {}))
        self.held.append(result)
        return result


def _hold(case: Case) -> None:
    model, args, kwargs = case
    with _Holding():
        model(*args, **kwargs)


def _keep_all(case: Case) -> None:
    model, args, kwargs = case
    lens_trace.trace(model, args, kwargs)


def _keep_nothing(case: Case) -> None:
    model, args, kwargs = case
    lens_trace.trace(model, args, kwargs, keep=lens_trace.nothing)


def _history(case: Case) -> None:
    from lens_graph import build_history

    model, args, kwargs = case
    build_history(lens_trace.trace(model, args, kwargs, keep=lens_trace.nothing).trace)


def _torchlens(case: Case) -> None:
    import torchlens

    model, args, kwargs = case
    entry = getattr(torchlens, "get_model_activations", None) or torchlens.log_forward_pass
    entry(model, list(args), kwargs or None)


WAYS: dict[str, Callable[[Case], None]] = {
    "plain": _plain,
    "hooks": _hooks,
    "hold": _hold,
    "keep all": _keep_all,
    "keep nothing": _keep_nothing,
    "history": _history,
}
if importlib.util.find_spec("torchlens"):
    WAYS["torchlens"] = _torchlens


SHORTEST_SAMPLE_S = 0.02
SHORTEST_SERIES_S = 1.5
MOST_ROUNDS = 50
MOST_ROUNDS_ON_DEVICE = 15
SHAPES = {
    "mlp": "50 x (Linear(4, 4), ReLU), batch 1",
    "rnn": "unrolled, 6,667 steps",
    "resnet18": "batch 1",
    "resnet50": "batch 4",
    "vit_b_16": "batch 4",
    "gpt2": "small, 4 x 128 tokens",
    "bert": "base, 4 x 64 tokens",
}
LARGE = ("resnet50", "vit_b_16", "gpt2", "bert")


def measure(name: str, repeats: int) -> dict[str, Any]:
    """Returns the median seconds of a plain pass, by way the median ratio to it, and the number of operations."""
    torch.manual_seed(0)
    case = placed(name)
    gc.freeze()  # what is there now is not looked at before every sample
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    with torch.no_grad():
        operations = len(lens_trace.trace(case[0], case[1], case[2], keep=lens_trace.nothing).trace.operations)
        for _ in range(1 if Place.device == "cpu" else 10):
            _plain(case)
        settle()
        start = time.perf_counter()
        _plain(case)
        settle()
        once = time.perf_counter() - start
        passes = max(1, round(SHORTEST_SAMPLE_S / once))
        most = MOST_ROUNDS if Place.device == "cpu" else MOST_ROUNDS_ON_DEVICE
        rounds = max(repeats, min(most, round(SHORTEST_SERIES_S / (passes * once))))
        draw = random.Random(0)
        for round_number in range(rounds + 1):
            for way in draw.sample(list(WAYS), len(WAYS)):
                run = WAYS[way]
                if way == "torchlens" and round_number > 1:  # it takes seconds to minutes
                    continue
                count = 1 if way == "torchlens" else passes
                gc.collect()
                _plain(case)
                settle()
                start = time.perf_counter()
                for _ in range(count):
                    run(case)
                settle()
                if round_number:
                    times[way].append((time.perf_counter() - start) / count)
    gc.unfreeze()
    plain = statistics.median(times["plain"])
    medians = {way: plain * paired(values, times["plain"]) for way, values in times.items()}
    over_hooks, over_hold = (paired(times["keep all"], times[way]) for way in ("hooks", "hold"))
    return {
        "name": name, "operations": operations, "seconds": medians,
        "memory": peaks(name) if Place.device == "cpu" else peaks_on_device(case), "all / hooks": over_hooks,
        "all / hold": over_hold, "times": times,
    }  # fmt: skip


def paired(one: list[float], other: list[float]) -> float:
    """Returns the median ratio of samples taken in the same round."""
    return statistics.median([a / b for a, b in zip(one, other, strict=False)])


def peaks(name: str) -> dict[str, Any]:
    """Returns how much a fresh process grew at most by way, and what was saved, in MiB; empty without `/proc`."""
    found: dict[str, Any] = {}
    if not os.path.exists("/proc/self/clear_refs"):
        return found
    for way in ("plain", "hooks", "hold", "keep all", "keep nothing"):
        command = [sys.executable, __file__, "--peak", name, way]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        found[way], saved = json.loads(answer.stdout)
        if saved is not None:
            found["saved"] = saved
    return found


def peaks_on_device(case: Case) -> dict[str, Any]:
    """Returns how much torch's allocator gave out at most by way, and what was saved, in MiB."""
    found: dict[str, Any] = {}
    with torch.no_grad():
        for way in ("plain", "hooks", "hold", "keep all", "keep nothing"):
            gc.collect()
            torch.cuda.empty_cache()
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            if way == "keep all":
                recording = lens_trace.trace(case[0], case[1], case[2])
                found["saved"] = recording.tensors.nbytes / 2**20
                del recording
            else:
                WAYS[way](case)
            settle()
            found[way] = (torch.cuda.max_memory_allocated() - before) / 2**20
    return found


def _print_peak(name: str, way: str) -> None:
    case = placed(name)
    saved = None
    with torch.no_grad():
        _plain(case)  # what kernels allocate once belongs to no way
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the peak starts again from here
        before = _status("VmRSS")
        if way == "keep all":
            recording = lens_trace.trace(case[0], case[1], case[2])
            saved = recording.tensors.nbytes / 2**20
        else:
            WAYS[way](case)
    print(json.dumps([_status("VmHWM") - before, saved]))


def _status(field: str) -> float:
    with open("/proc/self/status") as file:
        return int(re.search(rf"{field}:\s+(\d+)", file.read())[1]) / 1024  # pyright: ignore[reportOptionalSubscript]


def import_seconds() -> float:
    """Returns what `import lens_trace`, with `trace` used, takes beyond `import torch`: median of fresh processes."""
    code = (
        "import time, torch; start = time.perf_counter(); import lens_trace; lens_trace.trace; "
        "print(time.perf_counter() - start)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5)]
    return statistics.median(float(run.stdout) for run in runs)


def per_operation_us(result: dict[str, Any], way: str) -> float:
    """Returns what a way costs more than a plain pass, the constant cost of a trace included, per operation."""
    seconds = result["seconds"]
    return (seconds[way] - seconds["plain"]) / result["operations"] * 1e6


def _row(result: dict[str, Any]) -> str:
    seconds, plain, memory = result["seconds"], result["seconds"]["plain"], result["memory"]
    ratios = " | ".join(f"{seconds[way] / plain:.2f}" if way in seconds else "-" for way in [*list(WAYS)[1:]])
    shape = SHAPES[result["name"]] if Place.batch is None else f"batch {Place.batch}"
    shown = " / ".join(
        f"{memory[way]:.0f}" for way in ("plain", "hooks", "hold", "keep all", "keep nothing", "saved") if memory
    )
    return (
        f"| {result['name']}, {shape} | {result['operations']} | {plain * 1e3:.1f} | {ratios} "
        f"| {result['all / hooks']:.2f} | {result['all / hold']:.2f} "
        f"| {per_operation_us(result, 'keep nothing'):.1f} | {shown} |"
    )


def budgets(results: list[dict[str, Any]], import_s: float | None) -> list[str]:
    """Returns one row of Markdown a budget and model: what was asked, what was measured, whether it is met."""
    rows: list[str] = []

    def judge(what: str, name: str, value: float, limit: float, unit: str = "") -> None:
        verdict = "yes" if value <= limit else "**no**"
        rows.append(f"| {what} | {name} | {limit:g}{unit} | {value:.2f}{unit} | {verdict} |")

    for result in results:
        name, seconds, memory = result["name"], result["seconds"], result["memory"]
        plain = seconds["plain"]
        if name in LARGE or name == "resnet18":
            limit = 1.1 if name == "resnet18" else 1.05
            judge("keep nothing / plain", name, seconds["keep nothing"] / plain, limit)
            judge("keep all / hooks", name, result["all / hooks"], 1.1)
            judge("keep all / hold", name, result["all / hold"], 1.1)
            judge("trace and history / plain", name, seconds["history"] / plain, 1.25)
        if name == "mlp":
            judge("recording an operation", name, per_operation_us(result, "keep nothing"), 12, " us")
        history = (seconds["history"] - seconds["keep nothing"]) / result["operations"] * 1e6
        if history > 0:  # in models of real size it drowns in the forward's own scatter
            judge("history of an operation", name, history, 50, " us")
        if memory and memory["saved"] > 16:  # below, the interpreter's own pages are what is measured
            judge("peak growth, keep all / saved bytes", name, memory["keep all"] / memory["saved"], 1.1)
    if import_s is not None:
        judge("`import lens_trace` beyond torch", "", import_s, 0.1, " s")
    return rows


def environment() -> str:
    """Returns date, machine and versions in one line."""
    with open("/proc/cpuinfo") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    names = ["torch", "torchvision", "transformers", *(["torchlens"] if "torchlens" in WAYS else [])]
    names += ["lens-trace"] if _is_installed("lens-trace") else []
    card = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}; host " if Place.device == "cuda" else ""
    return (
        f"Measured {datetime.date.today()} on {card}{found[1] if found else platform.processor()}, {os.cpu_count()} "
        f"cores, {torch.get_num_threads()} threads; Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in names)
        + "."
    )


def _is_installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:  # on the path, not installed
        return False


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=sorted(CASES))
    parser.add_argument("--repeats", type=int, default=9, help="samples of each way, more of short ones (default 9)")
    parser.add_argument("--json", help="file to write the raw figures to")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, help="inputs in a batch, instead of each model's own number")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        _print_peak(*options.peak)
        return
    Place.device, Place.batch = options.device, options.batch
    print(environment(), end="\n\n")
    ways = " | ".join(f"{way} / plain" for way in [*list(WAYS)[1:]])
    print(
        f"| model | operations | plain, ms | {ways} | keep all / hooks | keep all / hold "
        "| us an operation, keep nothing | peak growth, MiB: plain / hooks / hold / all / nothing / saved bytes |"
    )
    print("|---|---|---|" + "---|" * (len(WAYS) - 1) + "---|---|---|---|")
    results: list[dict[str, Any]] = []
    for name in options.only or (list(CASES) if Place.device == "cpu" else [*LARGE]):
        results.append(measure(name, options.repeats))
        print(_row(results[-1]), flush=True)
    print("\n| budget | model | at most | measured | met |\n|---|---|---|---|---|")
    print("\n".join(budgets(results, import_seconds() if Place.device == "cpu" else None)))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
