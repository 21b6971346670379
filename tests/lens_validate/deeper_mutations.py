"""Falsifications that hide their tracks: small ones, consistent ones, and those of what is alive."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from msgspec import Struct
from msgspec.structs import replace
from torch import Tensor

from lens_trace import ModuleCall, Operation, Parent, Recording, TensorRef, Tensors, Trace, WrittenValue
from lens_validate._compare import find_difference
from lens_validate._tolerance import ULPS, tolerance_of
from tests.lens_validate.falsified_fields import falsified
from tests.lens_validate.mutations import Mutant, named_at, readers, same_call, with_operations, with_tensors

# -- small ones -------------------------------------------------------------------------------------------------


def change_an_element_just_beyond_the_tolerance(recording: Recording) -> Iterator[Mutant]:
    """The smallest change, found by doubling, that is beyond what the function's tolerance says."""
    for operation in recording.trace.operations:
        if operation.function is None or operation.id not in recording.tensors or _is_uninitialised(operation):
            continue
        value = recording.tensors[operation.id]
        if not value.numel() or not value.is_floating_point():
            continue
        parents = [recording.tensors[p.operation] for p in operation.parents if p.operation in recording.tensors]
        tolerance = tolerance_of(operation.function.name, [t for t in parents if t.numel()], value, None)
        changed = _nudged(value, (operation.id * 5) % value.numel(), tolerance)
        if changed is not None:
            yield Mutant(
                with_tensors(recording, {operation.id: changed}),
                f"an element of operation {operation.id} ({operation.function.name}) just beyond its tolerance",
                named_at(recording, operation),
            )


def _nudged(value: Tensor, place: int, tolerance: Any) -> Tensor | None:
    flat = value.contiguous().view(-1)
    old = float(flat[place])
    if not torch.isfinite(flat[place]) or old == 0:
        return None
    step = torch.finfo(value.dtype).eps * abs(old) / 2
    for _ in range(60):
        changed = value.clone(memory_format=torch.contiguous_format)
        changed.view(-1)[place] = old + step
        if find_difference(value, changed, tolerance) and find_difference(changed, value, tolerance):
            # A replay may itself lie a tolerance away from what was saved, on either side.
            changed.view(-1)[place] = old + 3 * step + ULPS * torch.finfo(value.dtype).eps * abs(old)
            return changed
        step *= 2
    return None


def change_an_ulp_of_a_source(recording: Recording) -> Iterator[Mutant]:
    """What was given, and what the model holds, is known exactly."""
    for operation in recording.trace.operations:
        if operation.kind in ("input", "buffer", "constant") and operation.id in recording.tensors:
            value = recording.tensors[operation.id]
            if value.is_floating_point() and value.numel():
                changed = value.clone(memory_format=torch.contiguous_format)
                flat = changed.view(-1)
                flat[-1] = torch.nextafter(flat[-1], torch.tensor(float("inf"), dtype=value.dtype))
                what = f"an ulp of {operation.kind} {operation.id}"
                yield Mutant(with_tensors(recording, {operation.id: changed}), what, named_at(recording, operation))


def _is_uninitialised(operation: Operation) -> bool:
    return operation.function is not None and "empty" in operation.function.name


# -- consistent ones --------------------------------------------------------------------------------------------


