"""Do the records of the model agree with each other and with what is alive?

Modules, module calls, parameters and buffers are records of their own.  Their numbers are places in the trace, module
calls lie in each other as their operations do, and parameters and buffers look like the live ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from lens_trace import Buffer, ModuleCall, Operation, OperationId, Parameter, Recording, Trace


def model_contradictions(recording: Recording) -> list[str]:
    """Returns what is wrong with the records of modules, module calls, parameters and buffers."""
    trace = recording.trace
    found: list[str] = []
    for name in ("modules", "module_calls", "parameters", "buffers"):
        ids = [record.id for record in getattr(trace, name)]
        if ids != list(range(len(ids))):
            found.append(f"the {name} are numbered {ids}")
    if found:
        return found
    buffers = [recording.buffers.get(buffer.id) for buffer in trace.buffers]
    lives = (*_lives(trace.parameters, recording.parameters), *_lives(trace.buffers, buffers))
    return [*_calls(trace), *_modules(trace), *lives]


def _calls(trace: Trace) -> Iterator[str]:
    last = len(trace.operations)
    passes: dict[int, int] = {}
    known = {operation.id for operation in trace.operations}
    for call in trace.module_calls:
        wrong = _call(call, trace)
        if wrong is None and not {*call.inputs, *call.outputs} <= known:
            wrong = "refers to operations that are not in the trace"
        if wrong is None and not 0 <= call.first_operation <= call.last_operation <= last:
            wrong = f"holds operations {call.first_operation} to {call.last_operation} of {last}"
        passes[call.module] = passes.get(call.module, 0) + 1
        if wrong is None and call.pass_num != passes[call.module]:
            wrong = f"is said to be pass {call.pass_num} of its module, and is pass {passes[call.module]}"
        if wrong is not None:
            yield f"module call {call.id} ({call.address or 'the model'}) {wrong}"


def _call(call: ModuleCall, trace: Trace) -> str | None:
    if not 0 <= call.module < len(trace.modules):
        return f"is of module {call.module}, which does not exist"
    if call.address not in trace.modules[call.module].addresses:
        return f"has an address that its module does not have: {list(trace.modules[call.module].addresses)}"
    if call.parent is None:
        return None if call.id == 0 and call.depth == 0 else "has no parent"
    if not 0 <= call.parent < call.id:
        return f"ran in module call {call.parent}, which is not before it"
    outer = trace.module_calls[call.parent]
    if call.depth != outer.depth + 1:
        return f"has the depth {call.depth} in a call of the depth {outer.depth}"
    return None


def _modules(trace: Trace) -> Iterator[str]:
    for module in trace.modules:
        for name, count in (
            ("children", len(trace.modules)),
            ("parameters", len(trace.parameters)),
            ("buffers", len(trace.buffers)),
        ):
            if not all(0 <= number < count for number in getattr(module, name)):
                yield f"module {module.id} has {name} that do not exist: {list(getattr(module, name))}"
        if not module.addresses or not module.qualified_class_name.endswith(module.class_name):
            yield f"module {module.id} is called {module.class_name}, {module.qualified_class_name} at no address"


def _lives(recorded: Sequence[Parameter] | Sequence[Buffer], live: Sequence[Tensor | None]) -> Iterator[str]:
    for record, tensor in zip(recorded, live, strict=False):
        if tensor is None or not _has_shape(tensor):
            continue
        is_parameter = isinstance(record, Parameter)
        facts: Mapping[str, Any] = {
            "shape": tuple(tensor.shape),
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "nbytes": tensor.numel() * tensor.element_size(),
            **({"numel": tensor.numel()} if is_parameter else {}),
        }
        for name, real in facts.items():
            if getattr(record, name) != real:
                kind = "parameter" if is_parameter else "buffer"
                yield f"{kind} {record.id} has the {name} {getattr(record, name)} on record and {real} in the model"


def _has_shape(tensor: Tensor) -> bool:
    try:
        tensor.shape  # noqa: B018 - a lazy parameter that was never made has none
    except RuntimeError:
        return False
    return True


def open_calls(trace: Trace) -> dict[OperationId, int] | None:
    """Returns the innermost open module call at every operation, None where threads make the order uncertain."""
    if any(operation.thread for operation in trace.operations) or not trace.module_calls:
        return None
    innermost: dict[OperationId, int] = {}
    upcoming = iter(trace.module_calls)
    following = next(upcoming, None)
    stack: list[tuple[int, int]] = []
    for place, operation in enumerate(trace.operations):
        while True:
            while stack and stack[-1][1] <= place:
                stack.pop()
            if following is None or following.first_operation > place:
                break
            stack.append((following.id, following.last_operation))
            following = next(upcoming, None)
        innermost[operation.id] = stack[-1][0] if stack else 0
    return innermost


def stack_contradiction(operation: Operation, trace: Trace, innermost: dict[OperationId, int] | None) -> str | None:
    """Returns how the module calls that an operation is said to have run in cannot be, None when they can."""
    if operation.kind != "call":
        return None
    outer = 0
    for call in operation.module_calls:
        if not 0 < call < len(trace.module_calls):
            return f"it is said to have run in module call {call}, which does not exist"
        record = trace.module_calls[call]
        if record.parent != outer:
            return f"its module calls {list(operation.module_calls)} do not lie in each other"
        outer = call
    if innermost is not None and trace.is_complete and innermost[operation.id] != outer:
        return f"it is said to have run in module call {outer}; open was {innermost[operation.id]}"
    return None
