"""What did the model look like during the pass?

Modules, parameters and buffers as records.  The facts that could change later (train/eval flags, shapes, devices) are
noted when the pass ends; the records are made from them when somebody asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, NamedTuple

import torch

from lens_trace import _records as records
from lens_trace._addresses import Addresses
from lens_trace._constants import dtype_name
from lens_trace._recorder import Recorder
from lens_trace._rows import ModuleRow, outer_call
from lens_trace._state import ModelState


class Facts(NamedTuple):
    """What is noted when the pass ends; holds no module."""

    kinds: list[type[torch.nn.Module]]
    is_training: list[bool]
    children: dict[int, list[int | None]] | None
    """Numbers of the parts, for modules that have some; None where they are the visits of the walk."""
    module_rows: list[ModuleRow]
    parameters: list[tuple[Any, ...]]
    buffers: list[tuple[Any, ...]]
    buffer_is_persistent: list[bool] | None
    """None: all are."""
    addresses: Addresses


def note_facts(recorder: Recorder) -> Facts:
    """Returns what the records of modules, parameters and buffers need."""
    state, modules = recorder.state, recorder.state.modules
    is_as_walked = (
        state.addresses.is_whole
        and not state.is_rearranged
        and len(modules) == len(state.addresses.registered_parameters.sizes)
    )
    return Facts(
        list(map(type, modules)), _training_of(modules, state), None if is_as_walked else _children_of(state),
        recorder.module_rows, _facts_of(recorder.live_parameters), _facts_of(state.buffers), _persistence(state),
        state.addresses,
    )  # fmt: skip


def _children_of(state: ModelState) -> dict[int, list[int | None]]:
    number_of = state.number_of
    number_of.update(state.wrapper_of)
    return {
        number: list(map(number_of.get, map(id, parts.values())))
        for number, module in enumerate(state.modules)
        if (parts := module._modules)
    }


def _persistence(state: ModelState) -> list[bool] | None:
    passing = (
        state.registrations.non_persistent
        if state.registrations.is_plain
        else [module._non_persistent_buffers_set for module in state.modules]
    )
    if not any(passing):
        return None
    registered, found = state.addresses.registered_buffers, dict[int, bool]()
    for number, names in enumerate(passing):
        for name, buffer in registered.of(number).items():
            if buffer is not None:
                found.setdefault(id(buffer), name not in names)
    return list(found.values())


def _training_of(modules: list[torch.nn.Module], state: ModelState) -> list[bool]:
    flags = state.registrations.training  # as they were put back
    if len(flags) == len(modules):
        return flags
    return [getattr(module, "training", False) for module in modules]  # a frozen scripted module has no flag


def freeze_modules(facts: Facts) -> tuple[tuple[records.Module, ...], tuple[records.ModuleCall, ...]]:
    """Returns the records of all modules and of all module calls."""
    addresses = [*facts.addresses.modules, *_names_of_unknown(facts)]
    children = facts.addresses.children() if facts.children is None else facts.children
    modules = tuple([
        records.Module(
            records.ModuleId(number), tuple(addresses[number]), kind.__name__, _qualified_name(kind),
            bool(training), *_held(number, facts),
            tuple([records.ModuleId(c) for c in dict.fromkeys(children.get(number, ())) if c is not None]),
        )
        for number, (kind, training) in enumerate(zip(facts.kinds, facts.is_training, strict=True))
    ])  # fmt: skip
    return modules, _module_calls(facts, addresses)


def _names_of_unknown(facts: Facts) -> list[list[str]]:
    counts: dict[str, int] = {}
    names: list[list[str]] = []
    for kind in facts.kinds[len(facts.addresses.modules) :]:  # made during the pass
        name = kind.__name__
        count = counts[name] = counts.get(name, 0) + 1
        names.append([f"<{name}>" if count == 1 else f"<{name}:{count}>"])
    return names


def _held(number: int, facts: Facts) -> tuple[tuple[records.ParameterId, ...], tuple[records.BufferId, ...]]:
    addresses = facts.addresses
    parameters, buffers = addresses.registered_parameters.of(number), addresses.registered_buffers.of(number)
    return (
        tuple([records.ParameterId(n) for n in _numbers(parameters, addresses.parameter_of)]) if parameters else (),
        tuple([records.BufferId(n) for n in _numbers(buffers, addresses.buffer_of)]) if buffers else (),
    )


def _numbers(registered: dict[str, Any], number_of: dict[int, int]) -> Iterable[int]:
    return dict.fromkeys(number_of[id(tensor)] for tensor in registered.values() if tensor is not None)


def _qualified_name(kind: type) -> str:
    # The classes of fx graphs take over the plain name of what they were made from, and only that.
    outer, _, _ = kind.__qualname__.rpartition(".")
    return ".".join([part for part in (kind.__module__, outer, kind.__name__) if part])


def _module_calls(facts: Facts, addresses: list[list[str]]) -> tuple[records.ModuleCall, ...]:
    passes: dict[int, int] = {}
    chosen: dict[int, str] = {}
    calls: list[records.ModuleCall] = []
    depths: dict[int, int] = {}
    for row in sorted(facts.module_rows, key=_number):
        number, index = _number(row), row.module
        passes[index] = passes.get(index, 0) + 1
        outer = outer_call(row.outer)
        parent = None if outer is None else _number(outer)
        address = chosen[number] = _address_under("" if parent is None else chosen[parent], addresses[index])
        depth = depths[number] = 0 if parent is None else depths[parent] + 1
        calls.append(
            records.ModuleCall(
                records.ModuleCallId(number), records.ModuleId(index), address, passes[index],
                None if parent is None else records.ModuleCallId(parent), depth,
                tuple([records.OperationId(i) for i in dict.fromkeys(_several(row.inputs)) if i >= 0]),
                tuple([records.OperationId(o) for o in dict.fromkeys(_several(row.outputs))]),
                row.training, max(row.end - row.start, 0) * 1e-9, row.first, row.last,
            )
        )  # fmt: skip
    return tuple(calls)


def _number(row: ModuleRow) -> int:
    assert row.number is not None
    return row.number


def _several(operations: Any) -> Iterable[int]:
    return (operations,) if type(operations) is int else operations


def freeze_parameters(facts: Facts) -> tuple[records.Parameter, ...]:
    """Returns the records of all parameters."""
    addresses, shown = facts.addresses.parameters, _devices_of(facts.parameters)
    return tuple([
        records.Parameter(
            records.ParameterId(i), tuple(addresses[i]) if i < len(addresses) else (), tuple(shape),
            dtype_name(dtype), shown[device], count := math.prod(shape), count * dtype.itemsize, bool(requires_grad),
        )
        for i, (shape, dtype, device, requires_grad) in enumerate(facts.parameters)
    ])  # fmt: skip


def freeze_buffers(facts: Facts) -> tuple[records.Buffer, ...]:
    """Returns the records of all registered buffers."""
    shown = _devices_of(facts.buffers)
    return tuple([
        records.Buffer(
            records.BufferId(i), tuple(facts.addresses.buffers[i]), tuple(shape), dtype_name(dtype), shown[device],
            math.prod(shape) * dtype.itemsize, facts.buffer_is_persistent is None or facts.buffer_is_persistent[i],
        )
        for i, (shape, dtype, device, _) in enumerate(facts.buffers)
    ])  # fmt: skip


def _devices_of(facts: list[tuple[Any, ...]]) -> dict[torch.device, str]:
    return {device: str(device) for device in {device for _, _, device, _ in facts}}


def _address_under(outer: str, addresses: list[str]) -> str:
    if len(addresses) == 1:
        return addresses[0]
    prefix = f"{outer}." if outer else ""
    return next((a for a in addresses if a.startswith(prefix)), addresses[0])


_fact = attrgetter("shape", "dtype", "device", "requires_grad")


def _facts_of(tensors: list[torch.Tensor]) -> list[tuple[Any, ...]]:
    try:
        return list(map(_fact, tensors))
    except RuntimeError:  # a lazy parameter that was never made has no shape
        return [(_shape_of(t), t.dtype, t.device, t.requires_grad) for t in tensors]


def _shape_of(tensor: torch.Tensor) -> tuple[int, ...]:
    try:
        return tensor.shape
    except RuntimeError:
        return ()
