"""What has been concluded from a trace?

The *interpretation* holds the trace and the result of every step of the pipeline beside each other, unchanged.  The
history and the entries that indexing returns are views of it: they own nothing and compute each field when asked, which
keeps a history of a million operations small.

A *node* is an operation that was not pruned, numbered in execution order; a *layer* is a number as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from lens_graph._branches import Branches
from lens_graph._distances import Distances
from lens_graph._graph import Graph
from lens_graph._keeping import Gradients, TensorFiles
from lens_graph._labels import Labels
from lens_graph._nesting import Nesting
from lens_trace import Operation, Trace


class Payloads(Struct, frozen=True):
    """The live values that belong to a trace, as far as they are there."""

    tensors: Mapping[Any, Any]
    """Saved tensors by operation id."""
    functions: Mapping[Any, Callable[..., Any]]
    """The function of each call."""
    rng_states: Mapping[Any, Any]
    """The random state before each call that drew random numbers."""
    objects: Mapping[int, Any]
    """Live objects behind opaque arguments."""
    parameters: Sequence[Any]
    """Live parameters by parameter id; empty when they are not there."""
    outputs: Sequence[Any] | None = None
    """What the model returned, tensor by tensor; None when it is not there."""
    gradients: Gradients | None = None
    """The gradients of saved values; None when none were asked for."""
    tensor_files: TensorFiles | None = None
    """Who writes the tensors to a folder; None when nobody here can."""
    is_from_file: bool = False
    """Whether the history was read from a folder, where nothing alive is left."""


class Interpretation(Struct, frozen=True):
    """A trace and everything concluded from it."""

    trace: Trace
    """The facts."""
    graph: Graph
    """Its operations and edges, without orphans."""
    distances: Distances
    """How far each node is from inputs and outputs."""
    branches: Branches
    """What was computed for decisions."""
    nesting: Nesting
    """How operations lie in modules."""
    labels: Labels
    """Layers, passes and their names."""
    payloads: Payloads
    """Live values."""
    selected: frozenset[int] | None
    """The operation ids that were chosen for saving; None when nothing was chosen in particular."""
    indexable: tuple[int, ...]
    """The layers that integers count: the saved ones when only some were saved, else all but the buffers."""
    module_at: dict[str, int]
    """The module at each address, the model itself left out."""
    folded: dict[str, tuple[str, ...]]
    """Addresses by their spelling without capitals."""
    aliases: dict[str, tuple[int, ...]]
    """Nodes, ascending, under names that the user gave."""
    elapsed_s: float
    """Seconds spent on drawing the conclusions."""


def operation_at(facts: Interpretation, node: int) -> Operation:
    """The record behind a node."""
    return facts.trace.operations[facts.graph.operations[node]]


def is_saved(facts: Interpretation, node: int) -> bool:
    """Whether the node's value was kept and can be read."""
    operation = facts.graph.operations[node]
    return operation in facts.payloads.tensors and (facts.selected is None or operation in facts.selected)


def is_initialized_inside(facts: Interpretation, node: int) -> bool:
    """Whether the node's value came into being inside the model, from no tensor."""
    operation = operation_at(facts, node)
    return operation.kind == "constant" or (
        operation.kind == "call" and not facts.graph.parents[node] and not operation.parameters
    )


def short_name(facts: Interpretation, node: int) -> str:
    """The layer's label, with the pass where the layer has several."""
    labels = facts.labels
    layer = labels.layer_of[node]
    name = labels.names[layer]
    return name if len(labels.passes[layer]) == 1 else f"{name}:{labels.pass_num[node]}"


def full_name(facts: Interpretation, node: int) -> str:
    """The layer's label with the pass."""
    return f"{facts.labels.names[facts.labels.layer_of[node]]}:{facts.labels.pass_num[node]}"


def call_name(facts: Interpretation, call: int) -> str:
    """A module call's label, `features.3:2`."""
    record = facts.trace.module_calls[call]
    return f"{record.address}:{record.pass_num}"
