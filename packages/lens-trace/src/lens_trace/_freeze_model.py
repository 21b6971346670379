"""What did the model look like during the pass?

Modules, parameters and buffers as records.  The facts that could change later (train/eval flags, shapes, devices) are
noted when the pass ends; the records are made from them when somebody asks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from lens_trace import _records as records
from lens_trace._recorder import ModuleRow, Recorder

_MODULE = ModuleRow._fields.index("module")


class Facts(NamedTuple):
    """What is noted when the pass ends; holds no tensor and no module."""

    modules: list[tuple[type[torch.nn.Module], bool, Sequence[int], Sequence[int], Sequence[int], list[str]]]
    module_rows: list[tuple[list[Any], int]]
    parameters: list[tuple[Any, ...]]
    parameter_addresses: list[list[str]]
    buffers: list[tuple[Any, ...]]
    buffer_addresses: list[list[str]]
    buffer_is_persistent: list[bool]


def note_facts(recorder: Recorder) -> Facts:
    """Returns what the records of modules, parameters and buffers need."""
    state = recorder.state
    module_rows = recorder.module_rows
    rows = [module_rows[key] for key in sorted(module_rows)]
    modules = list(state.modules)
    index_of = {id(module): i for i, module in enumerate(modules)}
    addresses = [state.addresses[id(module)] for module in modules]
    unnamed: dict[str, int] = {}
    for row in rows:
        module = row[_MODULE]
        if id(module) not in index_of:  # made during the pass
            name = type(module).__name__
            count = unnamed[name] = unnamed.get(name, 0) + 1
            index_of[id(module)] = len(modules)
            modules.append(module)
            addresses.append(state.addresses.get(id(module)) or [f"<{name}>" if count == 1 else f"<{name}:{count}>"])
    parameter_of, buffer_of = state.parameter_of, state.buffer_of
    noted: list[tuple[type[torch.nn.Module], bool, Sequence[int], Sequence[int], Sequence[int], list[str]]] = [
        (
            type(module),
            getattr(module, "training", False),  # a frozen scripted module has no flag
            [parameter_of[id(p)] for p in own.values() if id(p) in parameter_of] if (own := module._parameters) else (),
            [buffer_of[id(b)][1] for b in own.values() if id(b) in buffer_of] if (own := module._buffers) else (),
            [index_of[id(_inside(c))] for c in own.values() if c is not None and id(_inside(c)) in index_of]
            if (own := module._modules)
            else (),
            addresses[i],
        )
        for i, module in enumerate(modules)
    ]
    called: list[tuple[list[Any], int]] = []
    for row in rows:
        called.append((row, index_of[id(row[_MODULE])]))
        row[_MODULE] = None  # the model may go now
    return Facts(
        noted, called, [_facts_of(p) for p in recorder.live_parameters], state.parameter_addresses,
        [_facts_of(b) for b in state.buffers], state.buffer_addresses, state.buffer_is_persistent,
    )  # fmt: skip


def freeze_modules(facts: Facts) -> tuple[tuple[records.Module, ...], tuple[records.ModuleCall, ...]]:
    """Returns the records of all modules and of all module calls."""
    modules = tuple([
        records.Module(
            records.ModuleId(index), tuple(addresses), kind.__name__, f"{kind.__module__}.{kind.__qualname__}",
            bool(training),
            tuple([records.ParameterId(p) for p in dict.fromkeys(parameters)]),
            tuple([records.BufferId(b) for b in dict.fromkeys(buffers)]),
            tuple([records.ModuleId(c) for c in dict.fromkeys(children)]),
        )
        for index, (kind, training, parameters, buffers, children, addresses) in enumerate(facts.modules)
    ])  # fmt: skip
    return modules, _module_calls(facts)


def _module_calls(facts: Facts) -> tuple[records.ModuleCall, ...]:
    passes: dict[int, int] = {}
    chosen: dict[int, str] = {}
    calls: list[records.ModuleCall] = []
    for noted, index in facts.module_rows:
        row = ModuleRow._make(noted)
        passes[index] = passes.get(index, 0) + 1
        outer = chosen.get(row.parent, "") if row.parent is not None else ""
        address = chosen[row.id] = _address_under(outer, facts.modules[index][5])
        calls.append(
            records.ModuleCall(
                records.ModuleCallId(row.id), records.ModuleId(index), address, passes[index],
                None if row.parent is None else records.ModuleCallId(row.parent), row.depth,
                tuple([records.OperationId(i) for i in dict.fromkeys(row.inputs) if i >= 0]),
                tuple([records.OperationId(o) for o in dict.fromkeys(row.outputs)]),
                row.training, max(row.end - row.start, 0) * 1e-9, row.first, row.last,
            )
        )  # fmt: skip
    return tuple(calls)


def freeze_parameters(facts: Facts) -> tuple[records.Parameter, ...]:
    """Returns the records of all parameters."""
    addresses = facts.parameter_addresses
    return tuple([
        records.Parameter(
            records.ParameterId(i), tuple(addresses[i]) if i < len(addresses) else (), shape, str(dtype)[6:],
            str(device), math.prod(shape), math.prod(shape) * dtype.itemsize, bool(requires_grad),
        )
        for i, (shape, dtype, device, requires_grad) in enumerate(facts.parameters)
    ])  # fmt: skip


def freeze_buffers(facts: Facts) -> tuple[records.Buffer, ...]:
    """Returns the records of all registered buffers."""
    return tuple([
        records.Buffer(
            records.BufferId(i), tuple(facts.buffer_addresses[i]), shape, str(dtype)[6:], str(device),
            math.prod(shape) * dtype.itemsize, facts.buffer_is_persistent[i],
        )
        for i, (shape, dtype, device, _) in enumerate(facts.buffers)
    ])  # fmt: skip


def _inside(module: torch.nn.Module) -> torch.nn.Module:
    parts = module._modules  # scripted modules have a mapping without `get`
    inner = parts["_orig_mod"] if "_orig_mod" in parts else None  # noqa: SIM401
    return inner if inner is not None else module


def _address_under(outer: str, addresses: list[str]) -> str:
    if len(addresses) == 1:
        return addresses[0]
    prefix = f"{outer}." if outer else ""
    return next((a for a in addresses if a.startswith(prefix)), addresses[0])


def _facts_of(tensor: torch.Tensor) -> tuple[Any, ...]:
    try:
        shape = tuple(tensor.shape)
    except RuntimeError:  # a lazy parameter that was never made
        shape = ()
    return shape, tensor.dtype, tensor.device, tensor.requires_grad
