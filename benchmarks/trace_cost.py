"""What does tracing cost, as ratios to a plain forward in one process?

    uv run --group bench python benchmarks/trace_cost.py [--only NAME ...] [--repeats N] [--markdown]

Each model runs plainly, with forward hooks on every module that keep their outputs, traced keeping everything, traced
keeping nothing, and traced with the history built, in alternation; medians are compared.  Peak memory comes from fresh
processes.  `torchlens` is measured too where it is installed.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

import lens_trace

Case = tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]


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

    model = GPT2LMHeadModel(GPT2Config(vocab_size=5000)).eval()
    return model, (torch.randint(0, 5000, (4, 128)),), {"use_cache": False}


def bert() -> Case:
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(vocab_size=5000)).eval(), (torch.randint(0, 5000, (4, 64)),), {}


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
    "keep all": _keep_all,
    "keep nothing": _keep_nothing,
    "history": _history,
}
if importlib.util.find_spec("torchlens"):
    WAYS["torchlens"] = _torchlens


def measure(name: str, repeats: int) -> dict[str, Any]:
    """Returns medians of seconds by way, measured in alternation, and the number of operations."""
    torch.manual_seed(0)
    case = CASES[name]()
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    with torch.no_grad():
        operations = len(lens_trace.trace(case[0], case[1], case[2], keep=lens_trace.nothing).trace.operations)
        for round_number in range(repeats + 1):
            for way, run in WAYS.items():
                if way == "torchlens" and round_number > 1:
                    continue
                gc.collect()
                start = time.perf_counter()
                run(case)
                if round_number:
                    times[way].append(time.perf_counter() - start)
    medians = {way: statistics.median(values) for way, values in times.items()}
    return {"name": name, "operations": operations, "seconds": medians, "peak_mib": peaks(name)}


def peaks(name: str) -> dict[str, float]:
    """Returns peak memory of a fresh process by way, in MiB."""
    found: dict[str, float] = {}
    for way in ("plain", "hooks", "keep all", "keep nothing"):
        answer = subprocess.run(
            [sys.executable, __file__, "--peak", name, way], capture_output=True, text=True, check=True
        )
        found[way] = float(answer.stdout)
    return found


def _print_peak(name: str, way: str) -> None:
    case = CASES[name]()
    with torch.no_grad():
        WAYS[way](case)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _row(result: dict[str, Any]) -> str:
    seconds, plain = result["seconds"], result["seconds"]["plain"]
    cost = (seconds["keep nothing"] - plain) / result["operations"] * 1e6
    ratios = " | ".join(f"{seconds[way] / plain:.2f}" if way in seconds else "-" for way in [*list(WAYS)[1:]])
    against_hooks = seconds["keep all"] / seconds["hooks"]
    peak = result["peak_mib"]
    memory = f"{peak['plain']:.0f} / {peak['hooks']:.0f} / {peak['keep all']:.0f} / {peak['keep nothing']:.0f}"
    return f"| {result['name']} | {result['operations']} | {ratios} | {against_hooks:.2f} | {cost:.1f} | {memory} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=sorted(CASES))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", help="file to write the raw figures to")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        _print_peak(*options.peak)
        return
    names = options.only or list(CASES)
    ways = " | ".join(f"{way} / plain" for way in [*list(WAYS)[1:]])
    print(
        f"| model | operations | {ways} | keep all / hooks | us per operation, keep nothing "
        "| peak MiB: plain / hooks / all / nothing |"
    )
    print("|---|---|" + "---|" * (len(WAYS) - 1) + "---|---|---|")
    results = []
    for name in names:
        results.append(measure(name, options.repeats))
        print(_row(results[-1]), flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
