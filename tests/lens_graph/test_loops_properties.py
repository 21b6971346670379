"""What holds for the layers of any graph, and that they are what the definition says."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from lens_graph._loops import LoopNode, find_layers
from tests.lens_graph.letter_graphs import layers_by_definition


@st.composite
def graphs(draw: st.DrawFn, max_size: int = 12) -> list[LoopNode]:
    """Any graph, drawn so that stretches of it repeat."""
    letters = draw(st.integers(1, 4))
    nodes: list[LoopNode] = []
    for index in range(draw(st.integers(0, max_size))):
        period = draw(st.integers(0, min(index, 4)))
        if period and draw(st.booleans()):
            nodes.append(_later(nodes[index - period], index, period, draw(st.integers(0, 7))))
            continue
        has_parameters = draw(st.integers(0, 5)) == 0
        signature = draw(st.integers(0, letters - 1)) + 10 * has_parameters
        parents = [
            (max(0, index - draw(st.integers(1, 5))), draw(st.integers(0, 1)))
            for _ in range(draw(st.integers(0, 2)) if index else 0)
        ]
        is_source = not has_parameters and draw(st.integers(0, 9)) == 0
        site = draw(st.none() | st.integers(0, 2))
        nodes.append(LoopNode(None if is_source else signature, tuple(parents), has_parameters, site))
    return nodes


def _later(node: LoopNode, index: int, period: int, change: int) -> LoopNode:
    """The same operation one iteration later, once in a while with another operand."""
    parents = [(min(parent + period, index - 1), argument) for parent, argument in node.parents]
    if change == 0 and parents:
        parents[0] = (0, parents[0][1])
    return LoopNode(node.signature, tuple(parents), node.has_parameters, node.site)


Statement = tuple[str, int, int]


@st.composite
def programs(draw: st.DrawFn) -> list[Statement]:
    """A straight program: letters, each reading one or two of the three variables that hold values."""
    letters = st.sampled_from("pqrstu")
    return draw(st.lists(st.tuples(letters, st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=5))


def run(body: Sequence[Statement], times: int, nodes: list[LoopNode], state: list[int]) -> None:
    """Append `times` iterations of the body; `p` and `q` have parameters, each statement writes the last variable."""
    for _ in range(times):
        for place, (letter, one, other) in enumerate(body):
            operands = (state[2],) if letter in "pr" else (state[2], state[one]) if letter != "t" else (state[other],)
            parents = tuple((operand, position) for position, operand in enumerate(operands))
            nodes.append(LoopNode(ord(letter), parents, letter in "pq", place))
            state[other if letter in "su" else 2] = len(nodes) - 1


def sources(count: int = 3) -> tuple[list[LoopNode], list[int]]:
    return [LoopNode(None, (), False, None) for _ in range(count)], list(range(count))


@settings(max_examples=300, deadline=None)
@given(graphs())
def test_layers_are_what_the_definition_says(nodes: list[LoopNode]) -> None:
    assert find_layers(nodes) == layers_by_definition(nodes)


@settings(max_examples=100, deadline=None)
@given(programs(), st.integers(1, 4))
def test_layers_of_loops_are_what_the_definition_says(body: list[Statement], times: int) -> None:
    nodes, state = sources()
    run(body, times, nodes, state)
    assert find_layers(nodes) == layers_by_definition(nodes)


@settings(deadline=None)
@given(graphs(max_size=40))
def test_every_member_of_a_layer_is_alike_and_layers_are_numbered_by_their_first_member(nodes: list[LoopNode]) -> None:
    layers = find_layers(nodes)
    assert len(layers) == len(nodes)
    signatures: dict[int, set[int | None]] = {}
    for node, layer in zip(nodes, layers, strict=True):
        signatures.setdefault(layer, set()).add(node.signature)
        if node.signature is None:
            assert layers.count(layer) == 1
    assert all(len(found) == 1 for found in signatures.values())
    assert list(signatures) == list(range(len(signatures)))


@settings(deadline=None)
@given(graphs(max_size=40), st.randoms(use_true_random=False))
def test_the_numbers_of_signatures_arguments_and_places_do_not_matter(nodes: list[LoopNode], generator) -> None:
    codes = list(range(100))
    generator.shuffle(codes)
    renamed = [
        LoopNode(
            None if node.signature is None else codes[node.signature],
            tuple(
                generator.sample([(parent, codes[argument]) for parent, argument in node.parents], len(node.parents))
            ),
            node.has_parameters,
            None if node.site is None else codes[node.site],
        )
        for node in nodes
    ]
    assert find_layers(renamed) == find_layers(nodes)


@settings(deadline=None)
@given(graphs(max_size=25), graphs(max_size=8))
def test_an_unrelated_graph_before_or_after_changes_nothing(nodes: list[LoopNode], others: list[LoopNode]) -> None:
    unrelated = [
        LoopNode(
            None if node.signature is None else node.signature + 1000, node.parents, node.has_parameters, node.site
        )
        for node in others
    ]
    alone = find_layers(nodes)
    assert find_layers(_side_by_side(nodes, unrelated))[: len(nodes)] == alone
    shift = len(set(find_layers(unrelated)))
    behind = find_layers(_side_by_side(unrelated, nodes))[len(unrelated) :]
    assert tuple(layer - shift for layer in behind) == alone


def _side_by_side(first: list[LoopNode], second: list[LoopNode]) -> list[LoopNode]:
    moved = [
        LoopNode(
            node.signature,
            tuple((parent + len(first), argument) for parent, argument in node.parents),
            node.has_parameters,
            node.site,
        )
        for node in second
    ]
    return first + moved


@settings(deadline=None)
@given(st.lists(st.sampled_from("pqrxyz"), min_size=2, max_size=6, unique=True), st.integers(2, 6))
def test_one_more_iteration_adds_one_pass_to_every_layer(body: list[str], times: int) -> None:
    def counts(iterations: int) -> list[int]:
        nodes, state = sources()
        run([(letter, 0, 1) for letter in body], iterations, nodes, state)
        layers = find_layers(nodes)[3:]
        return [layers.count(layer) for layer in dict.fromkeys(layers)]

    assert counts(times + 1) == [count + 1 for count in counts(times)]


@settings(deadline=None)
@given(st.integers(2, 5), st.integers(2, 5), st.booleans())
def test_nested_loops_have_as_many_passes_as_iterations(outer: int, inner: int, has_parameters: bool) -> None:
    nodes, state = sources()
    for _ in range(outer):
        run([("q" if has_parameters else "x", 2, 2)], 1, nodes, state)
        run([("y", 2, 2), ("z", 2, 2)], inner, nodes, state)
    layers = find_layers(nodes)[3:]
    per_layer = [layers.count(layer) for layer in dict.fromkeys(layers)]
    if not has_parameters:
        assert per_layer == [outer, outer * inner, outer * inner]
    else:
        assert per_layer[0] == outer
