"""Labels follow execution order, count inputs and outputs, and leave buffers out."""

from lens_graph import build_history
from lens_graph._graph import build_graph
from lens_graph._labels import name_layers

from .hand_made import Script, chain, words
from .sample_traces import alexnet, branching


def test_alexnet_has_the_labels_of_the_paper() -> None:
    assert build_history(alexnet()).layer_list == words(
        """
    input_1_1 conv2d_1_2 relu_1_3 maxpool2d_1_4 conv2d_2_5 relu_2_6 maxpool2d_2_7 conv2d_3_8 relu_3_9 conv2d_4_10
    relu_4_11 conv2d_5_12 relu_5_13 maxpool2d_3_14 adaptiveavgpool2d_1_15 flatten_1_16 dropout_1_17 linear_1_18
    relu_6_19 dropout_2_20 linear_2_21 relu_7_22 linear_3_23 output_1_24
    """
    )


def test_buffers_take_no_number_and_constants_do() -> None:
    history = build_history(branching())
    assert history.layer_list == words(
        """
    input_1_1 linear_1_2 add_1_3 sub_1_4 mean_1_5 gt_1_6 relu_1_7 rand_1_8 mul_1_9 constant_1_10 cat_1_11 neg_1_12
    output_1_13 output_2_14
    """
    )
    assert history.buffer_layers == ["buffer_1"]
    assert history["buffer_1"].layer_total_num is None and history["buffer_1"].operation_num is None


def test_passes_are_numbered_and_not_counted() -> None:
    trace = chain("cos", "sin", "cos", "sin", "tan")
    labels = name_layers(build_graph(trace), (0, 1, 2, 1, 2, 3, 4), trace)
    assert labels.names == ("input_1_1", "cos_1_2", "sin_1_3", "tan_1_4", "output_1_5")
    assert labels.pass_num == (1, 1, 1, 2, 2, 1, 1)
    assert labels.passes == ((0,), (1, 3), (2, 4), (5,), (6,))
    assert labels.operation_num == (1, 2, 3, 4, 5, 6, 7)


def test_each_tensor_of_a_call_that_returns_several_is_a_layer() -> None:
    script = Script()
    x = script.input()
    first = script.call("chunk", x, output_index=0)
    script.call("chunk", x, output_index=1, same_call=True)
    script.output(first)
    history = build_history(script.finish())
    assert history.layer_list == ["input_1_1", "chunk_1_2", "chunk_2_3", "output_1_4"]
    assert [history[key].iterable_output_index for key in ("chunk_1", "chunk_2", "input_1")] == [0, 1, None]
