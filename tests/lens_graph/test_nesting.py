"""Operations in modules: what enters, what leaves, and which module holds a single operation."""

from lens_graph import build_history

from .hand_made import Script, const


def test_value_leaves_nested_modules_from_the_inside_out_and_enters_from_the_outside_in() -> None:
    script = Script()
    x = script.input()
    with script.module("a", "Outer", [x]) as outer:
        with script.module("a.b", "Inner", [x]) as inner:
            y = script.call("relu", x)
            inner.append(y)
        outer.append(y)
    with script.module("c", "Next", [y]) as outputs:
        outputs.append(script.call("tanh", y))
    history = build_history(script.finish())
    assert history["input_1"].modules_entered == ["a", "a.b"]
    assert history["relu_1"].modules_exited == ["a.b", "a"]
    assert history["relu_1"].modules_entered == ["c"]


def test_tensor_made_inside_a_module_is_contained_in_it() -> None:
    script = Script()
    x = script.input()
    with script.module("noise", "Noise", [x]) as outputs:
        outputs.append(script.call("add", x, script.call("rand", const(3))))
    script.output(3 - 1)
    history = build_history(script.finish())
    assert history["rand_1"].containing_module_origin == "noise"


def test_module_of_two_operations_is_not_bottom_level() -> None:
    script = Script()
    x = script.input()
    with script.module("block", "Block", [x]) as outputs:
        y = script.call("relu", script.call("linear", x))
        outputs.append(y)
    assert not build_history(script.finish())["relu_1"].is_bottom_level_submodule_output


def test_function_at_the_end_of_a_module_with_parts_is_not_bottom_level() -> None:
    script = Script()
    x = script.input()
    with script.module("block", "Block", [x]) as outer:
        with script.module("block.fc", "Linear", [x]) as inner:
            y = script.call("linear", x)
            inner.append(y)
        z = script.call("relu", y)
        outer.append(z)
    history = build_history(script.finish())
    assert history["linear_1"].is_bottom_level_submodule_output
    assert history["relu_1"].is_submodule_output and not history["relu_1"].is_bottom_level_submodule_output


def test_module_whose_single_call_returns_several_tensors_is_bottom_level() -> None:
    script = Script()
    x = script.input()
    with script.module("pool", "Pool", [x]) as outputs:
        outputs.append(script.call("max_pool", x, output_index=0))
        outputs.append(script.call("max_pool", x, output_index=1, same_call=True))
    history = build_history(script.finish())
    assert history["maxpool_1"].is_bottom_level_submodule_output
    assert history["maxpool_2"].is_bottom_level_submodule_output


def test_buffers_do_not_keep_a_module_from_being_bottom_level() -> None:
    script = Script()
    x = script.input()
    with script.module("norm", "BatchNorm2d", [x]) as outputs:
        mean = script.buffer("norm.running_mean")
        outputs.append(script.call("batch_norm", x, mean))
    assert build_history(script.finish())["batchnorm_1"].is_bottom_level_submodule_output


def test_pruned_counter_does_not_keep_batch_norm_from_being_bottom_level() -> None:
    script = Script()
    x = script.input()
    with script.module("norm", "BatchNorm2d", [x]) as outputs:
        script.call("add_", script.buffer("norm.num_batches_tracked"), const(1))
        y = script.call("batch_norm", x)
        outputs.append(y)
    script.output(y)
    history = build_history(script.finish())
    assert history.layer_list == ["input_1_1", "batchnorm_1_2", "output_1_3"]
    assert history["batchnorm_1"].is_bottom_level_submodule_output


def test_operations_are_counted_in_every_module_around_them() -> None:
    script = Script()
    x = script.input()
    with script.module("a", "A", [x]), script.module("a.b", "B", [x]):
        script.call("relu", x)
        script.call("relu", x)
    calls = build_history(script.finish()).module_calls
    assert [call.num_operations for call in calls] == [2, 2, 2]
