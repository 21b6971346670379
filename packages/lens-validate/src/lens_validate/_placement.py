"""Is it on record how the arguments of a write lay in their memory?

Values that the caller can reach are kept as copies, which have lost their place in the caller's memory.  When a call
writes through several views of it, or through one that `unfold` or `as_strided` made, which may share elements, what it
does depends on that place: without it a replay that differs proves nothing.
"""

from __future__ import annotations

from lens_trace import Operation, OperationId, ParameterRef
from lens_validate._call import Call

_OVERLAPPING = frozenset({"as_strided", "unfold", "as_strided_"})


def is_place_unknown(call: Call) -> bool:
    """Whether a call may have written elements that its arguments shared in ways which copies do not show."""
    if not (call.first.is_inplace or call.first.writes):
        return False
    seen: dict[int, set[OperationId]] = {}
    for _, reference in call.leaves:
        if isinstance(reference, ParameterRef) or reference.geometry is not None or reference.write is not None:
            continue
        source = call.known[reference.operation]
        storage = source.output.storage
        if storage is None or _is_born_in_pass(call, storage):
            continue
        seen.setdefault(storage, set()).add(source.id)
        if _may_overlap(call, source):
            return True
    return any(len(views) > 1 for views in seen.values())


def _is_born_in_pass(call: Call, storage: int) -> bool:
    first = min((o for o in call.known.values() if o.output.storage == storage), key=lambda o: o.id)
    return first.kind == "call"


def _may_overlap(call: Call, view: Operation) -> bool:
    """Whether a view was made by a function that can show one element at several places."""
    storage = view.output.storage
    while view.function is not None and view.parents and view.output.storage == storage:
        if view.function.name in _OVERLAPPING:
            return True
        view = call.known[view.parents[0].operation]
    return False
