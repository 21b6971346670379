"""Did two passes take the same path through the model?

A selection is made of operation ids, and these mean the same in another pass only when that pass runs the same
operations in the same order.  Two passes are on one *path* when their operations agree one by one in function, module,
and the structure of their arguments (what came from where), when the same modules were called with the same values
coming in and out, and when the same values were read.  Numbers and sizes may differ: another batch, another length.

`with_values` asks for more, that the two are the same run: equal shapes and equal plain values, as two passes over one
input from one random state have them.  Values with a fractional part, which may have been read off a tensor, may differ
by 1e-4 of their size, because some kernels add in another order each time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from lens_trace import (
    CallSite,
    Constant,
    MappingArgument,
    ModuleCall,
    Operation,
    ParameterRef,
    Read,
    SequenceArgument,
    SliceArgument,
    Special,
    TensorRef,
    Trace,
)

_FRACTION = 1e-4
_NUMBERS = frozenset({"bigint", "nan", "inf", "-inf", "complex"})


class Divergence(Struct, frozen=True):
    """Where a pass left the path of an earlier one."""

    operation: int
    """The first operation that differs, or that only one of them has."""
    reason: str
    """What differs."""
    call_site: CallSite | None
    """Where the later pass made the call; where the earlier one did when the later had ended."""


def find_divergence(planned: Trace, met: Trace, *, with_values: bool = False) -> Divergence | None:
    """Find the first operation in which a pass differs from an earlier one; None when they are on one path.

    A pass that ended early is on the path as far as it came.
    """
    for before, now in zip(planned.operations, met.operations, strict=False):
        reason = _difference(before, now, planned, met, with_values=with_values)
        if reason is not None:
            return Divergence(now.id, reason, now.user_call_site or now.call_site)
    count, more = len(met.operations), len(planned.operations)
    if count > more:
        extra = met.operations[more]
        return Divergence(
            more, f"it went on with {_named(extra)} where the other ended", extra.user_call_site or extra.call_site
        )
    if count < more and met.is_complete:
        missing = planned.operations[count]
        return Divergence(
            count, f"it ended where the other went on with {_named(missing)}",
            missing.user_call_site or missing.call_site,
        )  # fmt: skip
    return _differing_calls(planned, met) or _differing_reads(planned, met)


def _difference(before: Operation, now: Operation, planned: Trace, met: Trace, *, with_values: bool) -> str | None:
    if before.kind != now.kind or before.function != now.function:
        return f"it ran {_named(now)} instead of {_named(before)}"
    if before.module_calls != now.module_calls or before.address != now.address or before.buffer != now.buffer:
        return f"{_named(now)} ran in {_place(now, met)} instead of {_place(before, planned)}"
    if before.call_id != now.call_id or before.output_index != now.output_index:
        return f"{_named(now)} returned another number of tensors"
    if [write.path for write in before.writes] != [write.path for write in now.writes]:
        return f"{_named(now)} wrote other arguments"
    if before.args != now.args or before.kwargs != now.kwargs:
        pairs = [(f"argument {i}", a) for i, a in enumerate(before.args)] + list(before.kwargs)
        others = [(f"argument {i}", a) for i, a in enumerate(now.args)] + list(now.kwargs)
        if [name for name, _ in pairs] != [name for name, _ in others]:
            return f"{_named(now)} was given other arguments"
        for (name, one), (_, other) in zip(pairs, others, strict=True):
            if not _alike(one, other, with_values=with_values):
                return f"{_named(now)} was given another {name}"
    if with_values and (before.output.shape, before.output.dtype) != (now.output.shape, now.output.dtype):
        return f"{_named(now)} returned {list(now.output.shape)} instead of {list(before.output.shape)}"
    return None


def _alike(one: Any, other: Any, *, with_values: bool) -> bool:
    if _is_number(one) and _is_number(other):
        return not with_values or _alike_numbers(one, other)
    if type(one) is not type(other):
        return False
    match one:
        case TensorRef():
            return (one.operation, one.write, one.parameter, one.buffer, _writers(one)) == (
                other.operation, other.write, other.parameter, other.buffer, _writers(other),
            )  # fmt: skip
        case ParameterRef():
            return one.parameter == other.parameter and _writers(one) == _writers(other)
        case Constant():
            return type(one.value) is type(other.value) and one.value == other.value
        case Special():
            return one == other if with_values else one.kind == other.kind
        case SliceArgument():
            return all(
                _alike(a, b, with_values=with_values)
                for a, b in ((one.start, other.start), (one.stop, other.stop), (one.step, other.step))
            )
        case SequenceArgument():
            return one.kind == other.kind and _all_alike(one.items, other.items, with_values=with_values)
        case MappingArgument():
            return [key for key, _ in one.items] == [key for key, _ in other.items] and _all_alike(
                [item for _, item in one.items], [item for _, item in other.items], with_values=with_values
            )
        case _:  # any other object: two passes may have made one each
            return one.type_name == other.type_name


def _all_alike(ones: Sequence[Any], others: Sequence[Any], *, with_values: bool) -> bool:
    return len(ones) == len(others) and all(
        _alike(one, other, with_values=with_values) for one, other in zip(ones, others, strict=True)
    )


def _is_number(argument: Any) -> bool:
    match argument:
        case Constant(value):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Special(kind):
            return kind in _NUMBERS
        case _:
            return False


def _alike_numbers(one: Constant | Special, other: Constant | Special) -> bool:
    if isinstance(one, Constant) and isinstance(other, Constant) and float in (type(one.value), type(other.value)):
        return math.isclose(float(one.value or 0), float(other.value or 0), rel_tol=_FRACTION, abs_tol=_FRACTION)
    return one == other


def _writers(reference: TensorRef | ParameterRef) -> list[tuple[int, int | None]]:
    return [(written.operation, written.write) for written in reference.overlays]


def _differing_calls(planned: Trace, met: Trace) -> Divergence | None:
    for before, now in zip(planned.module_calls, met.module_calls, strict=False):
        same = (before.module, before.address, before.parent, before.inputs) == (
            now.module, now.address, now.parent, now.inputs,
        )  # fmt: skip
        ended = met.is_complete or now.last_operation < len(met.operations)
        if not same or (ended and before.outputs != now.outputs):
            return _at(now, met, f"the module {now.address or met.model_name!r} was called in another way")
    if met.is_complete and len(planned.module_calls) != len(met.module_calls):
        counts = f"{len(met.module_calls)} module calls instead of {len(planned.module_calls)}"
        return Divergence(len(met.operations) - 1, f"it made {counts}", None)
    return None


def _differing_reads(planned: Trace, met: Trace) -> Divergence | None:
    for before, now in zip(planned.reads, met.reads, strict=False):
        if (before.kind, before.parents, before.after) != (now.kind, now.parents, now.after):
            return _at_read(now)
    if met.is_complete and len(planned.reads) != len(met.reads):
        more = planned.reads if len(planned.reads) > len(met.reads) else met.reads
        return _at_read(more[min(len(planned.reads), len(met.reads))])
    return None


def _at(call: ModuleCall, trace: Trace, reason: str) -> Divergence:
    operation = min(call.first_operation, len(trace.operations) - 1)
    record = trace.operations[operation]
    return Divergence(operation, reason, record.user_call_site or record.call_site)


def _at_read(read: Read) -> Divergence:
    site = read.user_call_site or read.call_site
    return Divergence(max(read.after - 1, 0), f"another value was read ({read.kind})", site)


def _named(operation: Operation) -> str:
    return f"the {operation.kind}" if operation.function is None else operation.function.qualified_name


def _place(operation: Operation, trace: Trace) -> str:
    if operation.function is None:
        return repr(operation.address)
    calls = operation.module_calls
    return f"module {trace.module_calls[calls[-1]].address!r}" if calls else "the model itself"
