"""The fields of Supplementary Table 1, typed from the paper and checked against values computed by hand."""

from typing import Any

import pytest

from lens_graph import ModelHistory, NotSavedError, build_history

from .hand_made import chain, words
from .sample_traces import alexnet, branching, recurrent

MODEL_FIELDS = words(
    """
    model_name random_seed_used model_is_recurrent model_max_recurrent_loops model_is_branching
    model_has_conditional_branching layer_list input_layers output_layers buffer_layers
    internally_initialized_layers internally_terminated_bool_layers layers_computed_with_params num_tensors_total
    tensor_fsize_total tensor_fsize_saved num_tensors_saved total_param_tensors total_param_layers total_params
    total_params_fsize module_addresses module_types module_num_passes module_pass_children
    top_level_module_passes pass_start_time pass_end_time elapsed_time_total elapsed_time_function_calls
    elapsed_time_logging
    """
)
OPERATION_FIELDS = words(
    """
    layer_label layer_label_w_pass operation_num layer_type layer_type_num layer_total_num pass_num
    layer_passes_total lookup_keys tensor_contents tensor_shape tensor_dtype tensor_fsize creation_args
    creation_kwargs func_applied func_applied_name func_time_elapsed func_rng_states func_position_args_non_tensor
    func_keyword_args_non_tensor function_is_inplace gradfunc_name is_part_of_iterable_output
    iterable_output_index computed_with_params num_param_tensors parent_param_shapes num_params_total
    parent_params_fsize same_layer_operations parent_layers orig_ancestors child_layers sibling_layers
    spouse_layers is_input_layer has_input_ancestor min_distance_from_input max_distance_from_input
    is_output_layer is_output_ancestor output_descendants min_distance_from_output max_distance_from_output
    is_buffer_layer buffer_address initialized_inside_model internally_initialized_parents
    internally_initialized_ancestors terminated_inside_model is_terminal_bool_layer in_cond_branch
    is_computed_inside_submodule containing_module_origin containing_module_origin_nested modules_entered
    is_submodule_output modules_exited is_bottom_level_submodule_output
    """
)


def everything(trace: Any) -> ModelHistory:
    tensors = {operation.id: f"tensor {operation.id}" for operation in trace.operations}
    functions = {operation.call_id: max for operation in trace.operations if operation.call_id is not None}
    return build_history(trace, tensors, functions=functions, rng_states={0: "state"})


@pytest.mark.parametrize("trace", [alexnet(), branching(), recurrent()], ids=["alexnet", "branching", "recurrent"])
def test_every_field_of_the_table_is_there(trace: Any) -> None:
    history = everything(trace)
    for name in MODEL_FIELDS:
        getattr(history, name)
    for operation in history.operations:
        for name in OPERATION_FIELDS:
            getattr(operation, name)
    for layer in history:
        if layer.layer_passes_total == 1:
            for name in OPERATION_FIELDS:
                assert getattr(layer, name) == getattr(layer.passes[0], name), name


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "model_name": "AlexNet",
        "random_seed_used": 3,
        "model_is_recurrent": False,
        "model_max_recurrent_loops": 1,
        "model_is_branching": False,
        "model_has_conditional_branching": False,
        "input_layers": ["input_1_1"],
        "output_layers": ["output_1_24"],
        "buffer_layers": [],
        "internally_initialized_layers": [],
        "internally_terminated_bool_layers": [],
        "layers_computed_with_params": words(
            """
    conv2d_1_2 conv2d_2_5 conv2d_3_8 conv2d_4_10 conv2d_5_12 linear_1_18 linear_2_21 linear_3_23
    """
        ),
        "num_tensors_total": 24,
        "tensor_fsize_total": 6 * 3 * 224 * 224 * 4 + 23 * 24,
        "tensor_fsize_saved": 6 * 3 * 224 * 224 * 4 + 23 * 24,
        "num_tensors_saved": 24,
        "total_param_tensors": 16,
        "total_param_layers": 8,
        "total_params": 16 * 12,
        "total_params_fsize": 16 * 48,
        "top_level_module_passes": ["features:1", "avgpool:1", "classifier:1"],
        "pass_start_time": 100.0,
        "pass_end_time": 101.0,
        "elapsed_time_total": 1.0,
        "elapsed_time_function_calls": 0.25,
    }.items(),
)
def test_model_fields_of_alexnet(name: str, value: object) -> None:
    assert getattr(everything(alexnet()), name) == value


