"""Does a plain forward return what the recording says?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor

from lens_trace import (
    Argument,
    Constant,
    MappingArgument,
    Recording,
    SequenceArgument,
    TensorRef,
)
from lens_validate._compare import find_difference
from lens_validate._differences import shortened
from lens_validate._report import PassReport
from lens_validate._state import evidence_of_state, functions_of
from lens_validate._values import MissingValue, SavedValues, WrongValue
from lens_validate._witness import Witness


def compare_forward(witness: Witness, *, has_failures: bool) -> PassReport:
    """Compares the recorded outputs with a plain forward.

    Args:
        witness: The model and its recording.
        has_failures: Whether operations are known to be wrong, so that a difference needs no other explanation.
    """
    values = SavedValues(witness.recording)
    try:
        first = witness.forward()
    except (MemoryError, torch.OutOfMemoryError) as error:
        return PassReport("unverified", f"a plain forward ran out of memory: {error}")
    except Exception as error:
        reason = f"a plain forward raised {type(error).__name__}: {error}"
        evidence = evidence_of_state(witness, None, has_other_functions=False)
        return PassReport("failed", reason) if evidence is None else _stateful(f"{evidence}, and {reason}")
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
        return _stateful(f"the next forward raised {type(error).__name__}: {error}")
    if not _are_same(_tensors(first), _tensors(second)):
        return _stateful("two plain forwards with the same seed differ from each other")
    try:
        other = witness.second()
    except Exception as error:
        return _stateful(f"a second trace raised {type(error).__name__}: {error}")
    has_other_functions = functions_of(other) != functions_of(witness.recording)
    evidence = evidence_of_state(witness, other, has_other_functions=has_other_functions)
    return PassReport("failed", difference) if evidence is None else _stateful(evidence)


def _stateful(evidence: str) -> PassReport:
    return PassReport("exempt", f"stateful: {evidence}", is_stateful=True)


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
            return f"{where} has the parts {keys} on record, a plain forward gives {shortened(live)}"
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
