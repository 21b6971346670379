"""What does a history cost at 1,000 to 1,000,000 operations?

    uv run python benchmarks/graph_scale.py [operations ...]

Each size is a hand-made trace shaped like a residual network: blocks of ten functions with a residual join, in modules
of their own, every operation different from its neighbours.  Printed in CPU time: microseconds an operation for each
step, for all steps together, for the tables and for a lookup; and the memory that the history holds beside the trace.
Each size runs in a process of its own, so that peaks do not mix.
"""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import lens_graph
from lens_graph import _build
from lens_trace import (
    CallId,
    Constant,
    Function,
    Module,
    ModuleCall,
    ModuleCallId,
    ModuleId,
    Operation,
    OperationId,
    Parameter,
    ParameterId,
    ParameterRef,
    Parent,
    SequenceArgument,
    TensorRef,
    TensorSpec,
    Trace,
)

SIZES = (1_000, 10_000, 100_000, 1_000_000)
BLOCK = ("conv2d", "batch_norm", "relu", "conv2d", "batch_norm", "relu", "conv2d", "batch_norm", "add", "relu")


def make_trace(count: int) -> Trace:
    """A chain of residual blocks with `count` operations."""
    spec = TensorSpec((8, 64, 56, 56), "float32", "cpu", 8 * 64 * 56 * 56 * 4)
    functions = {name: Function(name, f"torch.{name}", "function") for name in BLOCK}
    operations = [_source(spec)]
    parameters: list[Parameter] = []
    modules = [Module(ModuleId(0), ("",), "Net", "net.Net", False, (), (), ())]
    calls: list[ModuleCall] = []
    entry = 0
    while len(operations) < count - 1:
        first = len(operations)
        call = len(calls) + 1
        for name in BLOCK[: count - 1 - first]:
            number = len(operations)
            last = OperationId(number - 1)
            args: list[Any] = [TensorRef(last)]
            parents = [Parent(last, (0,))]
            own: tuple[ParameterId, ...] = ()
            if name in ("conv2d", "batch_norm"):
                own = (ParameterId(len(parameters)),)
                address = f"block{call}.{number - first}.weight"
                parameters.append(Parameter(own[0], (address,), (64, 64), "float32", "cpu", 4096, 16384, True))
                args.append(ParameterRef(own[0]))
            elif name == "add":
                args.append(TensorRef(OperationId(entry)))
                parents.append(Parent(OperationId(entry), (1,)))
            args.append(Constant(number))
            operations.append(_call(number, functions[name], tuple(args), tuple(parents), own, spec, call))
        modules.append(Module(ModuleId(call), (f"block{call}",), "Block", "net.Block", False, (), (), ()))
        last_operation = len(operations)
        calls.append(
            ModuleCall(
                ModuleCallId(call), ModuleId(call), f"block{call}", 1, ModuleCallId(0), 1, (OperationId(entry),),
                (OperationId(last_operation - 1),), False, 1e-4, first, last_operation,
            )
        )  # fmt: skip
        entry = last_operation - 1
    last = OperationId(len(operations) - 1)
    operations.append(_output(len(operations), last, spec))
    root = ModuleCall(ModuleCallId(0), ModuleId(0), "", 1, None, 0, (), (last,), False, 1.0, 0, len(operations))
    return Trace(
        model_name="Net",
        operations=tuple(operations),
        module_calls=(root, *calls),
        reads=(),
        inputs=(OperationId(0),),
        outputs=(operations[-1].id,),
        output_structure=SequenceArgument("tuple", ()),
        modules=tuple(modules),
        parameters=tuple(parameters),
        buffers=(),
        seed=None,
        started_at=0.0,
        ended_at=1.0,
        elapsed_s=1.0,
        elapsed_functions_s=1.0,
    )


def _source(spec: TensorSpec) -> Operation:
    return Operation(
        OperationId(0), "input", None, None, (), (), (), (), spec, (), None, (0,), (), (), False, False, 0.0, None,
        None, None, None, "x",
    )  # fmt: skip


def _output(number: int, parent: OperationId, spec: TensorSpec) -> Operation:
    return Operation(
        OperationId(number), "output", None, None, (TensorRef(parent),), (), (Parent(parent, (0,)),), (), spec, (),
        None, (), (), (), False, False, 0.0, None, None, None, None, None,
    )  # fmt: skip


def _call(
    number: int, function: Function, args: tuple[Any, ...], parents: tuple[Parent, ...],
    parameters: tuple[ParameterId, ...], spec: TensorSpec, module_call: int,
) -> Operation:  # fmt: skip
    return Operation(
        OperationId(number), "call", function, CallId(number), args, (), parents, parameters, spec, (), None, (),
        (ModuleCallId(module_call),), (), False, False, 1e-5, "Backward0", None, None, None, None,
    )  # fmt: skip


def measure(count: int) -> None:
    """Print one line for one size."""
    from lens_graph import _tables  # noqa: F401 - loading polars is no cost of a table

    trace = make_trace(count)
    steps: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        started = time.process_time()
        value = step()
        steps[name] = steps.get(name, 0.0) + time.process_time() - started
        return value

    graph = timed("graph", lambda: _build.prune(_build.build_graph(trace)))
    distances = timed("distances", lambda: _build.measure_distances(graph))
    timed("branches", lambda: _build.find_branches(graph, distances, trace))
    timed("nesting", lambda: _build.nest_modules(graph, trace))
    nodes = timed("likeness", lambda: _build.make_loop_nodes(graph, trace, None))
    layers = timed("loops", lambda: _build.find_layers(nodes))
    timed("labels", lambda: _build.name_layers(graph, layers, trace))
    # The whole pipeline is measured on its own below.
    history = timed("build", lambda: lens_graph.build_history(trace))
    timed("operations", lambda: history.tables.operations)
    timed("tables", lambda: (history.tables.layers, history.tables.edges, history.tables.modules))
    lookups = [history.layer_list[len(history) * part // 100] for part in range(100)]
    started = time.process_time()
    for key in lookups:
        history[key]
    lookup_us = (time.process_time() - started) * 1e4
    started = time.process_time()
    _ = "conv3d_9" in history
    miss_us = (time.process_time() - started) * 1e6
    del history
    tracemalloc.start()
    history = lens_graph.build_history(trace)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    per_operation = "  ".join(f"{name} {seconds / count * 1e6:.2f}" for name, seconds in steps.items())
    print(f"{count:>9,} operations, us an operation: {per_operation}")
    print(
        f"{'':>9}  build {steps['build']:.2f} s, tables {steps['operations'] + steps['tables']:.2f} s, "
        f"lookup {lookup_us:.1f} us, wrong key {miss_us:.0f} us, "
        f"held {held / count:.0f} B and peak {peak / count:.0f} B an operation",
        flush=True,
    )


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--one":
        measure(int(sys.argv[2]))
    else:
        for size in [int(text.replace(",", "")) for text in sys.argv[1:]] or SIZES:
            subprocess.run([sys.executable, __file__, "--one", str(size)], check=True)
