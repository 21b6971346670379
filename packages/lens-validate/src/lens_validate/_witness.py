"""Does the model itself agree with its recording?

Two witnesses are called when the model is at hand.  A *plain forward*, untraced, with the same seed, must return what
the recording says the model returned, in the same structure.  A *second trace* that keeps no value must make the same
records.

A model whose second forward differs from its first is no wrong trace.  It is told apart in this way: two plain forwards
that differ from each other show it at once; a model that settles after its first forward (caches, counters that start
at zero) shows it by another sequence of functions in the second trace.  Records that differ while the sequence of
functions, the results and a third trace all agree are wrong records, and are named.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import torch
from msgspec.structs import replace
from torch import Tensor

from lens_trace import (
    Argument,
    Constant,
    MappingArgument,
    Operation,
    OperationId,
    Recording,
    SequenceArgument,
    TensorRef,
    nothing,
    replayed,
    run_plain,
    trace,
)
from lens_validate._arguments import part_at, tensor_leaves
from lens_validate._compare import find_difference
from lens_validate._report import PassReport
from lens_validate._values import MissingValue, SavedValues, WrongValue


class Witness:
    """The model and the inputs that it was recorded on.

    Attributes:
        modes: Grad mode and inference mode to run it in; those of now when None.
    """

    def __init__(
        self, recording: Recording, model: torch.nn.Module, args: Any, kwargs: Mapping[str, Any] | None
    ) -> None:
        self.recording = recording
        self.model = model
        self.args = args
        self.kwargs = kwargs
        self.modes: tuple[bool, bool] | None = None

    def forward(self) -> Any:
        """Returns what a plain forward returns."""
        with self._as_recorded(), self._in_mode():
            return run_plain(self.model, self.args, self.kwargs, seed=self.recording.trace.seed)

    def trace(self, sink: Callable[..., None] | None = None) -> Recording:
        """Returns a second trace without values."""
        with self._as_recorded(), self._in_mode():
            seed = self.recording.trace.seed
            return trace(self.model, self.args, self.kwargs, keep=nothing, seed=seed, sink=sink)

    def take_mode(self) -> None:
        """Finds the modes that the forward was called in: those under which a second trace makes the same records.

        They are not on record, but each operation tells its own, and most ran in the caller's.
        """
        seen = [(o.context.grad, o.context.inference) for o in self.recording.trace.operations if o.context is not None]
        self.modes = seen[0] if seen else (False, False)
        for self.modes in dict.fromkeys(seen) if len(set(seen)) > 1 else ():
            try:
                other = self.trace()
            except Exception:  # then every mode will say so where it is asked for
                return
            ours = [o.context for o in self.recording.trace.operations]
            if ours == [o.context for o in other.trace.operations]:
                return

    @contextmanager
    def _in_mode(self) -> Generator[None]:
        if self.modes is None:
            yield
            return
        grad, inference = self.modes
        with torch.inference_mode(inference), torch.set_grad_enabled(grad):
            yield

    def _as_recorded(self) -> AbstractContextManager[Any]:
        # Without a seed the first random operation still tells what state the pass began with.
        states = self.recording.rng_states
        if self.recording.trace.seed is not None or not states:
            return nullcontext()
        return replayed(states[min(states)])


def given_inputs(recording: Recording, args: Any, kwargs: Mapping[str, Any] | None) -> dict[OperationId, Tensor]:
    """Returns the tensors that the caller gave, by the input operation that they should be."""
    positional: list[Any] = [args]
    if isinstance(args, tuple) and not hasattr(cast("Any", args), "_fields"):
        positional = list(cast("Any", args))
    found: dict[OperationId, Tensor] = {}
    for operation in recording.trace.operations:
        if operation.kind == "input" and operation.output_path:
            start, *rest = operation.output_path
            try:
                value = positional[start] if isinstance(start, int) else (kwargs or {})[start]
                leaf = part_at(value, tuple(rest))
            except (LookupError, TypeError, AttributeError, StopIteration):
                continue
            if isinstance(leaf, Tensor):
                found[operation.id] = leaf
    return found


def saved_inputs(recording: Recording) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Returns the model's arguments made from the saved inputs, None when they are not all plain tensors."""
    positional: dict[int, Tensor] = {}
    named: dict[str, Tensor] = {}
    for operation in recording.trace.operations:
        if operation.kind == "input":
            if len(operation.output_path) != 1 or operation.id not in recording.tensors:
                return None
            step = operation.output_path[0]
            value = recording.tensors[operation.id].clone()
            if isinstance(step, int):
                positional[step] = value
            else:
                named[step] = value
    if sorted(positional) != list(range(len(positional))):
        return None
    return tuple(positional[i] for i in sorted(positional)), named


