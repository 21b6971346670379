"""How does a model's history become a scene?

One sweep over the conclusions of lens-graph: roles, captions' facts, edges with argument names, module calls.  All
decisions about labels, passes and branches were made there; what is decided here is which functions are commutative,
for their edges carry no argument positions.

Source: "Visualization" in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping

from lens_graph import ModelHistory
from lens_viz._drawing import Role
from lens_viz._scene import ModuleCall, Operation, Parent, Scene
from lens_viz._text import human_bytes, shown

COMMUTATIVE = frozenset(
    {"add", "mul", "multiply", "eq", "ne", "notequal", "maximum", "minimum", "fmax", "fmin", "logaddexp", "logaddexp2"}
    | {"hypot", "gcd", "lcm", "dot", "and", "or", "xor", "logicaland", "logicalor", "logicalxor"}
    | {"bitwiseand", "bitwiseor", "bitwisexor"}
)
"""Layer types whose tensor arguments may change places without changing the result."""
_KIND_ROLES: Mapping[str, Role] = {"input": "input", "output": "output", "buffer": "buffer"}


def read_scene(history: ModelHistory) -> Scene:
    """Return what is needed to draw a history; linear in its operations and edges."""
    return Scene(title=_title(history), operations=_operations(history), calls=_calls(history))


def _title(history: ModelHistory) -> tuple[str, ...]:
    tensors, parameters = history.num_tensors_total, history.total_params
    return (
        shown(history.model_name),
        f"{tensors:,} tensor{'' if tensors == 1 else 's'}, {human_bytes(history.tensor_fsize_total)}",
        f"{parameters:,} parameter{'' if parameters == 1 else 's'}, {human_bytes(history.total_params_fsize)}",
    )


def _operations(history: ModelHistory) -> tuple[Operation, ...]:
    facts = history.interpretation
    trace, graph, labels = facts.trace, facts.graph, facts.labels
    terminal = frozenset(facts.branches.terminal_bools)
    bottom_calls = {trace.operations[graph.operations[node]].module_calls[-1] for node in facts.nesting.bottom_level}
    has_many = {"input": len(graph.inputs) > 1, "output": len(graph.outputs) > 1}
    operations: list[Operation] = []
    for node, operation_id in enumerate(graph.operations):
        record = trace.operations[operation_id]
        layer = labels.layer_of[node]
        calls = tuple(call - 1 for call in record.module_calls if call > 0)
        is_bottom_level = bool(calls) and calls[-1] + 1 in bottom_calls
        if is_bottom_level and record.kind != "call":
            # A buffer or constant of a module that is one node stands beside this node, not in a box with it.
            calls, is_bottom_level = calls[:-1], False
        role: Role = _KIND_ROLES.get(record.kind, "parameters" if record.parameters else "operation")
        if node in terminal:
            role = "terminal_bool"
        is_named = has_many.get(record.kind, True)
        operations.append(
            Operation(
                label=labels.names[layer],
                layer=layer,
                layer_type=labels.types[layer],
                role=role,
                shape=record.output.shape,
                nbytes=record.output.nbytes,
                parents=_parents(history, node, labels.types[layer]),
                pass_num=labels.pass_num[node],
                passes_total=len(labels.passes[layer]),
                parameter_shapes=tuple(trace.parameters[index].shape for index in record.parameters),
                calls=calls,
                is_bottom_level=is_bottom_level,
                is_internal=record.kind in ("call", "constant") and facts.distances.min_from_input[node] is None,
                address=record.address if is_named else None,
                dtype=record.output.dtype,
                note="" if record.function is None else record.function.qualified_name,
            )
        )
    return tuple(operations)


def _parents(history: ModelHistory, node: int, layer_type: str) -> tuple[Parent, ...]:
    facts = history.interpretation
    record = facts.trace.operations[facts.graph.operations[node]]
    node_of, starts = facts.graph.node_of, facts.branches.starts
    if len(record.parents) == 1:
        parent = node_of[record.parents[0].operation]
        return (Parent(parent, (), (parent, node) in starts),) if parent >= 0 else ()
    is_named = record.kind == "call" and not (
        layer_type in COMMUTATIVE and all(name not in ("alpha", "value") for name, _ in record.kwargs)
    )
    arguments: dict[int, dict[str, None]] = {}
    for parent in record.parents:
        names = arguments.setdefault(node_of[parent.operation], {})
        if is_named:
            names[_argument(parent.path)] = None
    return tuple(
        Parent(parent, tuple(names), (parent, node) in starts) for parent, names in arguments.items() if parent >= 0
    )


def _argument(path: tuple[int | str, ...]) -> str:
    """Return `arg 0`, `arg 1.2` for the third item of the second argument, or the keyword."""
    name = ".".join(shown(str(part), longest=24) for part in path[:4])
    return f"arg {name or 0}" if not path or isinstance(path[0], int) else name


def _calls(history: ModelHistory) -> tuple[ModuleCall, ...]:
    facts = history.interpretation
    trace, node_of = facts.trace, facts.graph.node_of
    parameters = _parameters(history)
    calls: list[ModuleCall] = []
    for call in trace.module_calls[1:]:
        outputs = (node_of[index] for index in call.outputs)
        calls.append(
            ModuleCall(
                address=call.address,
                class_name=trace.modules[call.module].class_name,
                parent=call.parent - 1 if call.parent else None,
                pass_num=call.pass_num,
                passes_total=len(facts.nesting.calls_of[call.module]),
                parameters=parameters[call.module],
                outputs=tuple(node for node in outputs if node >= 0),
            )
        )
    return tuple(calls)


def _parameters(history: ModelHistory) -> list[int]:
    """Return for each module how many numbers the parameters of it and its parts hold, shared ones once."""
    trace = history.interpretation.trace
    held: list[frozenset[int] | None] = [None] * len(trace.modules)
    for root in range(len(trace.modules)):
        stack, opened = [root], set[int]()
        while stack:
            module = trace.modules[stack[-1]]
            # A module inside itself adds nothing new, so that one under way is not entered again.
            waiting = [child for child in module.children if held[child] is None and child not in opened]
            if waiting and stack[-1] not in opened:
                opened.add(stack[-1])
                stack.extend(waiting)
                continue
            parts = (held[child] or frozenset[int]() for child in module.children)
            held[stack.pop()] = frozenset(module.parameters).union(*parts)
    return [sum(trace.parameters[index].numel for index in found or ()) for found in held]
