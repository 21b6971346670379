"""`save_gradients`: the gradient of every kept activation, each pass by itself, and nothing left behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import lens_torch as tl
from lens_graph import NotSavedError


class Calls(nn.Module):
    """A model whose forward is a function."""

    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: torch.Tensor) -> torch.Tensor:
        return self.function(*args)


def _traced(function: Callable[..., torch.Tensor], *args: torch.Tensor) -> tl.ModelHistory:
    return tl.get_model_activations(Calls(function), args, save_gradients=True)


@pytest.fixture
def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.BatchNorm1d(4), nn.Linear(4, 2))


@pytest.fixture
def x() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(3, 4, requires_grad=True)


def test_gradients_are_those_that_autograd_gives(model: nn.Sequential, x: torch.Tensor) -> None:
    history = tl.get_model_activations(model, x, save_gradients=True)
    history.output_tensors[0].square().sum().backward()
    value, kept = x.detach().clone().requires_grad_(), []
    plain = value
    for layer in nn.Sequential(model[0], nn.ReLU(), model[2], model[3]):
        plain = layer(plain)
        plain.retain_grad()
        kept.append(plain)
    plain.square().sum().backward()
    for name, tensor in zip(["linear_1", "relu_1", "batchnorm_1", "linear_2"], kept, strict=True):
        layer = history[name]
        torch.testing.assert_close(layer.grad_contents, tensor.grad, msg=name)
        assert layer.grad_shape == layer.tensor_shape
        assert (layer.grad_dtype, layer.grad_fsize) == ("float32", layer.tensor_fsize)
    torch.testing.assert_close(history["input_1"].grad_contents, value.grad)
    torch.testing.assert_close(x.grad, value.grad)


def test_gradients_of_parameters_are_those_of_a_plain_pass(model: nn.Sequential, x: torch.Tensor) -> None:
    model(x).sum().backward()
    plain = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    history = tl.get_model_activations(model, x, save_gradients=True)
    history["output_1"].tensor_contents.sum().backward()
    for parameter, expected in zip(model.parameters(), plain, strict=True):
        torch.testing.assert_close(parameter.grad, expected)


def test_saved_values_are_detached_and_exact_beside_the_graph(x: torch.Tensor) -> None:
    history = _traced(lambda t: (t * 2).add_(1).relu_(), x)
    assert torch.equal(history["mul_1"].tensor_contents, x.detach() * 2)
    assert not history["mul_1"].tensor_contents.requires_grad
    assert history["output_1"].tensor_contents is history.output_tensors[0]
    assert history["output_1"].tensor_contents.requires_grad


def test_in_place_results_have_each_their_own_gradient() -> None:
    x = torch.ones(3, requires_grad=True)
    history = _traced(lambda t: (t * 2).add_(1).mul_(3), x)
    (history.output_tensors[0] * 5).sum().backward()
    assert [history[name].grad_contents.tolist() for name in ("mul_2", "add_1", "mul_1", "input_1")] == [
        [5.0] * 3,
        [15.0] * 3,
        [15.0] * 3,
        [30.0] * 3,
    ]


def test_writes_through_a_view_have_the_gradient_of_the_part_they_wrote() -> None:
    def through_view(t: torch.Tensor) -> torch.Tensor:
        whole = t.clone()
        part = whole[0:2]
        part.mul_(7)
        return (whole * 2).sum() + (part * 10).sum()

    history = _traced(through_view, torch.ones(3, requires_grad=True))
    history.output_tensors[0].backward()
    assert history["clone_1"].grad_contents.tolist() == [84, 84, 2]
    assert history["mul_1"].grad_contents.tolist() == [12, 12]
    with pytest.raises(NotSavedError, match="autograd does not tell the gradient of getitem_1_3: it is a view"):
        _ = history["getitem_1"].grad_contents


def test_assigned_items_have_the_gradient_of_the_whole() -> None:
    def assign(t: torch.Tensor) -> torch.Tensor:
        whole = t * 1
        whole[0] = t[1] * 4
        return whole.sum()

    history = _traced(assign, torch.ones(3, requires_grad=True))
    history.output_tensors[0].backward()
    assert history["setitem_1"].grad_contents.tolist() == [1, 1, 1]
    assert history["mul_1"].grad_contents.tolist() == [0, 1, 1]
    assert history["input_1"].grad_contents.tolist() == [0, 5, 1]


def test_scalars_and_several_outputs_have_gradients() -> None:
    def several(t: torch.Tensor) -> torch.Tensor:
        low, high = t.split(1)
        return low.sum() * high.mean()

    history = _traced(several, torch.tensor([2.0, 3.0], requires_grad=True))
    history.output_tensors[0].backward()
    assert history["sum_1"].grad_contents.shape == ()
    assert history["sum_1"].grad_contents.item() == 3
    assert [history[name].grad_contents.item() for name in ("split_1", "split_2")] == [3, 2]
    assert history["input_1"].grad_contents.tolist() == [3, 2]


def test_passes_of_a_recurrent_layer_have_each_their_own(x: torch.Tensor) -> None:
    layer = nn.Linear(4, 4)

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, t: torch.Tensor) -> torch.Tensor:
            return self.layer(self.layer(t))

    history = tl.get_model_activations(Twice(), x, save_gradients=True)
    history.output_tensors[0].sum().backward()
    assert torch.equal(history["linear_1:2"].grad_contents, torch.ones(3, 4))
    torch.testing.assert_close(history["linear_1:1"].grad_contents, torch.ones(3, 4) @ layer.weight.detach())


def test_backward_passes_are_told_apart_and_the_latest_is_the_gradient() -> None:
    def two_ways(t: torch.Tensor) -> torch.Tensor:
        return torch.stack([(t * 2).sum(), (t * 3).sum()])

    x = torch.ones(2, requires_grad=True)
    history = _traced(two_ways, x)
    output = history.output_tensors[0]
    assert history.num_backward_passes == 0
    assert history["mul_1"].gradients == []
    output[0].backward(retain_graph=True)
    output[1].backward(retain_graph=True)
    (output[0] * 10).backward()
    assert history.num_backward_passes == 3
    assert [g if g is None else g.tolist() for g in history["input_1"].gradients] == [[2, 2], [3, 3], [20, 20]]
    assert history["mul_2"].gradients[1].tolist() == [1, 1]
    assert history["input_1"].grad_contents.tolist() == [20, 20]
    assert x.grad.tolist() == [25, 25]


def test_a_pass_that_does_not_reach_a_value_leaves_its_place_empty() -> None:
    class Two(nn.Module):
        def forward(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return t.sin(), t.cos()

    history = tl.get_model_activations(Two(), torch.ones(2, requires_grad=True), save_gradients=True)
    history.output_tensors[0].sum().backward()
    history.output_tensors[1].sum().backward()
    assert [g is None for g in history["sin_1"].gradients] == [False, True]
    assert [g is None for g in history["cos_1"].gradients] == [True, False]
    assert torch.equal(history["sin_1"].grad_contents, torch.ones(2))


def test_autograd_grad_counts_as_a_pass(x: torch.Tensor) -> None:
    history = _traced(lambda t: t.exp().sum(), x)
    (found,) = torch.autograd.grad(history.output_tensors[0], x)
    assert torch.equal(history["input_1"].grad_contents, found)
    assert x.grad is None


def test_a_later_change_of_a_gradient_does_not_reach_the_noted_one(x: torch.Tensor) -> None:
    history = _traced(lambda t: t.sum(), x)
    history.output_tensors[0].backward(retain_graph=True)
    x.grad.mul_(100)
    history.output_tensors[0].backward()
    assert [g.max().item() for g in history["input_1"].gradients] == [1, 1]


def test_what_has_no_gradient_says_why(model: nn.Sequential, x: torch.Tensor) -> None:
    history = tl.get_model_activations(model, x.detach(), save_gradients=True)
    with pytest.raises(NotSavedError, match="requires_grad is False"):
        _ = history["input_1"].grad_contents
    with pytest.raises(NotSavedError, match="call backward"):
        _ = history["linear_1"].grad_contents
    plain = tl.get_model_activations(model, x)
    with pytest.raises(NotSavedError, match="save_gradients=True"):
        _ = plain["linear_1"].grad_contents
    with pytest.raises(NotSavedError, match="save_gradients=True"):
        _ = plain.output_tensors
    assert (plain["linear_1"].grad_shape, plain["linear_1"].has_grad) == (None, False)
    with torch.no_grad(), pytest.raises(ValueError, match="no_grad"):
        tl.get_model_activations(model, x, save_gradients=True)


def test_only_chosen_layers_have_gradients(model: nn.Sequential, x: torch.Tensor) -> None:
    history = tl.get_model_activations(model, x, layers="relu_1", save_gradients=True)
    history.output_tensors[0].sum().backward()
    assert history["relu_1"].has_grad
    with pytest.raises(NotSavedError, match="layers="):
        _ = history["linear_1"].grad_contents


def test_an_input_that_was_written_and_put_back_gives_the_right_loss() -> None:
    weight = nn.Parameter(torch.ones(3))
    x = torch.ones(3)
    history = _traced(lambda t: t.mul_(2) * weight, x)
    assert torch.equal(x, torch.ones(3))
    history.output_tensors[0].sum().backward()
    assert weight.grad.tolist() == [2, 2, 2]
    returned = _traced(lambda t: t.mul_(2), torch.ones(3))
    assert returned.output_tensors[0].tolist() == [2, 2, 2]


@pytest.mark.parametrize("is_run_back", [False, True])
def test_nothing_outlives_the_history(is_run_back: bool, x: torch.Tensor) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    history = tl.get_model_activations(model, x, save_gradients=True)
    if is_run_back:
        history.output_tensors[0].sum().backward()
    traces = [weakref.ref(model), weakref.ref(model[0].weight), weakref.ref(history.interpretation.payloads.gradients)]
    traces += [weakref.ref(tensor) for tensor in history.output_tensors]
    assert x._backward_hooks
    del history, model
    x.grad = None
    gc.collect()
    assert [reference() for reference in traces] == [None] * len(traces)
    assert not x._backward_hooks


def test_a_backward_after_the_history_is_gone_runs_undisturbed(x: torch.Tensor) -> None:
    history = _traced(lambda t: (t * 2).sum(), x)
    loss = history.output_tensors[0]
    keeper = weakref.ref(history.interpretation.payloads.gradients)
    del history
    gc.collect()
    assert keeper() is None
    loss.backward()
    assert torch.equal(x.grad, torch.full((3, 4), 2.0))


def test_a_model_that_fails_leaves_no_hook_on_the_input(x: torch.Tensor) -> None:
    def broken(t: torch.Tensor) -> torch.Tensor:
        _ = t * 2
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        _traced(broken, x)
    gc.collect()
    assert not x._backward_hooks


def test_gradients_beside_streamed_values(model: nn.Sequential, x: torch.Tensor, tmp_path: Path) -> None:
    history = tl.get_model_activations(model, x, save_gradients=True, save_to=tmp_path / "h")
    history.output_tensors[0].sum().backward()
    assert history["linear_1"].grad_contents.shape == (3, 4)
    assert not tl.load(tmp_path / "h")["linear_1"].has_grad
    history.save(tmp_path / "h", overwrite=True)
    loaded = tl.load(tmp_path / "h", check="now")
    assert torch.equal(loaded["linear_1"].grad_contents, history["linear_1"].grad_contents)
    assert loaded.num_backward_passes == 1


def test_checkpointed_bodies_have_gradients(x: torch.Tensor) -> None:
    from torch.utils.checkpoint import checkpoint

    layer = nn.Linear(4, 4)

    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, t: torch.Tensor) -> torch.Tensor:
            return checkpoint(lambda v: torch.tanh(self.layer(v)), t, use_reentrant=False) * 2

    history = tl.get_model_activations(Checkpointed(), x, save_gradients=True)
    history.output_tensors[0].sum().backward()
    torch.testing.assert_close(history["tanh_1"].grad_contents, torch.full((3, 4), 2.0))
    torch.testing.assert_close(layer.bias.grad, (2 * (1 - torch.tanh(layer(x)) ** 2)).sum(0).detach())


def test_results_that_a_loss_does_not_reach_leave_the_backward_alone(x: torch.Tensor) -> None:
    def several(t: torch.Tensor) -> torch.Tensor:
        _, mean = torch.var_mean(t, 0)
        first, _ = t.chunk(2)
        return mean.sum() + first.sum() + torch._foreach_mul([t * 1, t * 2], 2.0)[1].sum()

    history = _traced(several, x)
    history.output_tensors[0].backward()
    expected = torch.autograd.grad(several(x), x)[0]
    assert torch.equal(history["input_1"].grad_contents, expected)
    assert history["varmean_2"].has_grad and not history["varmean_1"].has_grad


@pytest.mark.parametrize("is_leaf", [True, False])
@pytest.mark.parametrize("layers", ["all", "input_1"])
def test_other_uses_of_an_input_do_not_count(layers: str, is_leaf: bool, x: torch.Tensor) -> None:
    given = x if is_leaf else x * 2
    history = tl.get_model_activations(Calls(torch.sin), given, layers=layers, save_gradients=True)
    history.output_tensors[0].sum().backward(retain_graph=True)
    expected = history["input_1"].grad_contents
    (given * 100).sum().backward(retain_graph=True)
    assert torch.equal(history["input_1"].grad_contents, expected)
    assert history.num_backward_passes == 1
    history.output_tensors[0].sum().backward(retain_graph=True)
    assert history.num_backward_passes == 2


def test_an_input_that_is_returned_itself_has_a_gradient(x: torch.Tensor) -> None:
    history = _traced(lambda t: t, x)
    history.output_tensors[0].sum().backward()
    assert torch.equal(history["input_1"].grad_contents, torch.ones(3, 4))


def test_transforms_of_torch_func_run_beside_gradients(x: torch.Tensor) -> None:
    def nested(t: torch.Tensor) -> torch.Tensor:
        slope = torch.func.grad(lambda v: v.pow(3).sum())(t)
        return slope + torch.func.jacrev(torch.sin)(t[0]).sum() + torch.vmap(torch.cos)(t)

    if not hasattr(torch._C._autograd, "_top_saved_tensors_default_hooks"):  # torch 2.6 cannot say whose hooks are set
        with pytest.raises(RuntimeError, match="saved tensor hooks"):
            _traced(nested, x)
        return
    history = _traced(nested, x)
    history.output_tensors[0].sum().backward()
    torch.testing.assert_close(x.grad, torch.autograd.grad(nested(x).sum(), x)[0])
    assert torch.equal(history["input_1"].grad_contents, x.grad)
