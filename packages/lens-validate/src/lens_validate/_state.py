"""Is there evidence that a model changes from one forward to the next?

Parameters and buffers are put back after every run, so what remains are attributes of modules (counters, caches) and
what is hidden elsewhere.  A model that settles after its first forward makes a recording that no later run repeats,
just as a falsified recording does.
The model is believed only when it shows its state: an attribute that changes during a forward, a tensor that it holds
now and did not hold then, or a first forward that did all that the later ones do and more.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor

from lens_trace import Recording
from lens_validate._witness import Witness

_PLAIN = (int, float, complex, bool, str, bytes, type(None))
_REGISTERED = frozenset({"_parameters", "_buffers", "_modules"})
_DEEPEST = 4


def evidence_of_state(witness: Witness, other: Recording | None, *, has_other_functions: bool) -> str | None:
    """Returns what shows that the model was another one when it was recorded, None when nothing does.

    Args:
        witness: The model and its recording.
        other: A later trace, None when there can be none.
        has_other_functions: Whether the later trace ran other functions than are on record.
    """
    found = None if other is None else _evidence_in(witness.recording, other, has_other_functions=has_other_functions)
    if found is not None:
        return found
    before = python_state(witness.model)
    with contextlib.suppress(Exception):  # what it changed before it raised counts as well
        witness.forward()
    changed = _changed(before, python_state(witness.model))
    return None if changed is None else f"its forward changes {changed}"


def _evidence_in(recording: Recording, other: Recording, *, has_other_functions: bool) -> str | None:
    if has_other_functions and _is_part_of(functions_of(other), functions_of(recording)):
        number = len(recording.trace.operations) - len(other.trace.operations)
        return f"its first forward ran {number} operations more than those that follow"
    kept = _sources(other) - _sources(recording)
    if kept:
        kind, address = next(iter(kept))
        return f"it holds a {kind} {address or ''} now that the recorded pass did not read".replace("  ", " ")
    return None


def functions_of(recording: Recording) -> list[tuple[str, str | None]]:
    """Returns kind and function of every operation, in execution order."""
    return [(o.kind, None if o.function is None else o.function.qualified_name) for o in recording.trace.operations]


def python_state(model: torch.nn.Module) -> dict[str, Any]:
    """Returns the attributes of every module, so that two moments can be compared."""
    state: dict[str, Any] = {}
    modules: Iterable[tuple[str, torch.nn.Module]] = cast("Any", model).named_modules()
    for address, module in modules:
        for name, value in vars(module).items():
            if name not in _REGISTERED:
                state[f"{address}.{name}" if address else name] = _noted(value, 0)
    return state


def _noted(value: Any, depth: int) -> Any:
    if isinstance(value, Tensor):
        return "tensor", value, None if value.is_inference() else value._version
    if isinstance(value, _PLAIN) or depth > _DEEPEST:
        return value
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return "mapping", [(key, _noted(item, depth + 1)) for key, item in items]
    if isinstance(value, (list, tuple)):
        return "sequence", [_noted(item, depth + 1) for item in cast("Any", value)]
    return value


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    if before.keys() != after.keys():
        return f"which attributes there are ({sorted(before.keys() ^ after.keys())[0]})"
    return next((name for name, value in before.items() if not _is_unchanged(value, after[name])), None)


def _is_unchanged(left: Any, right: Any) -> bool:
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        pairs = list(zip(cast("Any", left), right, strict=False))
        return len(pairs) == len(cast("Any", left)) == len(right) and all(_is_unchanged(a, b) for a, b in pairs)
    return isinstance(left, _PLAIN) and (left == right or left != left)


def _is_part_of(part: list[Any], whole: list[Any]) -> bool:
    remaining = iter(whole)
    return all(any(item == other for other in remaining) for item in part)


def _sources(recording: Recording) -> Counter[tuple[str, str | None]]:
    return Counter((o.kind, o.address) for o in recording.trace.operations if o.kind in ("buffer", "constant"))
