"""Modules by address: class, parameters, calls, layers inside."""

import pytest

from lens_graph import UnknownKeyError, build_history

from .hand_made import Script
from .sample_traces import alexnet, recurrent


def test_module_tells_its_class_parts_and_layers() -> None:
    module = build_history(alexnet()).modules["classifier"]
    assert module.class_name == "Sequential" and not module.training
    assert module.children == [f"classifier.{index}" for index in range(7)]
    assert module.layers[0] == "dropout_1_17" and len(module.layers) == 7
    assert module.input_layers == ["flatten_1_16"] and module.output_layers == ["linear_3_23"]
    assert module.parameters == [] and module.num_params == 6 * 12


def test_model_itself_is_the_module_without_address() -> None:
    modules = build_history(alexnet()).modules
    assert modules[""].class_name == "AlexNet"
    assert len(modules[""].layers) == 24
    assert list(modules)[:3] == ["", "features", "features.0"] and len(modules) == 24


def test_module_called_several_times_tells_each_call() -> None:
    module = build_history(recurrent()).modules["cell"]
    assert module.num_passes == 3 and module.passes == ["cell:1", "cell:2", "cell:3"]
    assert module.calls[1].layers == ["linear_1_2:2"]
    assert module.calls[1].input_layers == ["tanh_1_3:1"]
    assert module.calls[1].parent is not None and module.calls[1].parent.children[1] == module.calls[1]


def test_shared_module_is_one_module_under_all_its_addresses() -> None:
    script = Script()
    x = script.input()
    with script.module("a", "Linear", [x], also=["b"]) as outputs:
        outputs.append(script.call("linear", x, parameters=["a.weight"]))
    modules = build_history(script.finish()).modules
    assert modules["a"] == modules["b"] and modules["b"].addresses == ["a", "b"]
    assert modules[""].num_params == 12


def test_unknown_module_names_the_nearest() -> None:
    with pytest.raises(UnknownKeyError, match=r"'features.6'"):
        build_history(alexnet()).modules["features.66"]


def test_module_shows_itself_in_a_line() -> None:
    modules = build_history(recurrent()).modules
    assert repr(modules["cell"]) == "Module cell: Linear, called 3 times, 12 parameters, eval mode"
    assert repr(modules["cell"].calls[1]) == "Call cell:2 (Linear), 1 operation"
