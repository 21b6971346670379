"""What does the function return when it is run again on the saved parents?

A call is rebuilt from its record and run under its recorded modes and random state.  A function that may write gets
copies of all its tensor arguments; arguments that shared memory share it again in the copies, so that
`x[1:].copy_(x[:-1])` does what it did.  What a call returned is then looked up the way it was recorded: by output path,
or, for functions that return nothing, as the argument they wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch import Tensor

from lens_trace import Operation, OperationId, ParameterRef, Path, Recording, RngState, TensorRef, replayed
from lens_validate._arguments import Leaf, part_at, rebuild, tensor_leaves, value_at
from lens_validate._compare import is_same
from lens_validate._context import applied
from lens_validate._layout import Layout, geometry_of
from lens_validate._names import canonical_name
from lens_validate._recurrent import misfit
from lens_validate._transforms import is_wrapped
from lens_validate._values import MissingValue, Values


class Call:
    """One recorded call with its live arguments, ready to be run as often as needed.

    Attributes:
        operations: The operations that it returned, in order.
        leaves: Path and reference of every tensor argument.
        tensors: The value of every tensor argument by path, as the call saw it.
        function: The live function.
        known: All operations of the trace by id.
    """

    def __init__(
        self,
        operations: tuple[Operation, ...],
        leaves: list[Leaf],
        tensors: dict[Path, Tensor],
        function: Any,
        recording: Recording,
        known: Mapping[OperationId, Operation],
    ) -> None:
        self.known = known
        self.operations = operations
        self.leaves = leaves
        self.tensors = tensors
        self.function = function
        self.recording = recording
        self.first = operations[0]
        assert self.first.function is not None
        self.name = canonical_name(self.first.function.name)
        self.may_write = may_write(self.first)


class Outcome:
    """What one run of a call gave.

    Attributes:
        outputs: The tensors returned, one for each operation of the call.
        written: The arguments after the call, one for each of its `writes`.
        undeclared: Paths of arguments that it changed although the record does not say so.
        untrue: What the record says of its writing that is not so, in words.
    """

    def __init__(
        self, outputs: list[Tensor], written: list[Tensor], undeclared: list[Path], untrue: str | None
    ) -> None:
        self.outputs = outputs
        self.written = written
        self.undeclared = undeclared
        self.untrue = untrue


class WrongResult(Exception):
    """The function did not return what the record says it returned."""


def prepare(
    operations: tuple[Operation, ...],
    values: Values,
    recording: Recording,
    known: Mapping[OperationId, Operation],
) -> Call:
    """Returns a call with its arguments at hand.

    Raises:
        MissingValue: A value or the function itself was not kept.
        WrongValue: A value on record cannot be right.
    """
    first = operations[0]
    leaves = tensor_leaves(first)
    tensors = {path: values.argument(path, reference) for path, reference in leaves}
    assert first.call_id is not None
    function = recording.functions.get(first.call_id)
    if function is None:
        raise MissingValue("the live function is not in the recording")
    return Call(operations, leaves, tensors, function, recording, known)


def run(call: Call, changes: Mapping[Path, Tensor] | None = None) -> Outcome:
    """Runs a call, with some arguments replaced.

    Raises:
        CannotRebuildError: An argument cannot be made again.
        WrongResult: It returned something of another structure.
        Exception: Whatever the function raises.
    """
    tensors = {**call.tensors, **changes} if changes else dict(call.tensors)
    given = _writable(call, tensors) if call.may_write else _following_gradients(call, tensors)
    args, kwargs = rebuild(call.first, given, call.recording.objects)
    wrong = misfit(call.name, args)
    if wrong is not None:
        raise WrongResult(f"its arguments do not fit each other: {wrong}")
    with _random_state(call, kwargs), applied(call.first.context), _module_state(call):
        result = call.function(*args, **kwargs)
    outputs = _outputs(call, result, args, kwargs)
    written = [value_at(args, kwargs, write.path) for write in call.first.writes]
    is_watched = call.may_write and not changes
    undeclared = _undeclared(call, tensors, given, outputs, written) if is_watched else []
    untrue = _untrue_writes(call, tensors, given, outputs, written) if is_watched else None
    return Outcome([t.detach() for t in outputs], [t.detach() for t in written], undeclared, untrue)


_STATISTICS = ("batch_norm", "instance_norm", "fake_quant", "moving_avg", "rnn_flatten")


def may_write(operation: Operation) -> bool:
    """Whether a call could write into its arguments, going by its record and, in case the record is wrong, its name."""
    function = operation.function
    assert function is not None
    name = function.name
    return (
        operation.is_inplace
        or bool(operation.writes)
        or function.kind in ("extension", "module", "scripted")
        or (name.endswith("_") and not name.endswith("__"))
        or name in ("__setitem__", "data.__set__", "set_data", "set_")
        or (name.startswith("__i") and name.endswith("__") and name not in ("__invert__", "__index__", "__int__"))
        or any(key == "out" for key, _ in operation.kwargs)
        or any(part in name for part in _STATISTICS)
        or (function.kind == "operator" and not function.qualified_name.startswith("torch.ops.aten."))
    )


def _following_gradients(call: Call, tensors: dict[Path, Tensor]) -> dict[Path, Tensor]:
    # Some kernels are chosen by whether gradients are followed, so the arguments say so again.
    context = call.first.context
    if context is None or not context.grad or context.inference:
        return tensors
    operations = call.known
    if any(is_wrapped(tensor) for tensor in tensors.values()):
        return tensors
    for path, reference in call.leaves:
        value = tensors[path]
        if not isinstance(reference, TensorRef) or not value.is_floating_point() or value.is_inference():
            continue
        if operations[reference.operation].output.requires_grad and not value.requires_grad:
            tensors[path] = value.detach().requires_grad_()
    return tensors


def _writable(call: Call, tensors: dict[Path, Tensor]) -> dict[Path, Tensor]:
    copies: dict[Path, Tensor] = {}
    groups: dict[Any, list[Leaf]] = {}
    only_statistics = any(part in call.name for part in _STATISTICS) and not call.first.is_inplace
    for path, reference in call.leaves:
        if only_statistics and path == (0,):
            copies[path] = tensors[path]  # normalisation writes its statistics and never its input
            continue
        groups.setdefault(_memory_of(call, reference), []).append((path, reference))
    for members in groups.values():
        copies.update(_copies_of_one_memory(call, members, tensors))
    return copies


def _memory_of(call: Call, reference: TensorRef | ParameterRef) -> Any:
    if isinstance(reference, ParameterRef):
        return "parameter", reference.parameter
    storage = call.known[reference.operation].output.storage
    return ("operation", reference.operation) if storage is None or reference.write is not None else storage


def _copies_of_one_memory(call: Call, members: list[Leaf], tensors: dict[Path, Tensor]) -> dict[Path, Tensor]:
    first_path, first = members[0]
    if all(reference == first for _, reference in members):
        if all(tensors[path] is tensors[first_path] for path, _ in members):
            copy = tensors[first_path].detach().clone()
            return {path: copy for path, _ in members}
        unchanged = {path: call.tensors[path] is tensors[path] for path, _ in members}
        if all(unchanged.values()):  # one composed argument, met twice
            copy = tensors[first_path].detach().clone()
            return {path: copy for path, _ in members}
    apart = {path: tensors[path].detach().clone() for path, _ in members}
    if len(members) == 1 or any(tensors[path] is not call.tensors[path] for path, _ in members):
        return apart  # a replaced argument stands for itself
    if any(tensors[path].layout is not torch.strided for path, _ in members):
        return apart
    lying = {path: reference.geometry or geometry_of(tensors[path]) for path, reference in members}
    layout = Layout(list(lying.values()), tensors[first_path].device)
    together = {path: layout.view(geometry) for path, geometry in lying.items()}
    for path, view in together.items():
        if view.shape != tensors[path].shape or view.dtype != tensors[path].dtype:
            return apart
        view.copy_(tensors[path])
    # Where a copy has lost its place in the storage the views contradict each other: then they are kept apart.
    return together if all(is_same(view, tensors[path]) for path, view in together.items()) else apart


def _random_state(call: Call, kwargs: dict[str, Any]) -> Any:
    assert call.first.call_id is not None
    state = call.recording.rng_states.get(call.first.call_id)
    if state is not None:
        generator = kwargs.get("generator")
        return replayed(state, generator if isinstance(generator, torch.Generator) else None)
    if call.first.uses_rng:
        raise MissingValue("the state of the random generators before it is not in the recording")
    if call.first.function is not None and call.first.function.kind in ("module", "extension", "scripted"):
        return replayed(RngState(torch.get_rng_state()))
    return nullcontext()


class _module_state:
    """Puts parameters and buffers of an opaque module back after it ran."""

    def __init__(self, call: Call) -> None:
        is_module = isinstance(call.function, torch.nn.Module)
        self._saved = (
            [(t, t.detach().clone()) for t in (*call.function.parameters(), *call.function.buffers())]
            if is_module
            else []
        )

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        with torch.no_grad():
            for tensor, before in self._saved:
                if not is_same(tensor, before):
                    tensor.copy_(before)


def _outputs(call: Call, result: Any, args: list[Any], kwargs: dict[str, Any]) -> list[Tensor]:
    found = plain_tensors(result)
    first = call.first
    if not found:
        if first.writes or first.is_inplace or call.may_write:
            written = _written_argument(call, args, kwargs)
            if written is not None and len(call.operations) == 1:
                return [written]
        raise WrongResult(f"it returned {type(result).__name__}, no tensor")
    if first.function is not None and first.function.kind == "module":
        return _outputs_of_module(call, found)
    if len(found) != len(call.operations):
        raise WrongResult(f"it returned {len(found)} tensors, on record are {len(call.operations)}")
    outputs: list[Tensor] = []
    for operation in call.operations:
        try:
            value = part_at(result, operation.output_path)
        except (LookupError, TypeError, AttributeError, StopIteration):
            value = None
        if not isinstance(value, Tensor):
            raise WrongResult(f"what it returned has no tensor at {list(operation.output_path)}")
        outputs.append(value)
    return outputs


def _outputs_of_module(call: Call, found: list[Tensor]) -> list[Tensor]:
    distinct = list({id(tensor): tensor for tensor in found}.values())
    for candidates in (distinct, found):
        if len(candidates) == len(call.operations):
            return candidates
    raise MissingValue("which of the module's tensors are meant is not on record")


def _written_argument(call: Call, args: list[Any], kwargs: dict[str, Any]) -> Tensor | None:
    value = args[0] if args else next(iter(kwargs.values()), None)
    found = plain_tensors(value)
    return found[0] if found else None


def plain_tensors(value: Any) -> list[Tensor]:
    """Returns the tensors in nested lists, tuples and dicts, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for item in cast("Any", value) for tensor in plain_tensors(item)]
    if isinstance(value, dict):
        return [tensor for item in cast("Any", value).values() for tensor in plain_tensors(item)]
    return []


