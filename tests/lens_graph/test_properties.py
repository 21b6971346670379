"""What holds for every recording, over random hand-made ones."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lens_graph import build_history
from lens_graph._graph import build_graph
from lens_graph._prune import prune
from lens_trace import Trace

from .hand_made import Script, const

# Drawing a whole model takes a while; the examples are large, so that few suffice.
FEW = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
NAMES = ["relu", "add_", "__mul__", "conv2d", "rand", "buffer", "input", "T"]
ADDRESSES = ["a", "a.b", "a.b.relu_1", "A", "relu_1", "x:1", "conv2d_1_2"]


@st.composite
def traces(draw: Any) -> Trace:
    """Random models with branches, noise, buffers, shared modules, several inputs and outputs, and dangling ends."""
    script = Script()
    values = [script.input(f"x{index}") for index in range(draw(st.integers(0, 3)))]
    for _ in range(draw(st.integers(0, 25))):
        kind = draw(st.sampled_from(["call", "call", "call", "call", "buffer", "constant", "read"]))
        if kind == "buffer":
            values.append(script.buffer(draw(st.sampled_from(ADDRESSES))))
        elif kind == "constant":
            values.append(script.constant())
        elif kind == "read" and values:
            script.read(draw(st.sampled_from(values)))
        else:
            parents = draw(st.lists(st.sampled_from(values), max_size=3)) if values else []
            address = draw(st.sampled_from([None, *ADDRESSES]))
            if address is None:
                values.append(_call(script, draw, parents))
            else:
                with script.module(address, "Part", parents) as outputs:
                    values.append(_call(script, draw, parents))
                    outputs.extend(draw(st.lists(st.sampled_from(values), max_size=2)))
    if values:
        for source in draw(st.lists(st.sampled_from(values), max_size=3)):
            script.output(source)
    return script.finish(is_complete=draw(st.booleans()))


def _call(script: Script, draw: Any, parents: list[int]) -> int:
    return script.call(
        draw(st.sampled_from(NAMES)),
        *parents,
        const(draw(st.integers(0, 2))),
        parameters=draw(st.sampled_from([[], [], ["w"], ["v"]])),
        shape=draw(st.sampled_from([(), (2, 3)])),
        dtype=draw(st.sampled_from(["float32", "bool"])),
    )


@given(traces())
@FEW
def test_every_parent_precedes_its_child_and_knows_it(trace: Trace) -> None:
    graph = prune(build_graph(trace))
    for node, parents in enumerate(graph.parents):
        assert all(parent < node and node in graph.children[parent] for parent in parents)
    for node, children in enumerate(graph.children):
        assert all(node in graph.parents[child] for child in children)
        assert list(children) == sorted(set(children))


@given(traces())
@FEW
def test_pruning_twice_is_pruning_once_and_keeps_all_parents(trace: Trace) -> None:
    graph = prune(build_graph(trace))
    assert prune(graph) == graph
    for operation_id, parents in zip(graph.operations, graph.parents, strict=True):
        asked = dict.fromkeys(parent.operation for parent in trace.operations[operation_id].parents)
        assert [graph.operations[parent] for parent in parents] == list(asked)


@given(traces())
@FEW
def test_distances_are_ordered_and_grow_by_one_along_some_edge(trace: Trace) -> None:
    for operation in build_history(trace).operations:
        for near, far in (
            (operation.min_distance_from_input, operation.max_distance_from_input),
            (operation.min_distance_from_output, operation.max_distance_from_output),
        ):
            assert (near is None) == (far is None)
            assert near is None or far is None or near <= far
        assert (operation.min_distance_from_input == 0) == operation.is_input_layer
        assert (operation.min_distance_from_output == 0) == operation.is_output_layer


@given(traces())
@FEW
def test_labels_are_unique_and_every_key_leads_to_itself(trace: Trace) -> None:
    history = build_history(trace)
    names = [operation.layer_label_w_pass for operation in history.operations]
    assert len(set(names)) == len(names)
    for operation in history.operations:
        assert history[operation.layer_label_w_pass] == operation
        assert history[operation.label].layer_label == operation.layer_label
        for key in operation.lookup_keys:
            found = history[key]
            assert found == operation or found.passes == [operation]  # pyright: ignore
    for layer in history.layers:
        assert history[layer.label] == layer
        assert all(key in history for key in layer.lookup_keys)


@given(traces())
@FEW
def test_passes_partition_the_operations_in_order(trace: Trace) -> None:
    history = build_history(trace)
    members = [one.node for layer in history.layers for one in layer.passes]
    assert sorted(members) == list(range(len(history.operations)))
    for layer in history.layers:
        assert [one.pass_num for one in layer.passes] == list(range(1, len(layer.passes) + 1))
        assert {one.layer_type for one in layer.passes} == {layer.layer_type}
    firsts = [layer.passes[0].node for layer in history.layers]
    assert firsts == sorted(firsts)


@given(traces())
@FEW
def test_every_list_of_labels_can_be_followed(trace: Trace) -> None:
    history = build_history(trace)
    for operation in history.operations:
        for parent in operation.parent_layers:
            assert operation.layer_label in {history[child].layer_label for child in history[parent].child_layers}
        for child in operation.child_layers:
            assert operation.layer_label in {history[parent].layer_label for parent in history[child].parent_layers}
        relatives = operation.sibling_layers + operation.spouse_layers + operation.orig_ancestors
        assert all(label in history for label in relatives)
        assert operation.in_cond_branch or not operation.is_terminal_bool_layer


@given(traces())
@FEW
def test_tables_and_summaries_never_fail(trace: Trace) -> None:
    history = build_history(trace)
    tables = history.tables
    assert tables.operations.height == len(history.operations)
    assert tables.layers.height == len(history.layers)
    assert tables.edges.height == len(list(history.links))
    assert tables.modules.height and tables.module_calls.height
    assert history.model_name in repr(history) and history._repr_html_()  # pyright: ignore
    assert all(repr(layer) and repr(layer.passes[0]) for layer in history.layers)
