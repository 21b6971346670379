"""Arguments as the caller wrote them."""

import math

from lens_graph import build_history
from lens_trace import Constant, MappingArgument, Opaque, SequenceArgument, SliceArgument, Special, TensorRef

from .hand_made import Script, const


def test_arguments_come_back_as_plain_values() -> None:
    script = Script()
    x = script.input()
    y = script.call(
        "f",
        x,
        SliceArgument(const(0), Constant(None), const(2)),
        Special("ellipsis", "..."),
        Special("complex", "(1+2j)"),
        Special("bigint", str(2**70)),
        Special("bytes", "b'ab'"),
        MappingArgument("dict", (("a", SequenceArgument("list", (const(1), const(2)))),)),
        Opaque("Generator", 0),
    )
    script.output(y)
    history = build_history(script.finish(), {0: "saved"}, objects={0: "live"})
    assert history["f_1"].creation_args == (
        "saved", slice(0, None, 2), ..., 1 + 2j, 2**70, b"ab", {"a": [1, 2]}, "live"
    )  # fmt: skip


def test_not_a_number_comes_back() -> None:
    script = Script()
    script.output(script.call("f", script.input(), Special("nan", "nan"), Special("-inf", "-inf")))
    _, nan, infinity = build_history(script.finish())["f_1"].creation_args
    assert math.isnan(nan) and infinity == -math.inf


def test_what_is_not_there_is_told_by_its_record() -> None:
    script = Script()
    script.output(script.call("f", script.input(), Special("dtype", "float32"), parameters=["w"]))
    tensor, dtype, parameter = build_history(script.finish())["f_1"].creation_args
    assert isinstance(tensor, TensorRef) and dtype == Special("dtype", "float32")
    assert build_history(script.finish(), parameters=["live"])["f_1"].creation_args[2] == "live"
    assert parameter.parameter == 0


def test_tensors_are_left_out_of_the_non_tensor_arguments() -> None:
    script = Script()
    x = script.input()
    y = script.call("cat", [x, x], const(1), SequenceArgument("tuple", (const(2), const(3))), out=x, axis=const(0))
    script.output(y)
    cat = build_history(script.finish())["cat_1"]
    assert cat.func_position_args_non_tensor == [1, (2, 3)]
    assert cat.func_keyword_args_non_tensor == {"axis": 0}
