"""What do very many traces in one process cost whoever comes after them?

A trace sets an attribute of `torch.Tensor` and takes it away again, and CPython 3.13 remembers where the attributes of
one class are found for its first 1,000 states only.  Printed are, before any trace and after some, the times of reading
an attribute of a tensor and of a parameter, of a plain forward of a small perceptron and of a trace of it.  Each is the
least of many, since the rest is what else the machine did.

    uv run python benchmarks/many_traces.py [TRACES]
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from time import perf_counter_ns

import torch

import lens_trace


def main() -> None:
    torch.set_num_threads(1)
    model = torch.nn.Sequential(*[part for _ in range(5) for part in (torch.nn.Linear(8, 8), torch.nn.ReLU())])
    x = torch.rand(2, 8)
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {platform.machine()}")
    traces = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    done = 0
    with torch.no_grad():
        for stop in (0, 100, 400, 600, traces):
            for _ in range(stop - done):
                lens_trace.trace(model, (x,))
            done = stop
            report(done, model, x)


def report(done: int, model: torch.nn.Module, x: torch.Tensor) -> None:
    parameter = next(model.parameters())

    def shape() -> None:
        for _ in range(1000):
            x.shape  # noqa: B018 - reading it is what is measured

    def method() -> None:
        for _ in range(1000):
            x.dim()

    def of_parameter() -> None:
        for _ in range(1000):
            parameter.dim()

    attributes = [least(read, 300) / 1000 for read in (shape, method, of_parameter)]
    forward, trace = least(lambda: model(x), 3000), least(lambda: lens_trace.trace(model, (x,)), 40)
    print(
        f"{done:5} traces: shape {attributes[0]:.0f} ns, dim {attributes[1]:.0f} ns, "
        f"dim of a parameter {attributes[2]:.0f} ns; forward {forward / 1000:.1f} us, trace {trace / 1000:.0f} us",
        flush=True,
    )


def least(function: Callable[[], object], times: int) -> int:
    best = sys.maxsize
    for _ in range(times):
        start = perf_counter_ns()
        function()
        best = min(best, perf_counter_ns() - start)
    return best


if __name__ == "__main__":
    main()
