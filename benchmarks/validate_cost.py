"""What does validation cost, in time and in memory?

`uv run python benchmarks/validate_cost.py [resnet50] [gpt2]` prints, for each model and as ratios to a plain forward in
the same process: the processor time of a full validation (trace, replay, perturbation, plain forward, second trace) and
of the windowed one, and the peak memory of both beside that of a plain forward (each in a process of its own, weights
included, what importing takes subtracted).  All on one thread, because waiting threads count as processor time; each
mode runs once unmeasured, because memory that the machine has not handed out yet costs more than any other.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.first(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(nn.functional.gelu(self.up(self.second(x)), approximate="tanh"))


class Gpt2(nn.Module):
    """The shapes of GPT-2 small."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(50257, 768), nn.Embedding(1024, 768)
        self.blocks = nn.Sequential(*(Block(768, 12) for _ in range(12)))
        self.norm = nn.LayerNorm(768)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
        return self.norm(self.blocks(x)) @ self.words.weight.t()


def make(name: str) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    if name == "gpt2":
        return Gpt2().eval(), torch.randint(0, 50257, (4, 128))
    import torchvision

    return torchvision.models.get_model(name, weights=None).eval(), torch.randn(8, 3, 224, 224)


def make_imports(name: str) -> None:
    """Imports what any mode needs: importing is no part of what is measured."""
    import lens_validate  # noqa: F401

    if name != "gpt2":
        import torchvision  # noqa: F401


def run(mode: str, model: nn.Module, x: Tensor) -> None:
    if mode == "plain":
        model(x)
        return
    import lens_trace
    import lens_validate

    if mode == "full":
        report = lens_validate.validate(lens_trace.trace(model, x), model, x)
    else:
        report = lens_validate.validate_while_running(model, x)
    assert report, str(report)


def peak_kibibytes() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def peak_mebibytes(name: str, mode: str) -> float:
    """Peak resident memory of one mode in a process of its own."""
    found = subprocess.run([sys.executable, __file__, "--peak", name, mode], capture_output=True, text=True, check=True)
    return float(found.stdout.split()[-1])


def main() -> None:
    torch.set_num_threads(1)
    if sys.argv[1:2] == ["--peak"]:
        with torch.no_grad():
            make_imports(sys.argv[2])
            Path("/proc/self/clear_refs").write_text("5")  # forget the peak of the importing, and of the parent process
            base = peak_kibibytes()
            model, x = make(sys.argv[2])
            run(sys.argv[3], model, x)
            print((peak_kibibytes() - base) / 1024)
        return
    for name in sys.argv[1:] or ["resnet50", "gpt2"]:
        model, x = make(name)
        times: dict[str, list[float]] = {"plain": [], "full": [], "window": []}
        with torch.no_grad():
            for mode in times:
                run(mode, model, x)
            for mode in ("plain", "full", "plain", "window") * 3:
                started = time.process_time()
                run(mode, model, x)
                times[mode].append(time.process_time() - started)
        plain, full, window = (statistics.median(times[mode]) for mode in ("plain", "full", "window"))
        peaks = {mode: peak_mebibytes(name, mode) for mode in ("plain", "full", "window")}
        print(
            f"{name}: plain {plain:.2f} s, {peaks['plain']:.0f} MiB; full {full / plain:.1f}x time, "
            f"{peaks['full'] / peaks['plain']:.1f}x memory; windowed {window / plain:.1f}x time, "
            f"{peaks['window'] / peaks['plain']:.2f}x memory",
            flush=True,
        )


if __name__ == "__main__":
    main()
