"""What does a call write?

An `OpOverload` says so in its schema (`alias_info.is_write`; a packet: the union over its overloads).  Else the naming
rules of PyTorch hold: a trailing underscore, `__iadd__` and `__setitem__` write the first argument, `out=` is written.
The batch norms and the fake-quant observer write their statistics though no schema says so: a short table knows them.
"""

from __future__ import annotations

import re
from typing import Any

import torch

from lens_trace._function_names import MOVES_OBJECT_NAMES
from lens_trace._role import OPERATION, Role

_RUNNING_STATISTICS = {
    # function: (positions of running mean and variance, position of the flag that makes it write)
    "batch_norm": ((3, 4), 5),
    "instance_norm": ((3, 4), 5),
    "native_batch_norm": ((3, 4), 5),
    "cudnn_batch_norm": ((3, 4), 5),
    "miopen_batch_norm": ((3, 4), 5),
    "_native_batch_norm_legit": ((3, 4), 5),
    "_batch_norm_with_update": ((3, 4), None),
    "_batch_norm_impl_index": ((3, 4), 5),
    "batch_norm_update_stats": ((1, 2), None),
    "batch_norm_gather_stats": ((3, 4), None),
    "batch_norm_gather_stats_with_counts": ((3, 4), None),
    "fused_moving_avg_obs_fake_quant": ((3, 4, 5, 6), 1),
    "_fused_moving_avg_obs_fq_helper": ((3, 4, 5, 6), 1),
}
_STATISTICS_KEYWORDS = ("running_mean", "running_var", "running_min", "running_max", "scale", "zero_point")
_NOT_INPLACE_DUNDERS = frozenset({"__index__", "__invert__", "__int__", "__iter__", "__init__"})
_INPLACE_DUNDER = re.compile(r"__i[a-z]+__$")


def find_writes(role: Role) -> None:
    """Works out the write rule of a role."""
    name, function = role.name, role.function
    if name in MOVES_OBJECT_NAMES:
        role.moves_object = True
        return
    if name in _RUNNING_STATISTICS and role.family in ("function", "operator", "method"):
        role.write_rule, role.quiet_at = "running_statistics", _RUNNING_STATISTICS[name][1]
        return
    if name == "set_data":
        return
    if isinstance(function, torch._ops.OpOverload):
        _write_by_schema(role, [function._schema])
    elif isinstance(function, torch._ops.OpOverloadPacket):
        _write_by_schema(role, [getattr(function, overload)._schema for overload in function.overloads()])
    elif (
        name == "__setitem__"
        or (_INPLACE_DUNDER.fullmatch(name) and name not in _NOT_INPLACE_DUNDERS)
        or (name.endswith("_") and not name.endswith("__") and role.kind == OPERATION)
    ):
        role.write_rule = "first"
    elif role.kind == OPERATION:
        packet = aten_packet(name)
        if packet is not None:
            schemas = [getattr(packet, overload)._schema for overload in packet.overloads()]
            _write_by_schema(role, schemas, keywords=False)  # `out` overloads are told by their keyword at the call


def _write_by_schema(role: Role, schemas: list[Any], keywords: bool = True) -> None:
    found: dict[tuple[int, str], None] = {}
    for schema in schemas:
        for position, argument in enumerate(schema.arguments):
            if argument.kwarg_only and not keywords:
                continue
            # TorchScript's overloads for lists (`sort` of a Python list) write the list: no tensor is meant by those.
            if str(argument.type) not in ("Tensor", "Optional[Tensor]") and not keywords:
                continue
            if argument.alias_info is not None and argument.alias_info.is_write:
                found[(-1 if argument.kwarg_only else position, argument.name)] = None
    if found:
        role.write_rule, role.written = "listed", tuple(found)


def aten_packet(name: str) -> Any:
    """Returns the aten operator of a name, None without one."""
    if not name or name.startswith("__"):
        return None
    try:
        return getattr(torch.ops.aten, name)
    except (AttributeError, RuntimeError):
        return None


def written_arguments(
    role: Role, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[tuple[tuple[int | str, ...], Any]]:
    """Returns path and tensor of every argument that this call is going to write, in argument order."""
    found: list[tuple[tuple[int | str, ...], Any]] = []
    rule = role.write_rule
    if rule == "first":
        if args:
            _add(found, (0,), args[0])
        else:
            for key in ("input", "self", "tensor", "tensors"):
                if key in kwargs:
                    _add(found, (key,), kwargs[key])
    elif rule == "listed":
        for position, key in role.written:
            if key in kwargs:
                _add(found, (key,), kwargs[key])
            elif 0 <= position < len(args):
                _add(found, (position,), args[position])
    elif rule == "running_statistics":
        _add_statistics(found, role, args, kwargs)
    elif rule == "watched":
        _add(found, (), args)
        for key, value in kwargs.items():
            _add(found, (key,), value)
    out = kwargs.get("out")
    if out is not None:
        _add(found, ("out",), out)
    return found


def versions_of(writes: list[tuple[tuple[int | str, ...], torch.Tensor]]) -> list[int | None]:
    """Returns how often each tensor was written; None for tensors of inference mode, which do not count."""
    return [None if tensor.is_inference() else tensor._version for _, tensor in writes]


def _add_statistics(found: list[Any], role: Role, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    positions, flag = _RUNNING_STATISTICS[role.name]
    if flag is not None and flag < len(args) and not _truth(args[flag]):
        return
    if (
        flag is not None
        and flag >= len(args)
        and not _truth(kwargs.get("training", kwargs.get("train", kwargs.get("use_input_stats", True))))
    ):
        return
    for position in positions:
        if position < len(args):
            _add(found, (position,), args[position])
    for key in _STATISTICS_KEYWORDS:
        if key in kwargs:
            _add(found, (key,), kwargs[key])


def _truth(value: Any) -> bool:
    return True if isinstance(value, torch.Tensor) else bool(value)


def _add(found: list[Any], path: tuple[int | str, ...], value: Any) -> None:
    if isinstance(value, torch.Tensor):
        if all(value is not tensor for _, tensor in found):
            found.append((path, value))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _add(found, (*path, index), item)
