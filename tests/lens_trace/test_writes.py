"""Mutation and aliasing are part of the graph, and saved values are exact before and after."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import lens_trace
from tests.lens_trace.models import Calls, edges, find, names, traced

X = torch.arange(6.0) + 1


def test_a_write_through_a_view_reaches_the_reader_of_the_base() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        z = y[0:2]
        z.zero_()
        return y + 1

    recording = traced(forward, X)
    assert edges(recording) == [
        ("input", []), ("mul", [0]), ("__getitem__", [1]), ("zero_", [2]), ("add", [1, 3]), ("output", [4]),
    ]  # fmt: skip
    assert recording.tensors[1].tolist() == [1, 2, 3, 4, 5, 6]
    assert recording.tensors[2].tolist() == [1, 2]
    assert recording.tensors[3].tolist() == [0, 0]
    assert recording.tensors[4].tolist() == [1, 1, 4, 5, 6, 7]


def test_overlays_and_geometry_rebuild_the_argument() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        y[0:2].zero_()
        y[4:].fill_(9)
        return y + 1

    recording = traced(forward, X)
    argument = find(recording, "add").args[0]
    assert isinstance(argument, lens_trace.TensorRef)
    memory = torch.zeros(6)
    assert argument.geometry is not None
    memory.copy_(recording.tensors[argument.operation])
    for overlay in argument.overlays:
        assert overlay.geometry is not None
        g = overlay.geometry
        memory.as_strided(g.shape, g.stride, g.offset).copy_(recording.tensors[overlay.operation])
    assert torch.equal(memory + 1, recording.tensors[find(recording, "add").id])


def test_disjoint_views_do_not_reach_each_other() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        a, b = y[0::2], y[1::2]
        a.zero_()
        return b + 1

    recording = traced(forward, X)
    assert [int(p.operation) for p in find(recording, "add").parents] == [3]


def test_columns_of_a_matrix_are_told_apart() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = (x * 1).reshape(2, 3)
        left, right = y[:, :1], y[:, 1:]
        left.zero_()
        return right + y.sum()

    recording = traced(forward, X)
    zero = find(recording, "zero_").id
    assert zero in [p.operation for p in find(recording, "sum").parents]
    assert zero not in [p.operation for p in find(recording, "add").parents if p.path == (0,)]


def test_several_views_written_in_turn_are_all_parents() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(3, 2)
        for i in range(3):
            y.select(0, i).copy_(x[2 * i : 2 * i + 2])
        return y.sum()

    recording = traced(forward, X)
    overlays = [p.operation for p in find(recording, "sum").parents if p.is_overlay]
    assert overlays == [o.id for o in recording.trace.operations if o.function and o.function.name == "copy_"]


@pytest.mark.parametrize("layer", [nn.Conv1d(1, 2, 3), nn.Linear(6, 6)])
@torch.no_grad()
def test_an_inplace_relu_leaves_the_saved_pre_activation(layer: nn.Module) -> None:
    model = nn.Sequential(layer, nn.ReLU(inplace=True))
    x = torch.randn(1, 1, 6)
    recording = lens_trace.trace(model, x)
    assert torch.equal(recording.tensors[1], layer(x))
    assert torch.equal(recording.tensors[2], layer(x).relu())
    assert find(recording, "relu_").is_inplace


def test_setitem_out_and_index_put_write() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(6)
        y[1:3] = x[1:3]
        torch.mul(x, 2, out=y)
        y.index_put_((torch.tensor([0]),), torch.tensor([7.0]))
        return y * 2

    recording = traced(forward, X)
    assert [int(p.operation) for p in find(recording, "mul", 1).parents] == [find(recording, "index_put_").id]
    assert recording.tensors[find(recording, "zeros").id].sum() == 0
    assert recording.tensors[find(recording, "__setitem__").id].tolist() == [0, 2, 3, 0, 0, 0]
    assert recording.tensors[find(recording, "mul").id].tolist() == [2, 4, 6, 8, 10, 12]


def test_a_write_through_a_conjugate_view_says_that_it_is_one() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = torch.complex(x, x)
        y.conj().mul_(2)
        return y + 1

    argument = find(traced(forward, X), "add").args[0]
    assert isinstance(argument, lens_trace.TensorRef)
    assert argument.geometry is not None and not argument.geometry.is_conj
    assert [o.geometry.is_conj for o in argument.overlays if o.geometry] == [True]


def test_data_writes_count() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        y.data.mul_(3)
        z = x * 2
        z.data = x * 5
        return y + z

    recording = traced(forward, X)
    add = find(recording, "add")
    assert find(recording, "mul_").id in [p.operation for p in add.parents]
    assert find(recording, "set_data").id in [p.operation for p in add.parents]
    assert torch.equal(recording.tensors[1], X)
    assert torch.equal(recording.tensors[add.id], X * 8)


def test_an_input_that_the_model_writes_is_saved_before_and_put_back() -> None:
    x = X.clone()
    recording = traced(lambda t: t.mul_(2) + 1, x)
    assert torch.equal(recording.tensors[0], X)
    assert torch.equal(recording.tensors[1], X * 2)
    assert torch.equal(x, X)


def test_a_parameter_that_the_model_writes_is_an_edge_and_is_put_back() -> None:
    class Decays(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = x * self.weight
            with torch.no_grad():
                self.weight.mul_(0.5)
            return first + x * self.weight

    model = Decays()
    version = model.weight._version
    recording = lens_trace.trace(model, torch.ones(3))
    assert find(recording, "mul_").id in [p.operation for p in find(recording, "mul", 1).parents]
    assert find(recording, "mul", 1).parameters == (0,)
    assert recording.tensors[recording.trace.outputs[0]].tolist() == [1.5, 1.5, 1.5]
    assert model.weight.tolist() == [1, 1, 1]
    assert model.weight._version == version + 1  # the model's own write; putting back adds none


def test_running_statistics_are_writes_and_are_put_back() -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    recording = lens_trace.trace(model, torch.rand(2, 1, 8))
    assert [w.path for w in find(recording, "batch_norm").writes] == [(3,), (4,)]
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_a_second_pass_reads_what_the_first_wrote_to_the_statistics() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(x) + self.norm(x)

    recording = lens_trace.trace(Twice().train(), torch.rand(4, 3))
    first, second = find(recording, "batch_norm"), find(recording, "batch_norm", 1)
    assert [p.path for p in second.parents if p.operation == first.id] == [(3,), (4,)]


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_saved_values_survive_later_writes_in_every_grad_mode(mode: type) -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        view = y.view(2, 3)
        view[0].add_(100)
        y.relu_()
        return y.sum()

    with mode():
        recording = traced(forward, X)
        assert recording.tensors[1].tolist() == [2, 4, 6, 8, 10, 12]
        assert recording.tensors[find(recording, "view").id].tolist() == [[2, 4, 6], [8, 10, 12]]


def test_resize_and_foreach_write() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        pair = [x * 1, x * 2]
        torch._foreach_mul_(pair, 2.0)
        return pair[0].resize_(3) + pair[1][:3]

    recording = traced(forward, X)
    assert recording.tensors[1].tolist() == X.tolist()
    assert find(recording, "resize_").is_inplace
    assert recording.tensors[recording.trace.outputs[0]].tolist() == [6, 12, 18]


def test_the_output_changed_through_a_view_after_its_operation_is_saved_as_returned() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 1
        y[0:2].zero_()
        return y

    recording = traced(forward, X)
    assert recording.tensors[recording.trace.outputs[0]].tolist() == [0, 0, 3, 4, 5, 6]
    assert recording.tensors[1].tolist() == X.tolist()
    identity = find(recording, "identity")
    assert recording.tensors[identity.id].tolist() == [0, 0, 3, 4, 5, 6]


def test_a_saved_value_that_the_user_writes_is_an_error_when_read_again() -> None:
    recording = traced(lambda x: x * 1, X)
    recording.tensors[1].add_(1)
    with pytest.raises(lens_trace.ChangedTensorError, match="operation 1"):
        recording.tensors[1]


def test_outputs_and_buffers_cached_by_the_model_may_change_afterwards() -> None:
    kept: list[torch.Tensor] = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        kept.append(y)
        return y

    recording = traced(forward, X)
    kept[0].zero_()
    assert recording.tensors[1].tolist() == (X * 2).tolist()
    assert recording.tensors[2].tolist() == (X * 2).tolist()


def test_detach_false_keeps_the_graph() -> None:
    weight = nn.Linear(6, 1)
    recording = lens_trace.trace(nn.Sequential(weight, nn.Softplus()), X, detach=False)
    hidden, out = recording.tensors[1], recording.tensors[2]
    (gradient,) = torch.autograd.grad(out.sum(), hidden)
    assert torch.allclose(gradient, hidden.sigmoid())  # nothing cancels here, wherever the weights put it


def test_bytes_of_shared_memory_are_counted_once() -> None:
    recording = traced(lambda x: (x * 1).view(2, 3).transpose(0, 1), torch.rand(6))
    assert recording.tensors.nbytes == 24 + 24  # the input, and one storage for three views and the output


def test_model_is_a_plain_function_of_its_arguments() -> None:
    assert names(lens_trace.trace(Calls(lambda *, a: a + 1), (), {"a": X})) == ["input", "add", "output"]


def test_functions_that_only_read_are_on_record_as_such() -> None:
    recording = traced(lambda x: x.sort()[0] + x.max() + x.topk(2)[0].sum(), X)
    assert not any(o.writes or o.is_inplace for o in recording.trace.operations)


def test_a_buffer_that_shows_part_of_statistics_descends_from_what_has_written_them() -> None:
    class Shows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3)
            self.part = nn.Buffer(self.norm.running_mean[:2])  # pyright: ignore[reportOptionalSubscript]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(self.norm(x)).sum() + self.part * 2

    recording = lens_trace.trace(Shows().train(), torch.rand(4, 3))
    part = next(o for o in recording.trace.operations if o.buffer == 0)
    norms = [find(recording, "batch_norm", nth).id for nth in range(2)]
    assert [(p.operation, p.is_overlay) for p in find(recording, "mul").parents] == [
        (part.id, False), (norms[0], True), (norms[1], True)
    ]  # fmt: skip


@pytest.mark.parametrize("as_parameter", [False, True])
def test_the_halves_of_a_table_are_sources_of_their_own(as_parameter: bool) -> None:
    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            one, self.other = torch.arange(8.0).chunk(2)
            self.one = nn.Parameter(one) if as_parameter else one

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x * self.one).sum() + (x - self.other).sum()

    recording = lens_trace.trace(Halves(), X[:4])
    difference = find(recording, "sub")
    source = recording.trace.operations[difference.parents[1].operation]
    assert source.kind == "constant"
    assert recording.tensors[source.id].tolist() == [4, 5, 6, 7]


def test_a_table_read_after_a_write_through_a_half_of_it_descends_from_the_write() -> None:
    table = torch.zeros(6)
    half = table[:3]

    def forward(x: torch.Tensor) -> torch.Tensor:
        half.copy_(x[:3])
        return table * 2

    recording = traced(forward, X)
    product = find(recording, "mul")
    assert [p.is_overlay for p in product.parents] == [False, True]
    assert product.parents[1].operation == find(recording, "copy_").id
