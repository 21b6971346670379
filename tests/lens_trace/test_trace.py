"""The record of a pass: sources, reads, modes, places, random states."""

from __future__ import annotations

import msgspec
import torch
import torch.nn.functional as F
from torch import nn

import lens_trace
from tests.lens_trace.models import Calls, find, names, traced

X = torch.arange(6.0) + 1


def test_a_tensor_nobody_has_seen_is_a_source_with_its_address() -> None:
    class Holds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.ones(6)
            self.inner = nn.ModuleList([Calls(lambda x: x)])
            self.inner[0].offsets = [torch.zeros(6)]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.table + self.inner[0].offsets[0]

    recording = lens_trace.trace(Holds(), X)
    assert [o.address for o in recording.trace.operations if o.kind == "constant"] == ["table", "inner.0.offsets.0"]


def test_buffers_are_sources_and_may_be_returned_or_replaced() -> None:
    class Buffers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("steps", torch.zeros(1))
            self.register_buffer("scale", torch.ones(1), persistent=False)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self.steps = self.steps + 1
            self.register_buffer("late", torch.ones(2))
            return x * self.scale + self.steps, self.scale

    model = Buffers()
    before = dict(model.named_buffers())
    recording = lens_trace.trace(model, X)
    assert [o.address for o in recording.trace.operations if o.kind == "buffer"] == ["steps", "scale"]
    assert [b.is_persistent for b in recording.trace.buffers] == [True, False]
    after = dict(model.named_buffers())
    assert after.keys() == before.keys()
    assert all(after[key] is value for key, value in before.items())


def test_reads_are_recorded_with_value_and_place() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 3:
            return x * x.max().item()
        return x

    trace = traced(forward, X).trace
    assert [(r.kind, r.value) for r in trace.reads] == [("bool", True), ("item", 6.0)]
    assert [trace.operations[r.parents[0].operation].function.name for r in trace.reads] == ["gt", "max"]  # pyright: ignore
    assert all(r.user_call_site is not None and r.user_call_site.file == __file__ for r in trace.reads)


def test_autocast_and_modes_are_on_the_record() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = F.linear(x, x[None])
        with torch.no_grad():
            return y.float() * 2

    recording = traced(forward, X)
    context = find(recording, "linear").context
    assert context is not None and context.autocast == (("cpu", "bfloat16"),)
    assert find(recording, "linear").output.dtype == "bfloat16"
    assert not find(recording, "mul").context.grad  # pyright: ignore[reportOptionalMemberAccess]


def test_random_operations_carry_their_state() -> None:
    recording = traced(lambda x: F.dropout(x, 0.5, True) + torch.rand(6), X, seed=3)
    draws = [o for o in recording.trace.operations if o.uses_rng]
    assert [o.function.name for o in draws] == ["dropout", "rand"]  # pyright: ignore[reportOptionalMemberAccess]
    for o in draws:
        with lens_trace.replayed(recording.rng_states[o.call_id]):  # pyright: ignore[reportArgumentType]
            again = F.dropout(X, 0.5, True) if o.id == draws[0].id else torch.rand(6)
        assert torch.equal(again, recording.tensors[o.id])


def test_the_trace_is_encodable_and_comes_back_equal() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten())
    trace = lens_trace.trace(model, torch.rand(2, 3, 8, 8)).trace
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(trace), type=lens_trace.Trace) == trace
    odd = traced(lambda x: x.clamp(float("-inf"), float("inf")) * complex(1, 2) + 2**70 * 1.0, X).trace
    assert msgspec.json.decode(msgspec.json.encode(odd), type=lens_trace.Trace) == odd


def test_call_sites_name_the_users_line() -> None:
    recording = lens_trace.trace(nn.Sequential(Calls(lambda x: F.relu(x))), X)
    site = find(recording, "relu").user_call_site
    assert site is not None and site.file == __file__ and "lambda" in site.function
    inner = find(recording, "relu").call_site
    assert inner is not None and inner.file.endswith("functional.py")


def test_backward_and_packed_sequences_inside_the_forward() -> None:
    weight = nn.Linear(6, 1)

    def learns(x: torch.Tensor) -> torch.Tensor:
        loss = weight(x).sum()
        loss.backward()
        return loss

    assert names(traced(learns, torch.rand(4, 6))) == ["input", "linear", "sum", "output"]
    packed = traced(lambda t: nn.utils.rnn.pack_padded_sequence(t, [4], batch_first=True).data * 2, torch.rand(1, 4, 6))
    assert "constant" not in names(packed)


def test_a_parameter_is_itself_and_no_view_of_itself_whatever_is_kept() -> None:
    weight_normalised = nn.utils.parametrizations.weight_norm
    model = nn.Sequential(weight_normalised(nn.Linear(3, 3)), weight_normalised(nn.Linear(3, 3)))
    kept, dropped = (
        [operation.args for operation in lens_trace.trace(model, torch.ones(1, 3), keep=keep).trace.operations]
        for keep in (lens_trace.everything, lens_trace.nothing)
    )
    assert kept == dropped