def compare_forward(witness: Witness, *, has_failures: bool) -> PassReport:
    """Compares the recorded outputs with a plain forward."""
    values = SavedValues(witness.recording)
    try:
        first = witness.forward()
    except Exception as error:
        return PassReport("unverified", f"a plain forward raised {type(error).__name__}: {error}")
    recorded = witness.recording.trace.output_structure
    try:
        difference = _structure_difference(recorded, first, values, witness.recording, "the result")
    except MissingValue as error:
        return PassReport("unverified", str(error))
    except WrongValue as error:
        return PassReport("failed", str(error))
    if difference is None:
        return PassReport("passed", "")
    if has_failures:
        return PassReport("failed", difference)
    return _stateful_or_wrong(witness, first, difference)


def _stateful_or_wrong(witness: Witness, first: Any, difference: str) -> PassReport:
    try:
        second = witness.forward()
    except Exception as error:
        return PassReport("exempt", f"stateful: the next forward raised {type(error).__name__}: {error}", True)
    if not _are_same(_tensors(first), _tensors(second)):
        return PassReport("exempt", "stateful: two plain forwards with the same seed differ from each other", True)
    try:
        other = witness.trace()
    except Exception as error:
        return PassReport("exempt", f"stateful: a second trace raised {type(error).__name__}: {error}", True)
    if _functions(other) != _functions(witness.recording):
        return PassReport("exempt", "stateful: its first forward ran other functions than those that follow", True)
    changed = _first_changed_record(witness.recording, other)
    if changed is not None and changed[0].kind != "output":
        return PassReport(
            "exempt", f"stateful: since its first forward operation {changed[0].id} has changed ({changed[1]})", True
        )
    return PassReport("failed", difference)


def compare_records(witness: Witness) -> tuple[PassReport, dict[OperationId, str]]:
    """Compares the records with those of a second trace.

    Returns:
        The finding, and what is wrong with which operation.
    """
    if any(operation.thread for operation in witness.recording.trace.operations):
        return PassReport("unverified", "the model starts threads, so that the order of its operations varies"), {}
    try:
        other = witness.trace()
        differences = _record_differences(witness.recording, other)
        if not differences and len(other.trace.operations) == len(witness.recording.trace.operations):
            return PassReport("passed", ""), {}
        third = witness.trace()
    except Exception as error:
        return PassReport("unverified", f"a second trace raised {type(error).__name__}: {error}"), {}
    if _functions(third) != _functions(other) or _record_differences(other, third):
        return PassReport("exempt", "stateful: a second and a third trace differ from each other", True), {}
    if _functions(other) != _functions(witness.recording):
        return PassReport("exempt", "stateful, or incomplete: the second trace ran other functions", True), {}
    if not differences:
        return PassReport("passed", ""), {}
    number = len(differences)
    return PassReport(
        "failed", f"{number} records differ from those of a second and a third trace, which agree"
    ), differences


_COMPARED = (
    "id",
    "kind",
    "function",
    "call_id",
    "args",
    "kwargs",
    "parents",
    "parameters",
    "writes",
    "output_index",
    "output_path",
    "module_calls",
    "called_through",
    "is_inplace",
    "uses_rng",
    "grad_fn",
    "context",
    "buffer",
    "output",
)


def _record_differences(recording: Recording, other: Recording) -> dict[OperationId, str]:
    found: dict[OperationId, str] = {}
    for left, right in zip(recording.trace.operations, other.trace.operations, strict=False):
        reason = record_difference(left, right)
        if reason is None and left.call_id is not None and left.uses_rng:
            ours, theirs = recording.rng_states.get(left.call_id), other.rng_states.get(left.call_id)
            if ours is not None and theirs is not None and not torch.equal(ours.cpu, theirs.cpu):
                reason = "the random state before it differs from that in a second trace"
        if reason is not None:
            found[left.id] = reason
    return found


def record_difference(left: Operation, right: Operation, *, is_running: bool = False) -> str | None:
    """Returns what differs between the records of one operation in two traces, None when they say the same.

    Args:
        left: One record.
        right: The other.
        is_running: The other was made while the model runs: storages are numbered in another order there.
    """
    for name in _COMPARED:
        ours, theirs = getattr(left, name), getattr(right, name)
        if is_running and name == "output":
            ours, theirs = replace(ours, storage=None), replace(theirs, storage=None)
        elif is_running and name == "writes":
            ours, theirs = [write.path for write in ours], [write.path for write in theirs]
        elif is_running and name == "grad_fn":
            continue
        elif is_running and name in ("args", "kwargs"):
            ours, theirs = tensor_leaves(left), tensor_leaves(right)  # opaque objects are numbered in another order too
        if ours is not theirs and ours != theirs:
            return f"its {name} differs from that in a second trace: {_short(ours)} here, {_short(theirs)} there"
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _first_changed_record(recording: Recording, other: Recording) -> tuple[Operation, str] | None:
    differences = _record_differences(recording, other)
    if not differences:
        return None
    first = min(differences)
    operation = next(operation for operation in recording.trace.operations if operation.id == first)
    return operation, differences[first]


