"""Floating-point operations by layer, by torch's own counter."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

import lens_torch as tl


class Attention(nn.Module):
    """A matrix product, and attention that torch runs as one kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q = self.project(x)
        return F.scaled_dot_product_attention(q, q, q)


def _labelled(count: tl.FlopCount) -> dict[str, int]:
    return {one.label: count.by_operation.get(one.operation_id, 0) for one in count.history.operations}


def test_each_operation_has_what_the_counter_gained_while_it_ran() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 5))
    count = tl.count_flops(model, torch.rand(2, 4))
    assert _labelled(count) == {
        "input_1_1": 0,
        "linear_1_2": 2 * 2 * 4 * 3,
        "relu_1_3": 0,
        "linear_2_4": 2 * 2 * 3 * 5,
        "output_1_5": 0,
    }
    assert count.total == 48 + 60


def test_the_sum_is_what_torchs_counter_says_of_a_plain_forward() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model, x = Attention().eval(), torch.rand(2, 3, 8)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x)
    with torch.no_grad():
        assert tl.count_flops(model, x).total == counter.get_total_flops() > 0


def test_passes_of_a_loop_are_counted_one_by_one() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.step = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(3):
                x = self.step(x)
            return x

    count = tl.count_flops(Loop(), torch.rand(2, 4))
    assert [_labelled(count)[f"linear_1_2:{k}"] for k in (1, 2, 3)] == [64, 64, 64]


def test_meta_tensors_are_counted_too() -> None:
    with torch.device("meta"):
        model, x = nn.Linear(1_000_000, 1_000_000, bias=False), torch.empty(1, 1_000_000)
    assert tl.count_flops(model, x).total == 2 * 10**12


def test_the_model_is_left_as_it_was() -> None:
    model = nn.BatchNorm1d(3)
    tl.count_flops(model, torch.rand(2, 3))
    assert model.running_mean is not None
    assert model.running_mean.tolist() == [0, 0, 0]
    assert not model._forward_hooks
