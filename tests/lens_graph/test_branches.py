"""Terminal bools, what was computed for them, and where the IF begins."""

from lens_graph import ModelHistory, build_history

from .hand_made import Script, const


def starts(history: ModelHistory) -> list[tuple[str, str]]:
    operations = history.operations
    return [
        (operations[link.parent].label, operations[link.child].label) for link in history.links if link.starts_condition
    ]


def figure_2f() -> ModelHistory:
    """`y = x * 2; if torch.mean(y - 5) > 3: return y + 1`"""
    script = Script()
    x = script.input()
    y = script.call("mul", x, const(2))
    decision = script.call("gt", script.call("mean", script.call("sub", y, const(5)), shape=()), const(3), shape=())
    script.read(decision)
    script.output(script.call("add", y, const(1)))
    return build_history(script.finish())


def test_figure_2f_starts_the_if_at_the_subtraction() -> None:
    history = figure_2f()
    assert history.model_has_conditional_branching
    assert history.internally_terminated_bool_layers == ["gt_1_5"]
    assert [layer.layer_label for layer in history if layer.in_cond_branch] == ["sub_1_3", "mean_1_4", "gt_1_5"]
    assert starts(history) == [("mul_1_2", "sub_1_3")]


def test_read_of_a_terminal_bool_tells_where_it_happened() -> None:
    (read,) = figure_2f()["gt_1"].reads
    assert (read.kind, read.value) == ("bool", True)
    assert read.user_call_site is not None and read.user_call_site.line == 7


def test_scalar_of_any_dtype_whose_truth_was_read_is_terminal() -> None:
    script = Script()
    x = script.input()
    count = script.call("sum", x, shape=(), dtype="int64")
    script.read(count)
    script.output(script.call("relu", x))
    assert build_history(script.finish()).internally_terminated_bool_layers == ["sum_1_2"]


def test_unread_boolean_scalar_is_terminal_and_unread_number_is_not() -> None:
    script = Script()
    x = script.input()
    script.call("any", x, shape=(1,), dtype="bool")
    script.call("sum", x, shape=())
    script.output(script.call("relu", x))
    history = build_history(script.finish())
    assert history.internally_terminated_bool_layers == ["any_1_2"]
    assert history["sum_1"].terminated_inside_model and not history["sum_1"].is_terminal_bool_layer


def test_value_fetched_by_item_draws_no_if() -> None:
    script = Script()
    x = script.input()
    script.read(script.call("sum", x, shape=()), kind="item", value=4.0)
    script.output(script.call("relu", x))
    history = build_history(script.finish())
    assert not history.model_has_conditional_branching
    assert [read.kind for read in history["sum_1"].reads] == ["item"]


def test_boolean_that_is_also_data_is_not_terminal() -> None:
    script = Script()
    x = script.input()
    flag = script.call("any", x, shape=(), dtype="bool")
    script.read(flag)
    script.output(script.call("where", flag, x, x))
    history = build_history(script.finish())
    assert not history.model_has_conditional_branching
    assert not history["any_1"].in_cond_branch


def test_boolean_mask_of_many_elements_is_not_terminal() -> None:
    script = Script()
    x = script.input()
    script.call("gt", x, const(0), shape=(2, 3), dtype="bool")
    script.output(script.call("relu", x))
    assert not build_history(script.finish()).model_has_conditional_branching


def test_boolean_output_is_not_terminal() -> None:
    script = Script()
    x = script.input()
    script.output(script.call("any", x, shape=(), dtype="bool"))
    assert not build_history(script.finish()).model_has_conditional_branching


def test_chained_conditions_each_begin_where_they_leave_the_path() -> None:
    script = Script()
    x = script.input()
    for _ in range(2):
        script.read(script.call("gt", script.call("mean", x, shape=()), const(0), shape=(), dtype="bool"))
        x = script.call("relu", x)
    script.output(x)
    history = build_history(script.finish())
    assert history.internally_terminated_bool_layers == ["gt_1_3", "gt_2_6"]
    assert starts(history) == [("input_1_1", "mean_1_2"), ("relu_1_4", "mean_2_5")]


def test_two_decisions_that_share_a_part_begin_once() -> None:
    script = Script()
    x = script.input()
    mean = script.call("mean", x, shape=())
    script.read(script.call("gt", mean, const(0), shape=(), dtype="bool"))
    script.read(script.call("lt", mean, const(9), shape=(), dtype="bool"))
    script.output(script.call("relu", x))
    assert starts(build_history(script.finish())) == [("input_1_1", "mean_1_2")]


def test_flag_given_as_an_input_is_terminal_and_an_unused_one_is_not() -> None:
    script = Script()
    flag = script.input("flag", (), "bool")
    script.input("unused", (), "bool")
    x = script.input("x")
    script.read(flag)
    script.output(script.call("relu", x))
    assert build_history(script.finish()).internally_terminated_bool_layers == ["input_1_1"]


def test_condition_on_an_input_that_reaches_no_output_starts_at_that_input() -> None:
    script = Script()
    gate = script.input("gate")
    x = script.input("x")
    script.read(script.call("gt", script.call("mean", gate, shape=()), const(0), shape=(), dtype="bool"))
    script.output(script.call("relu", x))
    assert starts(build_history(script.finish())) == [("input_1_1", "mean_1_3")]


def test_noise_mixed_into_a_condition_belongs_to_it() -> None:
    script = Script()
    x = script.input()
    noise = script.call("rand", const(1))
    script.read(script.call("gt", script.call("mean", x, shape=()), noise, shape=(), dtype="bool"))
    script.output(script.call("relu", x))
    history = build_history(script.finish())
    assert history["rand_1"].in_cond_branch and not history["input_1"].in_cond_branch
    assert starts(history) == [("input_1_1", "mean_1_3")]