def renumbered(recording: Recording, number: Mapping[int, int], operations: list[Operation], removed: int) -> Recording:
    """Returns a recording whose operations have other numbers everywhere they are referred to."""
    trace = recording.trace
    shift = lambda count: count - (removed < count) if removed >= 0 else count  # noqa: E731

    def walk(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(walk(item) for item in value)
        if isinstance(value, ModuleCall):
            ends = {
                name: tuple(number[i] for i in getattr(value, name) if i in number) for name in ("inputs", "outputs")
            }
            places = {name: shift(getattr(value, name)) for name in ("first_operation", "last_operation")}
            return replace(value, **ends, **places)
        if not isinstance(value, Struct):
            return value
        fields = {name: walk(getattr(value, name)) for name in value.__struct_fields__}
        if isinstance(value, (TensorRef, WrittenValue, Parent)):
            fields["operation"] = number[value.operation]
        elif isinstance(value, Operation):
            fields["id"] = number[value.id]
            fields["call_id"] = None if value.call_id is None else number[value.call_id]
        return replace(value, **fields)

    reads = tuple(replace(walk(read), after=shift(read.after)) for read in trace.reads)
    changed: Trace = replace(
        trace,
        operations=tuple(sorted((walk(operation) for operation in operations), key=lambda o: o.id)),
        module_calls=walk(trace.module_calls),
        reads=reads,
        inputs=tuple(number[i] for i in trace.inputs),
        outputs=tuple(number[i] for i in trace.outputs),
        output_structure=walk(trace.output_structure),
    )
    payloads = {number[int(i)]: recording.tensors[i] for i in recording.tensors if int(i) in number}
    written = {}
    for operation in trace.operations:
        for index, _ in enumerate(operation.writes):
            if operation.id in number:
                written[(number[operation.id], index)] = recording.tensors.written(operation.id, index)
    return recording.replace(
        trace=changed,
        tensors=Tensors(payloads, written),
        functions={number[call]: function for call, function in recording.functions.items() if call in number},
        rng_states={number[call]: state for call, state in recording.rng_states.items() if call in number},
    )


def remove_an_operation_and_number_anew(recording: Recording) -> Iterator[Mutant]:
    operations = recording.trace.operations
    for operation in operations:
        source = operation.parents[0].operation if operation.parents else None
        if operation.kind != "call" or source is None or len(same_call(recording, operation)) > 1 or operation.writes:
            continue
        like = operations[source].output
        if (like.shape, like.dtype) != (operation.output.shape, operation.output.dtype):
            continue
        number = {int(o.id): int(o.id) - (o.id > operation.id) for o in operations if o.id != operation.id}
        number[int(operation.id)] = number[source]  # who read it reads its parent
        kept = [o for o in operations if o.id != operation.id]
        affected = {number[i] for i in readers(recording, operation.id)}
        without = recording.replace(
            tensors=Tensors(
                {int(i): recording.tensors[i] for i in recording.tensors if i != operation.id}, _written(recording)
            ),
            functions={c: f for c, f in recording.functions.items() if c != operation.id},
            rng_states={c: s for c, s in recording.rng_states.items() if c != operation.id},
        )
        yield Mutant(
            renumbered(without, number, kept, int(operation.id)),
            f"operation {operation.id} removed without a trace",
            frozenset(affected | {int(operation.id)}),
        )


def _written(recording: Recording) -> dict[tuple[int, int], Tensor]:
    return {
        (int(o.id), index): recording.tensors.written(o.id, index)
        for o in recording.trace.operations
        for index, _ in enumerate(o.writes)
    }


def order_two_operations_otherwise(recording: Recording) -> Iterator[Mutant]:
    operations = recording.trace.operations
    for left, right in itertools.pairwise(operations):
        are_calls = left.kind == right.kind == "call" and left.call_id != right.call_id
        if not are_calls or left.id in {parent.operation for parent in right.parents}:
            continue
        if any(len(same_call(recording, o)) > 1 for o in (left, right)):
            continue
        number = {int(o.id): int(o.id) for o in operations}
        number[int(left.id)], number[int(right.id)] = int(right.id), int(left.id)
        yield Mutant(
            renumbered(recording, number, list(operations), -1),
            f"operations {left.id} and {right.id} in the other order",
            frozenset({int(left.id), int(right.id)}),
        )


def group_calls_otherwise(recording: Recording) -> Iterator[Mutant]:
    operations = recording.trace.operations
    for left, right in itertools.pairwise(operations):
        if left.call_id is None or right.call_id is None:
            continue
        where = frozenset({int(left.id), int(right.id)})
        if left.call_id == right.call_id:
            apart = replace(right, call_id=right.id, output_index=None)
            functions = {**recording.functions, right.id: recording.functions[left.call_id]}
            yield Mutant(
                with_operations(recording, {right.id: apart}, functions=functions),
                f"{right.id} a call of its own",
                where,
            )
            swapped = {
                left.id: replace(left, output_index=right.output_index, output_path=right.output_path),
                right.id: replace(right, output_index=left.output_index, output_path=left.output_path),
            }
            yield Mutant(with_operations(recording, swapped), f"outputs {left.id} and {right.id} swapped", where)
        else:
            joined = replace(right, call_id=left.call_id)
            yield Mutant(with_operations(recording, {right.id: joined}), f"{right.id} in the call of {left.id}", where)


def falsify_a_field(recording: Recording) -> Iterator[Mutant]:
    """One change of each field of each kind of record, by type alone."""
    for field, where, trace in falsified(recording.trace, most=1):
        if field != "Trace.seed" and not field.startswith("Operation.user_call_site"):
            places = set() if where is None else {where, int(trace.operations[where].id)}
            yield Mutant(recording.replace(trace=trace), field, frozenset(places))


# -- what is alive ----------------------------------------------------------------------------------------------


def change_what_is_alive(recording: Recording) -> Iterator[Mutant]:
    for index, parameter in enumerate(recording.parameters):
        using = frozenset(int(o.id) for o in recording.trace.operations if index in o.parameters)
        if using and parameter.is_floating_point():
            live = list(recording.parameters)
            live[index] = parameter.detach() * 1.25 + 0.5
            yield Mutant(recording.replace(parameters=tuple(live)), f"parameter {index} is another", using)
    for index in recording.objects:
        objects = {key: value for key, value in recording.objects.items() if key != index}
        yield Mutant(recording.replace(objects=objects), f"object {index} is gone", frozenset())


DEEPER: dict[str, Callable[[Recording], Iterator[Mutant]]] = {
    "change an element just beyond its tolerance": change_an_element_just_beyond_the_tolerance,
    "change an ulp of an input, buffer or constant": change_an_ulp_of_a_source,
    "remove an operation and number all anew": remove_an_operation_and_number_anew,
    "order two operations otherwise and number anew": order_two_operations_otherwise,
    "group the outputs of calls otherwise": group_calls_otherwise,
    "change any field of any record": falsify_a_field,
    "change what is alive": change_what_is_alive,
}
