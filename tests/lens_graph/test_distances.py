"""Distances count edges, along the shortest and the longest way."""

import time

from lens_graph._distances import measure_distances
from lens_graph._graph import build_graph

from .hand_made import Script, const


def test_shortcut_shortens_the_minimum_and_not_the_maximum() -> None:
    script = Script()
    x = script.input()
    a = script.call("relu", x)
    b = script.call("tanh", a)
    c = script.call("add", b, x)
    script.output(c)
    found = measure_distances(build_graph(script.finish()))
    assert found.min_from_input == (0, 1, 2, 1, 2)
    assert found.max_from_input == (0, 1, 2, 3, 4)
    assert found.min_from_output == (2, 3, 2, 1, 0)
    assert found.max_from_output == (4, 3, 2, 1, 0)


def test_where_no_way_leads_there_is_no_distance() -> None:
    script = Script()
    x = script.input()
    noise = script.call("rand", const(3))
    script.call("neg", x)
    script.output(noise)
    found = measure_distances(build_graph(script.finish()))
    assert found.min_from_input == (0, None, 1, None)
    assert found.max_from_output == (None, 1, None, 0)


def test_input_that_is_an_output_is_one_edge_away() -> None:
    script = Script()
    script.output(script.input())
    found = measure_distances(build_graph(script.finish()))
    assert found.min_from_input == (0, 1)
    assert found.min_from_output == (1, 0)


def test_ladder_of_diamonds_takes_no_exponential_time() -> None:
    script = Script()
    value = script.input()
    for _ in range(5000):
        value = script.call("add", script.call("relu", value), script.call("tanh", value))
    script.output(value)
    graph = build_graph(script.finish())
    started = time.process_time()
    found = measure_distances(graph)
    assert time.process_time() - started < 1
    assert found.max_from_input[-1] == 10001