def test_modules_of_alexnet() -> None:
    history = everything(alexnet())
    assert len(history.module_addresses) == 23
    assert history.module_addresses[:2] == ["features", "features.0"]
    assert history.module_types["features.6"] == "Conv2d" and history.module_types["classifier"] == "Sequential"
    assert set(history.module_num_passes.values()) == {1}
    assert history.module_pass_children["classifier:1"] == [f"classifier.{index}:1" for index in range(7)]
    assert history.module_pass_children["avgpool:1"] == []
    assert history.elapsed_time_logging > 0.75


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "layer_label": "conv2d_3_8",
        "layer_label_w_pass": "conv2d_3_8:1",
        "operation_num": 8,
        "layer_type": "conv2d",
        "layer_type_num": 3,
        "layer_total_num": 8,
        "pass_num": 1,
        "layer_passes_total": 1,
        "tensor_contents": "tensor 7",
        "tensor_shape": (2, 3),
        "tensor_dtype": "float32",
        "tensor_fsize": 24,
        "creation_kwargs": {},
        "func_applied": max,
        "func_applied_name": "conv2d",
        "func_time_elapsed": 1e-6,
        "func_rng_states": None,
        "func_position_args_non_tensor": [],
        "func_keyword_args_non_tensor": {},
        "function_is_inplace": False,
        "gradfunc_name": "AddBackward0",
        "is_part_of_iterable_output": False,
        "iterable_output_index": None,
        "computed_with_params": True,
        "num_param_tensors": 2,
        "parent_params": ["features.6.weight", "features.6.bias"],
        "parent_param_shapes": [(4, 3), (4, 3)],
        "num_params_total": 24,
        "parent_params_fsize": 96,
        "same_layer_operations": [],
        "parent_layers": ["maxpool2d_2_7"],
        "orig_ancestors": ["input_1_1"],
        "child_layers": ["relu_3_9"],
        "sibling_layers": [],
        "spouse_layers": [],
        "is_input_layer": False,
        "has_input_ancestor": True,
        "min_distance_from_input": 7,
        "max_distance_from_input": 7,
        "is_output_layer": False,
        "is_output_ancestor": True,
        "output_descendants": ["output_1_24"],
        "min_distance_from_output": 16,
        "max_distance_from_output": 16,
        "is_buffer_layer": False,
        "buffer_address": None,
        "initialized_inside_model": False,
        "internally_initialized_parents": [],
        "internally_initialized_ancestors": [],
        "terminated_inside_model": False,
        "is_terminal_bool_layer": False,
        "in_cond_branch": False,
        "is_computed_inside_submodule": True,
        "containing_module_origin": "features.6",
        "containing_module_origin_nested": ["features", "features.6"],
        "containing_module_calls": ["features:1", "features.6:1"],
        "containing_module_classes": ["Sequential", "Conv2d"],
        "modules_entered": ["features.7"],
        "is_submodule_output": True,
        "modules_exited": ["features.6"],
        "is_bottom_level_submodule_output": True,
    }.items(),
)
def test_operation_fields_of_alexnets_third_convolution(name: str, value: object) -> None:
    assert getattr(everything(alexnet())["conv2d_3_8"], name) == value


def test_lookup_keys_of_alexnets_third_convolution() -> None:
    assert everything(alexnet())["conv2d_3_8"].lookup_keys == [
        "conv2d_3_8", "conv2d_3", "features.6", 7, -17, "conv2d_3_8:1", "conv2d_3:1", "features.6:1"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "model_is_recurrent": False,
        "model_is_branching": True,
        "model_has_conditional_branching": True,
        "output_layers": ["output_1_13", "output_2_14"],
        "buffer_layers": ["buffer_1"],
        "internally_initialized_layers": ["rand_1_8", "constant_1_10"],
        "internally_terminated_bool_layers": ["gt_1_6"],
        "layers_computed_with_params": ["linear_1_2"],
        "num_tensors_total": 14,
        "num_tensors_saved": 14,
        "total_param_layers": 1,
        "module_addresses": ["fc", "act"],
    }.items(),
)
def test_model_fields_with_branches_and_buffers(name: str, value: object) -> None:
    assert getattr(everything(branching()), name) == value


