"""A layer of several passes answers with what its passes share."""

import pytest

from lens_graph import AmbiguousPassError, build_history

from .sample_traces import recurrent


def test_single_value_that_differs_says_so_and_names_the_passes() -> None:
    layer = build_history(recurrent())["linear_1"]
    with pytest.raises(AmbiguousPassError, match=r"min_distance_from_input .* \.passes\[0\]") as caught:
        _ = layer.min_distance_from_input
    assert isinstance(caught.value, AttributeError)
    assert not hasattr(layer, "pass_num")


@pytest.mark.parametrize(
    "name", ["tensor_contents", "pass_num", "layer_label_w_pass", "creation_args", "operation_num"]
)
def test_value_of_one_pass_is_not_a_layers(name: str) -> None:
    trace = recurrent()
    layer = build_history(trace, {operation.id: "same" for operation in trace.operations})["tanh_1"]
    with pytest.raises(AmbiguousPassError, match="tanh_1_3 has 3 passes"):
        getattr(layer, name)
    assert [one.tensor_contents for one in layer.passes] == ["same"] * 3


def test_layer_is_saved_when_one_of_its_passes_is() -> None:
    assert build_history(recurrent(), {4: "tensor"})["tanh_1"].is_saved


def test_layer_lists_the_keys_of_all_its_passes() -> None:
    keys = build_history(recurrent())["linear_1"].lookup_keys
    assert keys[:5] == ["linear_1_2", "linear_1", "cell", 1, -4]
    assert {"linear_1_2:3", "linear_1:1", "cell:2"} <= set(keys)