def _functions(recording: Recording) -> list[tuple[str, str | None]]:
    return [(o.kind, None if o.function is None else o.function.qualified_name) for o in recording.trace.operations]


def _structure_difference(
    recorded: Argument, live: Any, values: SavedValues, recording: Recording, where: str
) -> str | None:
    if isinstance(recorded, TensorRef):
        if not isinstance(live, Tensor):
            return f"{where} is a tensor on record and {type(live).__name__} in a plain forward"
        operation = next((o for o in reversed(recording.trace.operations) if o.id == recorded.operation), None)
        if operation is None:
            return f"{where} refers to operation {recorded.operation}, which is not in the trace"
        # Rounding may differ once more between two runs; the operations themselves were compared before.
        difference = _forward_difference(values.output(operation), live)
        return (
            None
            if difference is None
            else f"{where} (operation {operation.id}) differs from a plain forward: {difference}"
        )
    if isinstance(live, Tensor):
        return f"{where} is {type(recorded).__name__} on record and a tensor in a plain forward"
    if isinstance(recorded, SequenceArgument) and isinstance(live, (list, tuple, set, frozenset)):
        items = list(cast("Any", live))
        if len(items) != len(recorded.items):
            return f"{where} has {len(recorded.items)} items on record and {len(items)} in a plain forward"
        pairs = [(item, items[i], f"{where}[{i}]") for i, item in enumerate(recorded.items)]
    elif isinstance(recorded, MappingArgument):
        keys = [key for key, _ in recorded.items]
        found = _parts(live, keys)
        if list(found) != keys:
            return f"{where} has the parts {keys} on record, a plain forward gives {_short(live)}"
        pairs = [(item, found[key], f"{where}.{key}") for key, item in recorded.items]
    elif isinstance(recorded, Constant) and isinstance(live, (int, float, bool, str, type(None))):
        is_same = recorded.value == live or recorded.value != recorded.value
        return None if is_same else f"{where} is {recorded.value!r} on record and {live!r} in a plain forward"
    else:
        return None
    differences = (_structure_difference(item, part, values, recording, place) for item, part, place in pairs)
    return next((difference for difference in differences if difference is not None), None)


def _parts(live: Any, keys: list[str]) -> dict[str, Any]:
    if isinstance(live, Mapping):
        return {str(key): item for key, item in cast("Mapping[Any, Any]", live).items()}
    return {key: getattr(live, key) for key in keys if hasattr(live, key)}


_FORWARD_FACTOR = 1e-3


def _forward_difference(saved: Tensor, live: Tensor) -> str | None:
    """Returns how two runs of the whole model differ.

    On one machine they are bitwise equal; where kernels are not deterministic (atomics on GPUs), a thousandth of the
    largest value is allowed for what the depth of a network makes of rounding.
    """
    difference = find_difference(saved, live.detach())
    if difference is None or saved.shape != live.shape or saved.dtype != live.dtype or saved.device.type == "cpu":
        return difference
    if not saved.is_floating_point():
        return difference
    left, right = saved.to(torch.float64), live.detach().to(torch.float64)
    allowed = _FORWARD_FACTOR * float(torch.nan_to_num(left.abs(), posinf=0.0).max())
    return None if torch.allclose(left, right, rtol=_FORWARD_FACTOR, atol=allowed, equal_nan=True) else difference


def _are_same(left: list[Tensor], right: list[Tensor]) -> bool:
    return len(left) == len(right) and all(_forward_difference(a, b) is None for a, b in zip(left, right, strict=True))


def _tensors(value: Any, depth: int = 0) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    walk: Callable[[Any], list[Tensor]] = lambda item: _tensors(item, depth + 1)  # noqa: E731
    if depth > 20 or isinstance(value, (str, bytes, int, float)):
        return []
    if isinstance(value, (list, tuple, set, frozenset)):
        return [tensor for item in cast("Any", value) for tensor in walk(item)]
    parts: Any = cast("Any", value) if isinstance(value, Mapping) else getattr(value, "__dict__", {})
    return [tensor for item in parts.values() for tensor in walk(item)]
