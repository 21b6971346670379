"""`plan`: layers chosen once, taken from many inputs with one pass each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import lens_torch as tl

PASSES: list[int] = []


class Branches(nn.Module):
    """Goes by the sign of its input, and drops some of it."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.drop = nn.Dropout()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        PASSES.append(1)
        y = self.up(x).relu() if x.sum() > 0 else self.down(x.cos()).tanh()
        return self.head(self.drop(y))


class Unroll(nn.Module):
    """As many steps as its input is long."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        PASSES.append(1)
        for _ in range(x.shape[0]):
            x = self.cell(x).tanh()
        return x.exp()


@pytest.fixture(autouse=True)
def _count() -> None:
    torch.manual_seed(0)
    PASSES.clear()


UP, DOWN = torch.ones(2, 4), -torch.ones(2, 4)


def test_a_run_takes_one_pass_and_gives_what_the_whole_history_has() -> None:
    model = Branches().eval()
    plan = tl.plan(model, UP, layers=["relu_1", "head"])
    assert plan.layers == ["relu_1_5", "linear_2_7"]
    for x in (UP, 2 * UP, torch.rand(5, 4)):
        PASSES.clear()
        history = plan.run(x)
        assert len(PASSES) == 1
        whole = tl.get_model_activations(model, x)
        assert history.saved_layers == plan.layers and history.layer_list == whole.layer_list
        assert all(torch.equal(history[k].tensor_contents, whole[k].tensor_contents) for k in plan.layers)


def test_a_plan_is_frozen_and_says_what_it_keeps() -> None:
    plan = tl.plan(Branches().eval(), UP, layers={"mine": "relu_1"})
    with pytest.raises(AttributeError):
        plan.random_seed = 3  # type: ignore[misc]
    assert "keeps 1 operations (relu_1_5)" in repr(plan)
    assert plan.run(UP)["mine"].layer_label == "relu_1_5"
    assert plan.structure.num_tensors_saved == 0


def test_planning_leaves_generators_and_the_model_as_if_nothing_had_run() -> None:
    model = Branches().train()
    expected = torch.get_rng_state()
    plan = tl.plan(model, UP, layers="dropout_1")
    assert torch.equal(torch.get_rng_state(), expected)
    torch.manual_seed(3)
    plain = model(UP)
    after = torch.rand(1)
    torch.manual_seed(3)
    history = plan.run(UP)
    assert torch.equal(torch.rand(1), after)
    torch.manual_seed(3)
    assert torch.equal(tl.get_model_activations(model, UP, layers="output_1")[0].tensor_contents, plain)
    assert history.saved_layers == ["dropout_1_6"]


def test_another_path_is_resolved_again() -> None:
    model = Branches().train()
    plan = tl.plan(model, UP, layers=["linear_1", "dropout_1"])
    torch.manual_seed(5)
    expected = tl.get_model_activations(model, DOWN, layers=["linear_1", "dropout_1"])
    after = torch.rand(1)
    torch.manual_seed(5)
    PASSES.clear()
    history = plan.run(DOWN)
    assert len(PASSES) == 2
    assert torch.equal(torch.rand(1), after)
    assert history.saved_layers == expected.saved_layers == ["linear_1_5", "dropout_1_7"]
    assert all(torch.equal(history[k].tensor_contents, expected[k].tensor_contents) for k in history.saved_layers)
    assert plan.run(UP).saved_layers == plan.layers


def test_another_path_on_which_the_layer_is_missing_is_a_key_error() -> None:
    plan = tl.plan(Branches().eval(), UP, layers="relu_1")
    with pytest.raises(KeyError, match="relu_1"):
        plan.run(DOWN)


def test_another_path_raises_where_asked_to_and_says_where() -> None:
    plan = tl.plan(Branches().eval(), UP, layers="relu_1", on_divergence="raise")
    with pytest.raises(tl.TraceDivergedError, match=r"operation 3, planned as linear_1_4: .*\.cos"):
        plan.run(DOWN)
    with pytest.raises(ValueError, match="on_divergence"):
        tl.plan(Branches(), UP, on_divergence="ignore")  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_another_number_of_steps_is_noticed(rows: int) -> None:
    model = Unroll()
    plan = tl.plan(model, torch.ones(3, 4), layers="exp_1")
    history = plan.run(torch.ones(rows, 4))
    assert torch.equal(history["exp_1"].tensor_contents, model(torch.ones(rows, 4)).detach())
    strict = tl.plan(model, torch.ones(3, 4), layers="exp_1", on_divergence="raise")
    with pytest.raises(tl.TraceDivergedError):
        strict.run(torch.ones(rows, 4))


def test_a_run_stops_early() -> None:
    class Never(nn.Module):
        armed = False

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert not self.armed, "the forward went on"
            return x * 2

    never = Never()
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), never)
    plan = tl.plan(model, UP, layers="relu_1", stop_early=True)
    never.armed = True
    history = plan.run(3 * UP)
    assert not history.is_complete and history.layer_list == ["input_1_1", "linear_1_2", "relu_1_3"]
    assert torch.equal(history["relu_1"].tensor_contents, model[:2](3 * UP).detach())


def test_a_stopped_run_on_another_path_is_resolved_again() -> None:
    model = Branches().eval()
    plan = tl.plan(model, UP, layers="linear_1", stop_early=True)
    history = plan.run(DOWN)
    assert torch.equal(history["linear_1"].tensor_contents, model.down(DOWN.cos()).detach())
    assert not history.is_complete


@pytest.mark.parametrize("layers", ["all", "none", "down", "relu_*"])
def test_plans_of_every_kind_run(layers: Any) -> None:
    plan = tl.plan(Branches().eval(), DOWN if layers == "down" else UP, layers=layers, transform=lambda t: t.sum())
    history = plan.run(DOWN if layers == "down" else UP)
    assert all(history[k].tensor_contents.shape == () for k in history.saved_layers)
    assert (len(history.saved_layers) == len(history)) == (layers == "all")


def test_wrong_layers_are_found_when_planning() -> None:
    with pytest.raises(KeyError, match="relu_1"):
        tl.plan(Branches(), UP, layers="relu_2")
    with pytest.raises(TypeError):
        tl.plan(Branches(), UP, layers=None)  # type: ignore[arg-type]


def test_a_run_stops_in_a_model_that_catches_everything() -> None:
    class Catches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            try:
                x = self.first(x).relu()
            except BaseException:
                x = -x
            return self.second(x)

    model, x = Catches(), torch.rand(2, 4)
    run = tl.plan(model, x, layers="first", stop_early=True, on_divergence="raise").run(x)
    assert run.layer_list == ["input_1_1", "linear_1_2"]
    assert torch.equal(run["first"].tensor_contents, model.first(x))
