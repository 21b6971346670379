"""The layers of real models, from forward pass to labels."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import lens_graph
import lens_trace
from tests.integration import recurrent_models as models

STATE = torch.rand(2, 4)
SEQUENCE = torch.rand(2, 5, 5)
IMAGE = torch.rand(1, 1, 8, 8)


def history_of(model: nn.Module, *inputs: torch.Tensor) -> lens_graph.ModelHistory:
    recording = lens_trace.trace(model.eval(), inputs, {})
    return lens_graph.build_history(recording.trace, recording.tensors, objects=recording.objects)


def passes_of(model: nn.Module, *inputs: torch.Tensor) -> dict[str, int]:
    """Passes by full label, inputs and outputs left out."""
    history = history_of(model, *inputs)
    return {
        label: len(history[label].passes) for label in history.layer_list if not label.startswith(("input_", "output_"))
    }


def recurrent(counts: dict[str, int]) -> dict[str, int]:
    return {label: count for label, count in counts.items() if count > 1}


def function(label: str) -> str:
    return label.split("_")[0]


def test_figure_3a() -> None:
    history = history_of(models.Figure3A(), STATE)
    assert history.layer_list == ["input_1_1", "cos_1_2", "linear_1_3", "add_1_4", "sin_1_5", "output_1_6"]
    assert [len(history[label].passes) for label in history.layer_list] == [1, 2, 2, 2, 1, 1]
    assert history.model_is_recurrent
    assert history.model_max_recurrent_loops == 2
    assert history["cos_1_2:1"].parent_layers == ["input_1_1"]
    assert history["cos_1_2:2"].parent_layers == ["sin_1_5"]


def test_figure_3b() -> None:
    assert passes_of(models.Figure3B(), STATE) == {
        "cos_1_2": 2,
        "relu_1_3": 2,
        "mul_1_4": 2,
        "tan_1_5": 1,
        "cos_2_6": 1,
        "relu_2_7": 1,
        "mul_2_8": 1,
    }


@pytest.mark.parametrize("cell", [nn.LSTMCell(5, 8), nn.GRUCell(5, 8), nn.RNNCell(5, 8)], ids=lambda cell: str(cell))
@pytest.mark.parametrize("steps", [2, 5, 11])
def test_a_cell_over_time_has_one_pass_a_step(cell: nn.Module, steps: int) -> None:
    counts = passes_of(models.CellLoop(cell), torch.rand(2, steps, 5))
    name = type(cell).__name__.lower()
    outputs = [count for label, count in counts.items() if name in function(label) or function(label) == "rnntanhcell"]
    assert outputs == [steps] * (2 if name == "lstmcell" else 1)
    assert counts["linear_1_6" if name == "lstmcell" else "linear_1_5"] == steps


def test_written_out_gates_are_layers_of_their_own() -> None:
    counts = passes_of(models.HandWrittenLSTM(), SEQUENCE)
    by_function: dict[str, list[int]] = {}
    for label, count in counts.items():
        by_function.setdefault(function(label), []).append(count)
    assert by_function["linear"] == [5, 5]
    assert by_function["chunk"] == [5, 5, 5, 5]
    assert by_function["sigmoid"] == [5, 5, 5]
    assert by_function["tanh"] == [5, 5]
    assert by_function["mul"] == [5, 5, 5]
    assert by_function["add"] == [5, 5]
    assert by_function["zeros"] == [1, 1]
    assert set(by_function["getitem"]) == {1}


def test_one_block_applied_again_and_again() -> None:
    counts = passes_of(models.Albert(6), torch.randint(0, 20, (1, 5)))
    inside = {label: count for label, count in counts.items() if function(label) not in ("embedding", "t", "matmul")}
    assert set(inside.values()) == {6}
    assert counts["embedding_1_2"] == 1


def test_different_blocks_are_feed_forward_with_attention_opened() -> None:
    history = history_of(models.Stack(4), torch.rand(1, 5, 8))
    assert not history.model_is_recurrent
    assert any("scaleddotproductattention" in label for label in history.layer_list)


@pytest.mark.parametrize("need_weights", [False, True])
def test_multihead_attention_is_not_recurrent(need_weights: bool) -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return self.attention(x, y, y, need_weights=need_weights)[0]

    assert recurrent(passes_of(Attention(), torch.rand(5, 2, 8), torch.rand(5, 2, 8))) == {}
    x = torch.rand(5, 2, 8)
    assert recurrent(passes_of(Attention(), x, x)) == {}


def test_towers_with_shared_parameters_are_two_passes() -> None:
    assert passes_of(models.Siamese(), IMAGE, torch.rand(1, 1, 8, 8)) == {
        "conv2d_1_3": 2,
        "relu_1_4": 2,
        "maxpool2d_1_5": 2,
        "flatten_1_6": 2,
        "linear_1_7": 2,
        "sub_1_8": 1,
        "abs_1_9": 1,
        "sum_1_10": 1,
    }


@pytest.mark.parametrize("steps", [2, 4, 7])
def test_lateral_and_feedback_connections(steps: int) -> None:
    counts = passes_of(models.Cornet(steps), IMAGE)
    repeated = recurrent(counts)
    assert set(repeated.values()) == {steps}
    assert sorted(map(function, repeated)) == ["add"] * 3 + ["conv2d"] * 4 + ["relu"] * 2


@pytest.mark.parametrize("steps", [3, 50])
def test_a_sampler_has_one_pass_a_step(steps: int) -> None:
    counts = passes_of(models.Sampler(steps), IMAGE)
    assert set(recurrent(counts).values()) == {steps}
    once = [label for label, count in counts.items() if count == 1]
    assert {function(label) for label in once} == {"full"}


def test_iteration_to_a_fixed_point() -> None:
    counts = passes_of(models.FixedPoint(), STATE)
    repeated = recurrent(counts)
    assert len(set(repeated.values())) == 1
    assert [function(label) for label in repeated][:4] == ["linear", "add", "tanh", "sub"]


def test_early_exit() -> None:
    counts = passes_of(models.EarlyExit(), STATE)
    assert [counts[label] for label in ("linear_1_2", "relu_1_3", "linear_2_4", "softmax_1_5")] == [4, 4, 4, 3]


def test_a_head_over_a_pyramid_has_one_pass_a_level() -> None:
    counts = passes_of(models.SharedHead(), torch.rand(1, 4, 64, 64))
    assert [function(label) for label in recurrent(counts)] == ["conv2d", "relu", "conv2d", "flatten"]
    assert set(recurrent(counts).values()) == {5}


def test_a_module_at_two_addresses_is_one_layer() -> None:
    assert passes_of(models.TwoAddresses(), STATE) == {"linear_1_2": 2, "relu_1_3": 2, "linear_2_4": 1, "relu_2_5": 1}


def test_one_weight_in_two_functions_is_two_layers() -> None:
    assert recurrent(passes_of(models.TwoFunctions(), torch.randint(0, 10, (1, 3)))) == {}


def test_slices_of_one_parameter_are_layers_of_their_own() -> None:
    assert recurrent(passes_of(models.Experts(), STATE)) == {}


def test_a_loop_over_different_modules_is_feed_forward() -> None:
    assert recurrent(passes_of(models.Residuals(), torch.rand(1, 4, 5, 5))) == {}


def test_a_loop_inside_a_module_called_in_a_loop() -> None:
    counts = passes_of(models.InnerLoop(), STATE)
    assert sum(count for label, count in counts.items() if function(label) == "exp") == 12
    assert counts["linear_1_2"] == 4
    assert set(counts.values()) == {4}


def test_keys_and_values_that_grow_stay_one_layer() -> None:
    counts = passes_of(models.CachedAttention(), torch.rand(1, 3, 4))
    assert counts["linear_1_2"] == 5
    assert [count for label, count in counts.items() if function(label) in ("softmax", "matmul", "cat")] == [4] * 5


# --- single operations and loops without parameters ---


def loop_of_tanh(x: torch.Tensor) -> torch.Tensor:
    for _ in range(5):
        x = torch.tanh(x)
    return x


def loop_of_two_tanh(x: torch.Tensor) -> torch.Tensor:
    for _ in range(3):
        x = torch.tanh(torch.tanh(x))
    return x


def in_place_loop(x: torch.Tensor) -> torch.Tensor:
    x = x * 1
    for _ in range(4):
        x.mul_(0.5)
    return x


def nested_loop(x: torch.Tensor) -> torch.Tensor:
    for _ in range(3):
        x = torch.sin(x)
        for _ in range(4):
            x = torch.exp(x)
            x = torch.tanh(x)
    return x


def power_series(x: torch.Tensor) -> torch.Tensor:
    total, term = x * 0, x + 1
    for _ in range(6):
        total = total + term
        term = term * 0.5
    return total


def newton(x: torch.Tensor) -> torch.Tensor:
    y = x
    for _ in range(5):
        y = (y + x / y) * 0.5
    return y


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        (loop_of_tanh, {"tanh": [5]}),
        (loop_of_two_tanh, {"tanh": [3, 3]}),
        (in_place_loop, {"mul": [1, 4]}),
        (nested_loop, {"sin": [3], "exp": [12], "tanh": [12]}),
        (power_series, {"mul": [1, 6], "add": [1, 6]}),
        (newton, {"div": [5], "add": [5], "mul": [5]}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_loops_without_parameters(loop, expected: dict[str, list[int]]) -> None:
    counts: dict[str, list[int]] = {}
    for label, count in passes_of(models.Function(loop), STATE).items():
        counts.setdefault(function(label), []).append(count)
    assert counts == expected


@pytest.mark.parametrize(
    "expression",
    [
        lambda x: torch.relu(torch.relu(x)),
        lambda x: x.unsqueeze(1).unsqueeze(1),
        lambda x: x + x.sin() + x.cos() + x.exp() + x.tan(),
        lambda x: sum([x.sin(), x.cos(), x.exp(), x.tan(), x.abs()]),
        lambda x: torch.stack([torch.tanh(row) for row in x]),
        lambda x: torch.cat([torch.relu(x.view(4, 2).t()), torch.relu(x.view(4, 2).t())]),
    ],
    ids=["relu twice", "unsqueeze twice", "sum written out", "sum of a list", "rows apart", "equal branches"],
)
def test_written_out_code_is_not_recurrent(expression) -> None:
    assert recurrent(passes_of(models.Function(expression), STATE)) == {}


def test_two_dropouts_in_a_row_are_two_layers() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Dropout(0.5))
    assert recurrent(passes_of(model, STATE)) == {}


def test_one_activation_module_in_a_row_of_layers_is_not_recurrent() -> None:
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(4, 4), relu, nn.Linear(4, 4), relu, nn.Linear(4, 4), relu)
    assert recurrent(passes_of(model, STATE)) == {}


def test_a_recurrent_net_over_variable_lengths() -> None:
    for steps in (1, 2, 9):
        counts = passes_of(models.CellLoop(nn.GRUCell(5, 8)), torch.rand(2, steps, 5))
        assert max(counts.values()) == steps


FAMILIES = (
    "alexnet",
    "convnext_tiny",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "inception_v3",
    "maxvit_t",
    "mnasnet0_5",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "resnet18",
    "resnext50_32x4d",
    "shufflenet_v2_x0_5",
    "squeezenet1_0",
    "swin_t",
    "swin_v2_t",
    "vgg11_bn",
    "vit_b_16",
)


@pytest.mark.parametrize("name", FAMILIES)
def test_torchvision_classifiers_are_feed_forward(name: str) -> None:
    torchvision = pytest.importorskip("torchvision")
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        model = torchvision.models.get_model(name, **options)
        side = 299 if name == "inception_v3" else 224
        image = torch.rand(1, 3, side, side)
    assert recurrent(passes_of(model, image)) == {}