@pytest.mark.parametrize(
    ("label", "name", "value"),
    [
        ("add_1", "parent_layers", ["linear_1_2", "buffer_1"]),
        ("add_1", "child_layers", ["sub_1_4", "relu_1_7", "mul_1_9", "neg_1_12"]),
        ("add_1", "orig_ancestors", ["input_1_1", "buffer_1"]),
        ("add_1", "output_descendants", ["output_1_13", "output_2_14"]),
        ("add_1", "modules_entered", ["act"]),
        ("add_1", "is_computed_inside_submodule", False),
        ("add_1", "containing_module_origin", None),
        ("add_1", "max_distance_from_output", 3),
        ("add_1", "min_distance_from_output", 2),
        ("buffer_1", "is_buffer_layer", True),
        ("buffer_1", "buffer_address", "shift"),
        ("buffer_1", "has_input_ancestor", False),
        ("buffer_1", "spouse_layers", ["linear_1_2"]),
        ("sub_1", "in_cond_branch", True),
        ("sub_1", "sibling_layers", ["relu_1_7", "mul_1_9", "neg_1_12"]),
        ("sub_1", "is_output_ancestor", False),
        ("sub_1", "func_position_args_non_tensor", [5]),
        ("gt_1", "is_terminal_bool_layer", True),
        ("gt_1", "terminated_inside_model", True),
        ("relu_1", "function_is_inplace", True),
        ("relu_1", "is_bottom_level_submodule_output", True),
        ("rand_1", "initialized_inside_model", True),
        ("rand_1", "min_distance_from_input", None),
        ("rand_1", "orig_ancestors", []),
        ("mul_1", "internally_initialized_parents", ["rand_1_8"]),
        ("cat_1", "internally_initialized_ancestors", ["rand_1_8", "constant_1_10"]),
        ("cat_1", "creation_args", (["tensor 10", "tensor 9"],)),
        ("cat_1", "creation_kwargs", {"dim": 1}),
        ("cat_1", "func_keyword_args_non_tensor", {"dim": 1}),
        ("constant_1", "address", "table"),
        ("neg_1", "terminated_inside_model", True),
        ("neg_1", "has_input_ancestor", True),
        ("output_2", "is_output_layer", True),
        ("output_2", "address", "1"),
        ("output_2", "min_distance_from_output", 0),
        ("input_1", "is_input_layer", True),
        ("input_1", "min_distance_from_input", 0),
    ],
)
def test_operation_fields_with_branches_and_buffers(label: str, name: str, value: object) -> None:
    assert getattr(everything(branching())[label], name) == value


def test_model_fields_of_a_recurrent_model() -> None:
    history = everything(recurrent())
    assert history.layer_list == ["input_1_1", "linear_1_2", "tanh_1_3", "linear_2_4", "output_1_5"]
    assert history.model_is_recurrent and history.model_max_recurrent_loops == 3
    assert history.num_tensors_total == 9
    assert history.total_param_layers == 2
    assert history.module_num_passes == {"cell": 3, "head": 1}
    assert history.top_level_module_passes == ["cell:1", "cell:2", "cell:3", "head:1"]


@pytest.mark.parametrize(
    ("label", "name", "value"),
    [
        ("linear_1:2", "layer_label_w_pass", "linear_1_2:2"),
        ("linear_1:2", "pass_num", 2),
        ("linear_1:2", "operation_num", 4),
        ("linear_1:2", "layer_total_num", 2),
        ("linear_1:2", "layer_passes_total", 3),
        ("linear_1:2", "same_layer_operations", ["linear_1_2:1", "linear_1_2:3"]),
        ("linear_1:2", "parent_layers", ["tanh_1_3:1"]),
        ("linear_1:2", "child_layers", ["tanh_1_3:2"]),
        ("linear_1:2", "lookup_keys", ["linear_1_2:2", "linear_1:2", "cell:2"]),
        ("cell:2", "tensor_contents", "tensor 3"),
        ("linear_2", "parent_layers", ["tanh_1_3:3"]),
        ("linear_1", "parent_layers", ["input_1_1", "tanh_1_3:1", "tanh_1_3:2"]),
        ("linear_1", "layer_passes_total", 3),
        ("linear_1", "tensor_shape", (2, 3)),
        ("linear_1", "containing_module_origin", "cell"),
        ("linear_1", "same_layer_operations", ["linear_1_2:2", "linear_1_2:3", "linear_1_2:1"]),
        ("cell", "layer_label", "linear_1_2"),
        ("tanh_1", "modules_entered", ["cell", "head"]),
    ],
)
def test_operation_fields_of_a_recurrent_model(label: str, name: str, value: object) -> None:
    assert getattr(everything(recurrent())[label], name) == value


def test_tensor_that_was_not_saved_names_the_way_to_save_it() -> None:
    history = build_history(chain("relu"), {0: "tensor"})
    assert history["input_1"].tensor_contents == "tensor"
    assert [layer.is_saved for layer in history] == [True, False, False]
    with pytest.raises(NotSavedError, match=r"layers=\['relu_1_2'\]"):
        _ = history["relu_1"].tensor_contents


def test_fields_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        build_history(chain("relu"))["relu_1"].layer_type = "tanh"  # pyright: ignore


def test_saved_bytes_count_saved_tensors_only() -> None:
    history = build_history(chain("relu", "tanh"), {1: "tensor"})
    assert (history.num_tensors_saved, history.tensor_fsize_saved) == (1, 24)
    assert (history.num_tensors_total, history.tensor_fsize_total) == (4, 96)
