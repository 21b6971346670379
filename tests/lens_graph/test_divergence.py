"""`find_divergence`: whether two passes took one path."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from lens_graph import find_divergence
from lens_trace import Trace
from tests.lens_graph.hand_made import Script, chain, const
from tests.lens_graph.sample_traces import alexnet, branching, recurrent


@pytest.mark.parametrize("make", [alexnet, branching, recurrent])
def test_a_pass_is_on_its_own_path(make: Callable[[], Trace]) -> None:
    assert find_divergence(make(), make()) is None
    assert find_divergence(make(), make(), with_values=True) is None


def test_another_number_of_steps_is_another_path() -> None:
    found = find_divergence(recurrent(3), recurrent(4))
    assert found is not None and found.operation == 7
    assert "'cell' instead of module 'head'" in found.reason or "argument" in found.reason
    assert found.call_site is not None and found.call_site.line == 1
    fewer = find_divergence(recurrent(3), recurrent(2))
    assert fewer is not None and fewer.operation == 5


def test_another_function_is_named() -> None:
    found = find_divergence(chain("relu", "cos"), chain("relu", "sin"))
    assert found is not None
    assert (found.operation, found.reason) == (2, "it ran torch.sin instead of torch.cos")


def _scaled(factor: float, *, size: int = 3, axis: int | None = None) -> Trace:
    script = Script()
    x = script.input("x", (2, size))
    options = {} if axis is None else {"dim": const(axis)}
    script.output(script.call("mul", x, const(factor), shape=(2, size), **options))
    return script.finish()


def test_numbers_and_sizes_matter_only_where_the_runs_have_to_be_the_same() -> None:
    assert find_divergence(_scaled(2), _scaled(3, size=5)) is None
    number = find_divergence(_scaled(2), _scaled(3), with_values=True)
    assert number is not None and "another argument 1" in number.reason
    size = find_divergence(_scaled(2), _scaled(2, size=5), with_values=True)
    assert size is not None and "[2, 5]" in size.reason
    assert find_divergence(_scaled(0.1), _scaled(0.100001), with_values=True) is None


def test_the_structure_of_arguments_matters() -> None:
    assert find_divergence(_scaled(2), _scaled(2, axis=1)) is not None
    assert find_divergence(_scaled(2), replace(_scaled(2), reads=branching().reads)) is not None


def test_a_pass_that_ended_early_is_on_the_path_as_far_as_it_came() -> None:
    whole = alexnet()
    part = replace(whole, operations=whole.operations[:5], is_complete=False)
    assert find_divergence(whole, part) is None
    ended = find_divergence(whole, replace(part, is_complete=True))
    assert ended is not None and (ended.operation, "ended where" in ended.reason) == (5, True)
    longer = find_divergence(part, whole)
    assert longer is not None and longer.operation == 5


def test_another_source_of_an_argument_is_another_path() -> None:
    def twice(second: int) -> Trace:
        script = Script()
        x = script.input()
        one = script.call("cos", x)
        script.output(script.call("add", one, (x, one)[second]))
        return script.finish()

    found = find_divergence(twice(0), twice(1))
    assert found is not None and found.operation == 2
