"""Where do time and memory go?

For each module call: the seconds that the functions inside it took, and the bytes of the tensors that they returned,
its parts included.  A function that returned several tensors is counted once.  Unlike `elapsed_s`, which runs from
entering a module to leaving it, these times hold no recording.  Per operation and per layer the same is found as
`func_time_elapsed` and `tensor_fsize`.

Source: "The ModelHistory object" in the paper (execution time and memory size, facilitating profiling).
"""

from __future__ import annotations

from msgspec import Struct

from lens_graph._interpretation import Interpretation, operation_at


class CallProfile(Struct, frozen=True, gc=False):
    """Cost of each module call, its parts included."""

    function_seconds: tuple[float, ...]
    """Seconds in functions."""
    tensor_bytes: tuple[int, ...]
    """Bytes of the returned tensors."""


def profile_calls(facts: Interpretation) -> CallProfile:
    """Sum up time and memory over the tree of module calls, in one pass over the operations."""
    calls = facts.trace.module_calls
    seconds = [0.0] * len(calls)
    nbytes = [0] * len(calls)
    seen: set[int] = set()
    for node in range(len(facts.graph.parents)):
        operation = operation_at(facts, node)
        if operation.kind != "call" or not calls:
            continue
        innermost = operation.module_calls[-1] if operation.module_calls else 0
        nbytes[innermost] += operation.output.nbytes
        if operation.call_id is None or operation.call_id not in seen:
            seconds[innermost] += operation.elapsed_s
            if operation.call_id is not None:
                seen.add(operation.call_id)
    for index in range(len(calls) - 1, 0, -1):
        parent = calls[index].parent
        if parent is not None:
            seconds[parent] += seconds[index]
            nbytes[parent] += nbytes[index]
    return CallProfile(tuple(seconds), tuple(nbytes))
