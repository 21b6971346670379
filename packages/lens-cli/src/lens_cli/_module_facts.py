"""What is known of each module of a model?

All modules in the order of a tree, each before its parts; a container that is never called itself has the sums of its
parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from lens_cli._facts import ModuleFacts
from lens_torch import ModelHistory


def module_facts(history: ModelHistory, flops: Mapping[int, int] | None) -> tuple[ModuleFacts, ...]:
    """Returns the facts of all modules, the model first.

    Args:
        history: The pass.
        flops: Floating-point operations by operation id; None when they were not counted.
    """
    entries = history.modules
    inside = None if flops is None else _flops_inside(history, flops)
    found: list[ModuleFacts] = []
    seen: set[int] = set()
    waiting = [(address, 0) for address in list(entries)[:1]]
    while waiting:
        address, depth = waiting.pop()
        entry = entries[address]
        if entry.module in seen:
            continue
        seen.add(entry.module)
        waiting += [(child, depth + 1) for child in reversed(entry.children)]
        first = entry.calls[0] if entry.num_passes else None
        found.append(
            ModuleFacts(
                address=entry.address,
                class_name=entry.class_name,
                depth=depth,
                calls=entry.num_passes,
                operations=sum(call.num_operations for call in entry.calls),
                input_shapes=_shapes(history, first.input_layers if first else ()),
                output_shapes=_shapes(history, first.output_layers if first else ()),
                num_parameters=entry.num_params,
                num_trainable=sum(p.numel for p in entry.all_parameters if p.requires_grad),
                nbytes=entry.tensor_fsize,
                seconds=entry.func_time_elapsed,
                flops=None if inside is None else inside.get(entry.module, 0),
            )
        )
    return tuple(_with_parts(found))


def _with_parts(modules: list[ModuleFacts]) -> list[ModuleFacts]:
    """Gives a container that is never called itself, such as a ModuleList, the sums of its parts."""
    summed: list[ModuleFacts] = []
    pending: dict[int, list[ModuleFacts]] = {}  # by depth: modules whose parent comes next above
    for module in reversed(modules):
        parts = pending.pop(module.depth + 1, [])
        if not module.calls and parts:
            module = replace(
                module,
                operations=sum(part.operations for part in parts),
                nbytes=sum(part.nbytes for part in parts),
                seconds=sum(part.seconds for part in parts),
                flops=None if module.flops is None else sum(part.flops or 0 for part in parts),
            )
        pending.setdefault(module.depth, []).append(module)
        summed.append(module)
    return summed[::-1]


def _shapes(history: ModelHistory, labels: Iterable[str]) -> tuple[tuple[int, ...], ...]:
    # A module's inputs and outputs are values of one pass, so their labels lead to one shape each.
    return tuple(history[label].tensor_shape for label in labels)


def _flops_inside(history: ModelHistory, flops: Mapping[int, int]) -> dict[int, int]:
    trace = history.trace
    inside: Counter[int] = Counter()
    for operation in trace.operations:
        if operation.id in flops:
            for module in {trace.module_calls[call].module for call in operation.module_calls} | {0}:
                inside[module] += flops[operation.id]
    return inside