def _undeclared(
    call: Call, before: dict[Path, Tensor], given: dict[Path, Tensor], outputs: list[Tensor], written: list[Tensor]
) -> list[Path]:
    declared = {_storage(tensor) for tensor in (*outputs, *written)}
    found: list[Path] = []
    for path, tensor in given.items():
        if _storage(tensor) in declared or tensor.shape != before[path].shape or tensor.dtype != before[path].dtype:
            continue
        if not is_same(tensor, before[path]):
            found.append(path)
    return found


def _untrue_writes(
    call: Call, before: dict[Path, Tensor], given: dict[Path, Tensor], outputs: list[Tensor], written: list[Tensor]
) -> str | None:
    handed_in = {_storage(tensor) for tensor in given.values()}
    returned_one = any(_storage(output) in handed_in for output in outputs)
    if call.first.is_inplace and handed_in and not returned_one:
        return "it is on record as in place, and returned none of its arguments"
    for write, tensor in zip(call.first.writes, written, strict=True):
        known = before.get(write.path)
        if known is None or any(part in call.name for part in _STATISTICS) or tensor.is_inference():
            continue
        if tensor._version == 0 and is_same(tensor, known):
            return f"it is on record as writing argument {write.path[0]}, and did not"
    return None


def _storage(tensor: Tensor) -> int:
    try:
        return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage] - a storage has no public identity
    except (RuntimeError, NotImplementedError):
        return id(tensor)
