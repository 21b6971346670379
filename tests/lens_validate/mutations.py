"""Ways to falsify a recording: each yields recordings that are wrong in one place, and where.

`tests.lens_validate.kill_rate` tries them all on every small model and publishes how many are found.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from msgspec.structs import replace
from torch import Tensor

from lens_trace import (
    Constant,
    Operation,
    ParameterRef,
    Parent,
    Recording,
    RngState,
    SequenceArgument,
    TensorRef,
    Tensors,
)
from lens_validate import ValidationReport, validate


class Mutant(NamedTuple):
    """A falsified recording."""

    recording: Recording
    what: str
    """What was done, for the reader."""
    where: frozenset[int]
    """Operations one of which must be named."""


def with_tensors(recording: Recording, changes: dict[int, Tensor], **more: Any) -> Recording:
    return recording.replace(tensors=recording.tensors.replace(changes), **more)


def with_operations(recording: Recording, changes: dict[int, Operation], **more: Any) -> Recording:
    operations = tuple(changes.get(o.id, o) for o in recording.trace.operations)
    return recording.replace(trace=replace(recording.trace, operations=operations), **more)


def readers(recording: Recording, operation: int) -> set[int]:
    return {o.id for o in recording.trace.operations if any(p.operation == operation for p in o.parents)}


def named_at(recording: Recording, operation: Operation) -> frozenset[int]:
    """A source has no replay: those who read it may be named in its place."""
    found = {int(operation.id)}
    return frozenset(found if operation.kind in ("call", "output") else found | readers(recording, operation.id))


def same_call(recording: Recording, operation: Operation) -> frozenset[int]:
    if operation.call_id is None:
        return frozenset({int(operation.id)})
    return frozenset(int(o.id) for o in recording.trace.operations if o.call_id == operation.call_id)


def name_of(operation: Operation) -> str:
    return operation.function.name if operation.function is not None else operation.kind


def is_uninitialised(operation: Operation) -> bool:
    return operation.function is not None and operation.function.name in ("empty", "empty_like", "new_empty")


# -- values -----------------------------------------------------------------------------------------------------


def _element(value: Tensor, place: int, factor: float) -> Tensor:
    changed = value.clone(memory_format=torch.contiguous_format)
    flat = changed.view(-1)
    if value.dtype is torch.bool:
        flat[place] = ~flat[place]
    elif not (value.is_floating_point() or value.is_complex()):
        flat[place] += 1
    else:
        finite = flat[torch.isfinite(flat)].abs()
        scale = float(finite.max()) if finite.numel() else 1.0
        flat[place] = scale + 1 if not torch.isfinite(flat[place]) else flat[place] + factor * (scale or 1.0)
    return changed


def change_an_element(recording: Recording, factor: float = 0.5) -> Iterator[Mutant]:
    for operation in recording.trace.operations:
        if operation.id in recording.tensors and not is_uninitialised(operation):
            value = recording.tensors[operation.id]
            if value.numel():
                changed = _element(value, (operation.id * 7) % value.numel(), factor)
                if not torch.equal(changed, value):
                    yield Mutant(
                        with_tensors(recording, {operation.id: changed}),
                        f"an element of operation {operation.id}",
                        named_at(recording, operation),
                    )


def change_an_element_a_little(recording: Recording) -> Iterator[Mutant]:
    yield from change_an_element(recording, 2.0**-7)


def swap_two_values(recording: Recording) -> Iterator[Mutant]:
    groups: dict[Any, list[Operation]] = collections.defaultdict(list)
    for operation in recording.trace.operations:
        if operation.id in recording.tensors and not is_uninitialised(operation):
            groups[operation.output.shape, operation.output.dtype].append(operation)
    for group in groups.values():
        for left, right in itertools.pairwise(group):
            a, b = recording.tensors[left.id], recording.tensors[right.id]
            if not torch.equal(a, b):
                yield Mutant(
                    with_tensors(recording, {left.id: b, right.id: a}),
                    f"values of {left.id} and {right.id} swapped",
                    named_at(recording, left) | named_at(recording, right),
                )


def change_a_written_value(recording: Recording) -> Iterator[Mutant]:
    for operation in recording.trace.operations:
        for index, _ in enumerate(operation.writes):
            try:
                value = recording.tensors.written(operation.id, index)
            except KeyError:
                continue
            written = {(operation.id, index): _element(value, 0, 0.5)}
            payloads = {int(i): recording.tensors[i] for i in recording.tensors}
            tensors = Tensors(payloads, {**_written(recording), **written})
            yield Mutant(
                recording.replace(tensors=tensors), f"write {index} of {operation.id}", same_call(recording, operation)
            )


def _written(recording: Recording) -> dict[tuple[int, int], Tensor]:
    found: dict[tuple[int, int], Tensor] = {}
    for operation in recording.trace.operations:
        for index, _ in enumerate(operation.writes):
            try:
                found[(operation.id, index)] = recording.tensors.written(operation.id, index)
            except KeyError:
                continue
    return found


def save_before_the_write(recording: Recording) -> Iterator[Mutant]:
    for operation in recording.trace.operations:
        if operation.is_inplace and operation.parents:
            before = recording.tensors[operation.parents[0].operation]
            after = recording.tensors[operation.id]
            if before.shape == after.shape and before.dtype == after.dtype and not torch.equal(before, after):
                yield Mutant(
                    with_tensors(recording, {operation.id: before}),
                    f"{operation.id} saved before its write",
                    frozenset({int(operation.id)}),
                )


def change_a_saved_dtype(recording: Recording) -> Iterator[Mutant]:
    for operation in recording.trace.operations:
        if operation.id in recording.tensors:
            value = recording.tensors[operation.id]
            other = torch.float64 if value.dtype is torch.float32 else torch.float32
            if not value.is_complex():
                yield Mutant(
                    with_tensors(recording, {operation.id: value.to(other)}),
                    f"{operation.id} saved as {other}",
                    named_at(recording, operation),
                )


def change_a_recorded_dtype(recording: Recording) -> Iterator[Mutant]:
    for operation in recording.trace.operations:
        spec = replace(operation.output, dtype="float64" if operation.output.dtype == "float32" else "float32")
        yield Mutant(
            with_operations(recording, {operation.id: replace(operation, output=spec)}),
            f"dtype on record of {operation.id}",
            named_at(recording, operation),
        )


# -- edges ------------------------------------------------------------------------------------------------------


def drop_an_edge(recording: Recording) -> Iterator[Mutant]:
    for operation in recording.trace.operations:
        for index, parent in enumerate(operation.parents):
            fewer = operation.parents[:index] + operation.parents[index + 1 :]
            yield Mutant(
                with_operations(recording, {operation.id: replace(operation, parents=fewer)}),
                f"edge {parent.operation} -> {operation.id} dropped",
                same_call(recording, operation),
            )


def add_an_edge(recording: Recording) -> Iterator[Mutant]:
    for operation in recording.trace.operations:
        known = {parent.operation for parent in operation.parents}
        other = next((i for i in range(operation.id) if i not in known), None)
        if other is not None and operation.kind in ("call", "output"):
            more = (*operation.parents, Parent(recording.trace.operations[other].id, (0,)))
            yield Mutant(
                with_operations(recording, {operation.id: replace(operation, parents=more)}),
                f"edge {other} -> {operation.id} added",
                same_call(recording, operation),
            )


def map_references(argument: Any, change: Callable[[Any, tuple[Any, ...]], Any], path: tuple[Any, ...]) -> Any:
    if isinstance(argument, (TensorRef, ParameterRef, Constant)):
        return change(argument, path)
    if isinstance(argument, SequenceArgument):
        items = tuple(map_references(item, change, (*path, i)) for i, item in enumerate(argument.items))
        return replace(argument, items=items)
    return argument


def with_arguments(operation: Operation, change: Callable[[Any, tuple[Any, ...]], Any]) -> Operation:
    """Returns the operation with its references changed, edges and parameters with them."""
    args = tuple(map_references(argument, change, (i,)) for i, argument in enumerate(operation.args))
    kwargs = tuple((key, map_references(argument, change, (key,))) for key, argument in operation.kwargs)
    parents: list[Parent] = []
    parameters: dict[int, None] = {}

    def collect(argument: Any, path: tuple[Any, ...]) -> Any:
        if isinstance(argument, TensorRef):
            parents.append(Parent(argument.operation, path))
        if isinstance(argument, (TensorRef, ParameterRef)):
            parents.extend(Parent(overlay.operation, path, True) for overlay in argument.overlays)
            if argument.parameter is not None:
                parameters[argument.parameter] = None
        return argument

    for i, argument in enumerate(args):
        map_references(argument, collect, (i,))
    for key, argument in kwargs:
        map_references(argument, collect, (key,))
    return replace(operation, args=args, kwargs=kwargs, parents=tuple(parents), parameters=tuple(parameters))  # type: ignore[arg-type]


def change_call(recording: Recording, operation: Operation, change: Callable[[Any, tuple[Any, ...]], Any]) -> Recording:
    siblings = [o for o in recording.trace.operations if o.id in same_call(recording, operation)]
    return with_operations(recording, {o.id: with_arguments(o, change) for o in siblings})


def references(operation: Operation, kinds: Any) -> list[tuple[tuple[Any, ...], Any]]:
    found: list[tuple[tuple[Any, ...], Any]] = []

    def collect(argument: Any, path: tuple[Any, ...]) -> Any:
        if isinstance(argument, kinds):
            found.append((path, argument))
        return argument

    for i, argument in enumerate(operation.args):
        map_references(argument, collect, (i,))
    for key, argument in operation.kwargs:
        map_references(argument, collect, (key,))
    return found


def first_of_each_call(recording: Recording) -> Iterator[Operation]:
    seen: set[int] = set()
    for operation in recording.trace.operations:
        if operation.call_id is None:
            if operation.kind == "output":
                yield operation
        elif operation.call_id not in seen:
            seen.add(operation.call_id)
            yield operation


def redirect_an_edge(recording: Recording) -> Iterator[Mutant]:
    operations = recording.trace.operations
    for operation in first_of_each_call(recording):
        for path, reference in references(operation, TensorRef):
            shape, dtype = (getattr(operations[reference.operation].output, n) for n in ("shape", "dtype"))
            others = [
                o
                for o in operations[: operation.id]
                if o.id != reference.operation and (o.output.shape, o.output.dtype) == (shape, dtype)
            ]
            for other in others[-2:]:
                change = lambda argument, at, path=path, other=other: (  # noqa: E731
                    TensorRef(other.id, buffer=other.buffer) if at == path else argument
                )
                yield Mutant(
                    change_call(recording, operation, change),
                    f"{operation.id} {path} from {reference.operation} to {other.id}",
                    same_call(recording, operation),
                )


def forget_a_write_through_a_view(recording: Recording) -> Iterator[Mutant]:
    for operation in first_of_each_call(recording):
        for path, reference in references(operation, TensorRef):
            for index, overlay in enumerate(reference.overlays):
                fewer = reference.overlays[:index] + reference.overlays[index + 1 :]
                change = lambda argument, at, path=path, fewer=fewer: (  # noqa: E731
                    replace(argument, overlays=fewer) if at == path else argument
                )
                yield Mutant(
                    change_call(recording, operation, change),
                    f"write {overlay.operation} forgotten at {operation.id}",
                    same_call(recording, operation),
                )


# -- arguments --------------------------------------------------------------------------------------------------


def swap_arguments(recording: Recording) -> Iterator[Mutant]:
    for operation in first_of_each_call(recording):
        found = references(operation, (TensorRef, ParameterRef))
        for (left_path, left), (right_path, right) in itertools.pairwise(found):
            if left != right:
                swapped = {left_path: right, right_path: left}
                change = lambda argument, at, swapped=swapped: swapped.get(at, argument)  # noqa: E731
                yield Mutant(
                    change_call(recording, operation, change),
                    f"{left_path} and {right_path} of {operation.id} swapped",
                    same_call(recording, operation),
                )


def change_a_constant(recording: Recording) -> Iterator[Mutant]:
    for operation in first_of_each_call(recording):
        for path, constant in references(operation, Constant):
            value = constant.value
            if isinstance(value, bool):
                other: Any = not value
            elif isinstance(value, int):
                other = value + 1
            elif isinstance(value, float):
                other = value * 1.5 + 0.375
            else:
                continue
            change = lambda argument, at, path=path, other=other: Constant(other) if at == path else argument  # noqa: E731
            yield Mutant(
                change_call(recording, operation, change),
                f"constant {path} of {operation.id} ({name_of(operation)}): {value} to {other}",
                same_call(recording, operation),
            )


def change_a_parameter(recording: Recording) -> Iterator[Mutant]:
    parameters = recording.trace.parameters
    for operation in first_of_each_call(recording):
        for path, reference in references(operation, ParameterRef):
            for other in parameters:
                if other.id != reference.parameter and other.shape == parameters[reference.parameter].shape:
                    change = lambda argument, at, path=path, other=other: (  # noqa: E731
                        ParameterRef(other.id) if at == path else argument
                    )
                    yield Mutant(
                        change_call(recording, operation, change),
                        f"parameter {reference.parameter} of {operation.id} to {other.id}",
                        same_call(recording, operation),
                    )
                    break


def change_the_function(recording: Recording) -> Iterator[Mutant]:
    for operation in first_of_each_call(recording):
        if operation.function is not None and operation.call_id is not None and operation.function.kind != "identity":
            renamed = replace(operation.function, name="frobnicate")
            siblings = same_call(recording, operation)
            changes = {o.id: replace(o, function=renamed) for o in recording.trace.operations if o.id in siblings}
            yield Mutant(with_operations(recording, changes), f"name of {operation.id}", siblings)
            functions = {**recording.functions, operation.call_id: torch.cosh}
            if operation.function.name != "cosh":
                yield Mutant(recording.replace(functions=functions), f"callable of {operation.id}", siblings)


def change_the_random_state(recording: Recording) -> Iterator[Mutant]:
    for operation in first_of_each_call(recording):
        if operation.call_id in recording.rng_states:
            other = RngState(torch.Generator().manual_seed(12345).get_state())
            states = {**recording.rng_states, operation.call_id: other}
            yield Mutant(
                recording.replace(rng_states=states), f"random state of {operation.id}", same_call(recording, operation)
            )


# -- the trace --------------------------------------------------------------------------------------------------


def remove_an_operation(recording: Recording) -> Iterator[Mutant]:
    operations = recording.trace.operations
    for operation in operations:
        fewer = tuple(o for o in operations if o.id != operation.id)
        if operation.kind == "call" and operation.id + 1 < len(operations):
            where = frozenset({int(operation.id) + 1}) | readers(recording, operation.id)
            trimmed = replace(recording.trace, operations=fewer)
            yield Mutant(recording.replace(trace=trimmed), f"operation {operation.id} removed", where)


def change_the_module(recording: Recording) -> Iterator[Mutant]:
    for operation in recording.trace.operations:
        if operation.kind == "call" and len(recording.trace.module_calls) > 1:
            other = operation.module_calls[:-1] if operation.module_calls else (recording.trace.module_calls[1].id,)
            yield Mutant(
                with_operations(recording, {operation.id: replace(operation, module_calls=other)}),
                f"module of {operation.id}",
                frozenset({int(operation.id)}),
            )


def change_a_read(recording: Recording) -> Iterator[Mutant]:
    for index, read in enumerate(recording.trace.reads):
        if isinstance(read.value, (bool, float)):
            value = not read.value if isinstance(read.value, bool) else read.value + 1
            reads = list(recording.trace.reads)
            reads[index] = replace(read, value=value)
            changed = replace(recording.trace, reads=tuple(reads))
            yield Mutant(recording.replace(trace=changed), f"read {index}", frozenset())


MUTATIONS: dict[str, Callable[[Recording], Iterator[Mutant]]] = {
    "change one element of one saved tensor": change_an_element,
    "the same by 1/128 of the largest element": change_an_element_a_little,
    "swap two saved tensors of one shape": swap_two_values,
    "change what was written beside the output": change_a_written_value,
    "save before an in-place write": save_before_the_write,
    "save in another dtype": change_a_saved_dtype,
    "record another dtype": change_a_recorded_dtype,
    "drop an edge": drop_an_edge,
    "add an edge": add_an_edge,
    "redirect an edge, argument and all": redirect_an_edge,
    "forget a write through a view, argument and all": forget_a_write_through_a_view,
    "swap two argument positions": swap_arguments,
    "change a constant": change_a_constant,
    "refer to another parameter of the shape": change_a_parameter,
    "another function, in name or in fact": change_the_function,
    "another random state": change_the_random_state,
    "remove an operation": remove_an_operation,
    "another module": change_the_module,
    "another value read": change_a_read,
}


class Score(NamedTuple):
    """How one mutation fared."""

    made: int
    killed: int
    named: int
    survivors: tuple[str, ...]


def is_named(mutant: Mutant, report: ValidationReport) -> bool:
    """Whether the failure is named at the right place: among the causes, or in a finding on the whole trace."""
    return not mutant.where or bool(mutant.where & set(report.causes))


def score(
    name: str, recording: Recording, model: torch.nn.Module | None, args: Any, *, most: int | None = None
) -> Score:
    """Tries one mutation at every place of a recording, or at the first so many."""
    return score_of(itertools.islice(MUTATIONS[name](recording), most), model, args)


def score_of(mutants: Iterable[Mutant], model: torch.nn.Module | None, args: Any) -> Score:
    """Validates each of these recordings."""
    made = killed = named = 0
    survivors: list[str] = []
    for mutant in mutants:
        report = validate(mutant.recording, model, args) if model is not None else validate(mutant.recording)
        made += 1
        killed += not report
        named += not report and is_named(mutant, report)
        if report or not is_named(mutant, report):
            survivors.append(f"{'SURVIVED' if report else f'named {report.causes}'}: {mutant.what}")
    return Score(made, killed, named, tuple(survivors))
