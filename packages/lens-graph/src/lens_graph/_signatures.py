"""Which operations are alike?

Two operations are *alike* when they could be the same step of a loop: the same layer type and in-place flag, the same
arguments, the same place among the returned tensors and, where no parameter takes part, the same innermost module
object.  In the arguments a tensor counts only as a tensor, a parameter counts as itself at its position, an object as
itself, and everything else by type and value.  Inputs, outputs, buffers and tensors that nobody has seen before are
alike to nothing.

Likeness is expressed as a *signature*, a small integer: alike means equal signatures.  Each argument list becomes a
nested tuple of plain values, and tuples become integers through one dictionary.

Source: "Handling of recurrent operations" and "Post-processing", the candidate sets of the fifth step.  The paper has
no condition on the module; it gives a rolled layer one place among the module boxes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from lens_graph._graph import Graph
from lens_graph._loops import LoopNode
from lens_graph._types import layer_type_of
from lens_trace import (
    Argument,
    CallSite,
    Constant,
    MappingArgument,
    Opaque,
    Operation,
    ParameterRef,
    SequenceArgument,
    SliceArgument,
    Special,
    TensorRef,
    Trace,
)


def make_loop_nodes(graph: Graph, trace: Trace, objects: Mapping[int, Any] | None = None) -> list[LoopNode]:
    """Reduce each node to what the search for loops looks at: signature, edges with positions, parameters, place.

    `objects` are the live objects behind opaque arguments; with them, one object under two indices counts as one.
    """
    codes = _Codes(trace, objects or {})
    node_of = graph.node_of
    return [
        LoopNode(
            signature=codes.signature(operation := trace.operations[operation_id]),
            parents=tuple(
                (node_of[parent.operation], codes.code((parent.path, parent.is_overlay)))
                for parent in operation.parents
            ),
            has_parameters=bool(operation.parameters),
            site=codes.site(operation.call_site, operation.user_call_site),
        )
        for operation_id in graph.operations
    ]


class _Codes:
    """Dictionaries from values to small integers; lives as long as one call of `make_loop_nodes`."""

    def __init__(self, trace: Trace, objects: Mapping[int, Any]) -> None:
        self.trace = trace
        self.objects = objects
        self.known: dict[Hashable, int] = {}
        self.sites: dict[Hashable, int] = {}

    def code(self, value: Hashable) -> int:
        return self.known.setdefault(value, len(self.known))

    def signature(self, operation: Operation) -> int | None:
        if operation.kind != "call":
            return None
        module = None
        if not operation.parameters and operation.module_calls:
            module = self.trace.module_calls[operation.module_calls[-1]].module
        return self.code(
            (
                layer_type_of(operation),
                operation.is_inplace,
                tuple([self.argument(argument) for argument in operation.args]),
                tuple([(name, self.argument(argument)) for name, argument in operation.kwargs]),
                operation.output_index,
                module,
            )
        )

    def site(self, *frames: CallSite | None) -> int | None:
        if frames[0] is None and frames[-1] is None:
            return None
        return self.sites.setdefault(frames, len(self.sites))

    def argument(self, argument: Argument) -> Hashable:
        if isinstance(argument, TensorRef):
            return "tensor" if argument.parameter is None else ("parameter", argument.parameter)
        if isinstance(argument, Constant):
            value = argument.value
            # True, 1 and 1.0 are equal in Python, and so are 0.0 and -0.0, but they do not compute alike.
            return (type(value), repr(value) if value == 0 else value)
        if isinstance(argument, ParameterRef):
            return ("parameter", argument.parameter)
        if isinstance(argument, SequenceArgument):
            return (argument.kind, tuple([self.argument(item) for item in argument.items]))
        return self._rare(argument)

    def _rare(self, argument: Special | SliceArgument | MappingArgument | Opaque) -> Hashable:
        match argument:
            case Special():
                return (argument.kind, argument.text)
            case SliceArgument():
                return ("slice", *(self.argument(part) for part in (argument.start, argument.stop, argument.step)))
            case MappingArgument():
                return (argument.kind, tuple([(name, self.argument(item)) for name, item in argument.items]))
            case Opaque():
                live = self.objects.get(argument.index)
                return ("object", argument.type_name, ("index", argument.index) if live is None else id(live))
