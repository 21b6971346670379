"""The search for layers stays near linear on the shapes that make a naive one quadratic."""

from __future__ import annotations

import time

import pytest

from benchmarks.loops_scale import SHAPES, Nodes, measure, valid
from lens_graph._loops import LoopNode, find_layers


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_twenty_thousand_operations_take_seconds(shape) -> None:
    seconds, _ = measure(shape, 20_000)
    # A quadratic search takes minutes; the margin is for a busy machine.
    assert seconds < 20


def test_five_hundred_iterations_of_two_hundred_layers_are_two_hundred_layers() -> None:
    nodes: Nodes = [LoopNode(None, (), False, None)]
    for index in range(100_000):
        nodes.append(LoopNode(index % 200, ((index, 0),), index % 5 == 0, None))
    started = time.perf_counter()
    layers = find_layers(valid(nodes))
    assert time.perf_counter() - started < 20
    assert len(set(layers)) == 201


def test_a_loop_nested_deeper_than_the_stack_of_python_is_found() -> None:
    body = [0]
    for level in range(1, 13):
        body = [*body, *body, level]
    nodes = [LoopNode(letter, ((index - 1, 0),) if index else (), False, index) for index, letter in enumerate(body)]
    assert len(set(find_layers(nodes))) <= 14
