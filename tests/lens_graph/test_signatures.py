"""Which operations are alike."""

from typing import Any

import pytest

from lens_graph._graph import build_graph
from lens_graph._signatures import make_loop_nodes
from lens_trace import Constant, MappingArgument, Opaque, SequenceArgument, SliceArgument, Special

from .hand_made import Script, const


def signatures(script: Script, objects: dict[int, Any] | None = None) -> list[Any]:
    trace = script.finish()
    return [node.signature for node in make_loop_nodes(build_graph(trace), trace, objects)]


def pair(first: Any, second: Any, objects: dict[int, Any] | None = None) -> bool:
    """Whether two calls that differ in one argument are alike."""
    script = Script()
    x = script.input()
    script.call("f", x, first)
    script.call("f", x, second)
    found = signatures(script, objects)
    return found[1] == found[2]


def test_tensors_count_only_as_tensors() -> None:
    script = Script()
    x, y = script.input("x"), script.input("y")
    script.call("add", x, y)
    script.call("add", y, y)
    found = signatures(script)
    assert found[2] == found[3] and found[0] is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (const(1), const(2)),
        (Constant(1), Constant(1.0)),
        (Constant(1), Constant(True)),
        (Constant(0.0), Constant(-0.0)),
        (Constant(None), Constant("None")),
        (Special("dtype", "float32"), Special("dtype", "float64")),
        (SequenceArgument("tuple", (const(1),)), SequenceArgument("tuple", (const(1), const(1)))),
        (SliceArgument(const(0), const(1), Constant(None)), SliceArgument(const(0), const(2), Constant(None))),
        (MappingArgument("dict", (("a", const(1)),)), MappingArgument("dict", (("b", const(1)),))),
        (Opaque("Generator", 0), Opaque("Generator", 1)),
    ],
)
def test_arguments_that_differ_make_operations_differ(first: Any, second: Any) -> None:
    assert pair(first, first)
    assert not pair(first, second)


def test_one_live_object_under_two_indices_is_one() -> None:
    shared = object()
    assert pair(Opaque("Generator", 0), Opaque("Generator", 1), {0: shared, 1: shared})


def test_keyword_in_place_flag_output_index_and_type_count() -> None:
    script = Script()
    x = script.input()
    script.call("add", x, x)
    script.call("add_", x, x)
    script.call("__iadd__", x, x, is_inplace=True)
    script.call("add", x, other=x)
    script.call("add", x, x, output_index=1)
    script.call("sub", x, x)
    found = signatures(script)
    assert found[1] == found[2]
    assert len({found[1], found[3], found[4], found[5], found[6]}) == 5


def test_parameters_count_by_identity_and_make_the_module_irrelevant() -> None:
    script = Script()
    x = script.input()
    for address in ("a", "b"):
        with script.module(address, "Linear"):
            script.call("linear", x, parameters=["w"])
            script.call("relu", x)
    script.call("linear", x, parameters=["v"])
    found = signatures(script)
    assert found[1] == found[3] and found[1] != found[5]
    assert found[2] != found[4]


def test_shared_module_is_one_module_whatever_address_it_was_called_by() -> None:
    script = Script()
    x = script.input()
    with script.module("a", "ReLU", also=["b"]):
        script.call("relu", x)
    with script.module("b", "ReLU"):
        script.call("relu", x)
    found = signatures(script)
    assert found[1] == found[2]


def test_inputs_outputs_buffers_and_unseen_tensors_are_alike_to_nothing() -> None:
    script = Script()
    x = script.input()
    script.buffer("b")
    script.constant()
    script.output(x)
    assert signatures(script) == [None] * 4


def test_edges_carry_positions_and_sites_tell_places() -> None:
    script = Script()
    x = script.input()
    script.call("add", x, x, site=1)
    script.call("add", x, x, site=1)
    script.call("add", x, x, site=2)
    trace = script.finish()
    _, first, second, third = make_loop_nodes(build_graph(trace), trace)
    assert first.parents == second.parents and first.parents[0][1] != first.parents[1][1]
    assert first.site == second.site != third.site
