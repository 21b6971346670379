"""In which modules did each operation run, and which did its value enter and leave?

The *containing modules* of an operation are the module calls that were open when it ran; the trace holds them.  A
value *enters* a call when it is among the call's arguments and *exits* it when it is among what the call returns, so
that one value may exit several nested calls and then enter the next.  A call is *bottom-level* when exactly one
function call ran inside it and in none of its parts: such a module is drawn as a box of its own around one operation.

Source: "Post-processing the model's computational graph", fourth step.  There the containment of tensors made inside
a module has to be guessed from their descendants; here every operation carries the stack of open calls, so nothing is
left to correct.
"""

from __future__ import annotations

from msgspec import Struct

from lens_graph._errors import MalformedTraceError
from lens_graph._graph import Graph
from lens_trace import ModuleCall, Trace


class Nesting(Struct, frozen=True):
    """How operations and module calls lie in each other."""

    entered: dict[int, tuple[int, ...]]
    """For each node that enters modules the module calls, outermost first."""
    exited: dict[int, tuple[int, ...]]
    """For each node that leaves modules the module calls, innermost first."""
    inputs: tuple[tuple[int, ...], ...]
    """For each module call the nodes that entered it, in argument order."""
    outputs: tuple[tuple[int, ...], ...]
    """For each module call the nodes that left it, in result order."""
    parts: tuple[tuple[int, ...], ...]
    """For each module call the calls made directly in it, in order."""
    calls_of: tuple[tuple[int, ...], ...]
    """For each module its calls, in order."""
    bottom_level: frozenset[int]
    """Nodes that are the output of a call in which nothing but their own function call ran."""
    operations_inside: tuple[int, ...]
    """For each module call how many operations ran in it or in its parts."""


def nest_modules(graph: Graph, trace: Trace) -> Nesting:
    """Relate the operations to the module calls."""
    calls = trace.module_calls
    parts: list[list[int]] = [[] for _ in calls]
    calls_of: list[list[int]] = [[] for _ in trace.modules]
    entered: dict[int, list[int]] = {}
    exited: dict[int, list[int]] = {}
    inputs: list[tuple[int, ...]] = []
    outputs: list[tuple[int, ...]] = []
    for index, call in enumerate(calls):
        _check(call, index, len(trace.modules))
        calls_of[call.module].append(index)
        if call.parent is not None:
            parts[call.parent].append(index)
        inputs.append(_nodes(graph, call.inputs))
        outputs.append(_nodes(graph, call.outputs))
        if call.parent is not None:
            for node in dict.fromkeys(inputs[-1]):
                entered.setdefault(node, []).append(index)
            for node in dict.fromkeys(outputs[-1]):
                exited.setdefault(node, []).append(index)
    operations_inside, functions_inside = _count_inside(graph, trace)
    bottom = {
        node
        for node, found in exited.items()
        if (stack := trace.operations[graph.operations[node]].module_calls)
        and stack[-1] in found
        and functions_inside[stack[-1]] == 1
    }
    return Nesting(
        entered={node: tuple(found) for node, found in entered.items()},
        exited={node: tuple(sorted(found, key=lambda call: -calls[call].depth)) for node, found in exited.items()},
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        parts=tuple(map(tuple, parts)),
        calls_of=tuple(map(tuple, calls_of)),
        bottom_level=frozenset(bottom),
        operations_inside=operations_inside,
    )


def _check(call: ModuleCall, index: int, modules: int) -> None:
    if call.id != index:
        raise MalformedTraceError(f"module call {index} has id {call.id}: ids have to be indices")
    if not 0 <= call.module < modules:
        raise MalformedTraceError(f"module call {index} is of module {call.module}, but there are {modules} modules")
    if call.parent is not None and not 0 <= call.parent < index:
        raise MalformedTraceError(f"module call {index} has the parent {call.parent}: it has to come before")


def _nodes(graph: Graph, operations: tuple[int, ...]) -> tuple[int, ...]:
    known = len(graph.node_of)
    found = (graph.node_of[operation] if 0 <= operation < known else -1 for operation in operations)
    return tuple(node for node in found if node >= 0)


def _count_inside(graph: Graph, trace: Trace) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Count operations and function calls in each module call, its parts included."""
    calls = trace.module_calls
    operations = [0] * len(calls)
    functions = [0] * len(calls)
    seen: set[int] = set()
    for operation_id in graph.operations:
        operation = trace.operations[operation_id]
        if operation.kind != "call" or not calls:
            continue
        innermost = operation.module_calls[-1] if operation.module_calls else 0
        if not 0 <= innermost < len(calls):
            raise MalformedTraceError(f"operation {operation_id} ran in module call {innermost} of {len(calls)}")
        operations[innermost] += 1
        if operation.call_id is None or operation.call_id not in seen:
            functions[innermost] += 1
            if operation.call_id is not None:
                seen.add(operation.call_id)
    for index in range(len(calls) - 1, 0, -1):
        parent = calls[index].parent
        if parent is not None:
            operations[parent] += operations[index]
            functions[parent] += functions[index]
    return tuple(operations), tuple(functions)
