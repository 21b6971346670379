"""Operators that take functions are opened, also in a process that has never compiled anything."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

import lens_trace
from tests.lens_trace.models import find, names, traced

X = torch.arange(6.0) + 1


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.yes, self.no = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cond(x.sum() > 0, lambda t: self.yes(t).sin(), lambda t: self.no(t).cos(), (x,))


def test_the_branch_that_cond_takes_is_recorded_with_its_parameters() -> None:
    recording = lens_trace.trace(Branches(), X)
    assert names(recording) == ["input", "sum", "gt", "linear", "sin", "output"]
    assert recording.trace.operations[3].parameters == (0, 1)
    assert [(read.kind, read.value) for read in recording.trace.reads] == [("bool", True)]
    assert names(lens_trace.trace(Branches(), -X))[3:5] == ["linear", "cos"]


def test_each_round_of_while_loop_is_recorded() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        from torch._higher_order_ops.while_loop import while_loop

        return while_loop(lambda i, _: i < 3, lambda i, t: (i + 1, t * 2), (torch.tensor(0), x))[1]

    recording = traced(forward, X)
    assert names(recording).count("mul") == 3
    assert torch.equal(recording.tensors[recording.trace.outputs[0]], X * 8)


def test_the_first_cond_of_a_process_may_stand_in_a_trace() -> None:
    code = (
        "import sys, torch, lens_trace\n"
        "from tests.lens_trace.test_higher_order import Branches\n"
        "assert 'torch._dynamo' not in sys.modules\n"
        "compile = torch.compile\n"
        "recording = lens_trace.trace(Branches(), torch.ones(6))\n"
        "assert torch.compile is compile\n"
        "assert {'linear', 'sin'} <= {o.function.name for o in recording.trace.operations if o.function}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_what_a_model_holds_can_be_mapped_over() -> None:
    class Mapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))
            self.buffer = nn.Buffer(torch.ones(3))
            self.table = torch.ones(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            double = torch.func.vmap(lambda row: row * 2)
            return double(self.weight) + double(self.buffer) + double(self.table) + x

    recording = lens_trace.trace(Mapped(), torch.ones(3))
    products = [find(recording, "mul", nth) for nth in range(3)]
    sources = [recording.trace.operations[p.operation].kind for product in products for p in product.parents]
    assert sources == ["buffer", "constant"]  # a parameter is no operation
    assert recording.tensors[recording.trace.outputs[0]].tolist() == [7, 7, 7]
