"""What kind of function is this?

Every function that PyTorch dispatches gets a `Role` (see `lens_trace._role`), worked out once from its name, its type
and the aten operator behind it, and remembered for as long as the function is torch's own.
"""

from __future__ import annotations

import types
from typing import Any

import torch

from lens_trace._function_names import ESCAPE_NAMES, METADATA_NAMES, METADATA_PROPERTIES, PLAIN_NAMES, READ_NAMES
from lens_trace._higher_order import WRITTEN_OUT
from lens_trace._opening import open_function
from lens_trace._role import COMPOSITE, ESCAPE, METADATA, OPERATION, PLAIN, READ, Role
from lens_trace._writes import aten_packet, find_writes

_TENSOR_ITEMS = {"__get__", "__set__"}


_roles: dict[Any, Role] = {}


def role_of(function: Any) -> Role:
    """Returns the role of a dispatched function."""
    try:
        role = _roles.get(function)
    except TypeError:  # an unhashable callable of somebody's extension
        return _make_role(function)
    if role is None:
        role = _make_role(function)
        if _is_torch_own(function):
            _roles[function] = role
    return role


def known_roles() -> dict[Any, Role]:
    """Returns the table that the hot path looks functions up in."""
    return _roles


def _is_torch_own(function: Any) -> bool:
    # Only what lives as long as torch itself is remembered: a closure of the user would be kept alive for ever.
    if isinstance(function, types.FunctionType):
        return function.__module__.startswith("torch") and "<locals>" not in function.__qualname__.replace(
            "boolean_dispatch.<locals>.fn", ""
        ).replace("_handle_torch_function_and_wrap_type_error_to_not_implemented.<locals>.wrapped", "")
    return not isinstance(function, (types.MethodType, type)) and not _is_closure_like(function)


def _is_closure_like(function: Any) -> bool:
    return hasattr(function, "__closure__") and function.__closure__ is not None


def _make_role(function: Any) -> Role:
    name, qualified_name, family = _names(function)
    role = Role(function, _kind(function, name, family), name, qualified_name, family)
    if role.kind == COMPOSITE:
        role.opened = open_function(function)
    elif isinstance(function, torch._ops.HigherOrderOperator) and name in WRITTEN_OUT:
        role.kind, role.opened = COMPOSITE, WRITTEN_OUT[name]
    find_writes(role)
    role.is_random = _draws_random_numbers(role)
    role.is_simple = (
        role.kind == OPERATION
        and role.write_rule == "none"
        and not (role.is_random or role.moves_object or name == "set_data")
    )
    role.is_inplace = (
        role.kind == OPERATION
        and role.write_rule == "first"
        and not (role.is_random or name == "__setitem__" or name.startswith("resize"))
    )
    return role


def _names(function: Any) -> tuple[str, str, str]:
    owner = getattr(function, "__self__", None)
    name = str(getattr(function, "__name__", type(function).__name__))
    if isinstance(function, torch._ops.OpOverload):
        packet = function._schema.name.split("::")
        return packet[-1], f"torch.ops.{packet[0]}.{packet[-1]}.{function._overloadname}", "operator"
    if isinstance(function, torch._ops.OpOverloadPacket):
        namespace, _, plain = function._qualified_op_name.partition("::")
        return plain, f"torch.ops.{namespace}.{plain}", "operator"
    if isinstance(function, torch._ops.HigherOrderOperator):
        return function.name(), f"torch.ops.higher_order.{function.name()}", "operator"
    if name in _TENSOR_ITEMS and isinstance(owner, (types.GetSetDescriptorType, property)):
        getter: Any = getattr(owner, "fget", None)
        item = str(getattr(owner, "__name__", None) or getattr(getter, "__name__", "property"))
        shown = item if name == "__get__" else f"set_{item}"
        return shown, f"torch.Tensor.{shown}", "property"
    if isinstance(function, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        return name, f"torch.Tensor.{name}", "method"
    module = _module_name(function, owner)
    qualified = str(getattr(function, "__qualname__", name))
    if isinstance(function, types.BuiltinFunctionType):
        return name, f"{module}.{name}", "function"
    if "<locals>" in qualified:
        name, qualified = _name_of_local(function, name)
    if qualified.startswith("Tensor."):
        return name, f"torch.{qualified}", "method"
    return name, f"{module}.{qualified}", "function"


def _module_name(function: Any, owner: Any) -> str:
    if isinstance(owner, types.ModuleType):
        return owner.__name__
    module = getattr(function, "__module__", None) or "torch"
    if module == "torch._C._nn" or owner is getattr(torch._C, "_nn", None):
        return "torch._C._nn"
    return str(module)


def _name_of_local(function: Any, name: str) -> tuple[str, str]:
    # `boolean_dispatch` and the dunder wrapper make closures: they, or the function inside, have the real name.
    if name not in ("fn", "wrapped"):
        return name, name
    for cell_name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        if cell_name in ("if_false", "f", "fn", "func") and callable(cell.cell_contents):
            inner = cell.cell_contents
            plain = inner.__name__.lstrip("_") if cell_name == "if_false" else inner.__name__
            return plain, inner.__qualname__.replace(inner.__name__, plain)
    return name, name


def _kind(function: Any, name: str, family: str) -> int:
    if family == "property":
        if name.startswith("set_"):
            return OPERATION if name == "set_data" else PLAIN
        return (
            METADATA if name in METADATA_NAMES | METADATA_PROPERTIES else ESCAPE if name in ESCAPE_NAMES else OPERATION
        )
    if name in ESCAPE_NAMES:
        return ESCAPE
    if name in METADATA_NAMES and not (name == "type" and family == "method"):
        return METADATA
    if name in PLAIN_NAMES:
        return PLAIN
    if name in READ_NAMES:
        return READ
    if name == "__deepcopy__":
        return OPERATION
    if isinstance(function, types.FunctionType) and function.__module__.startswith("torch"):
        return COMPOSITE
    return OPERATION


def _draws_random_numbers(role: Role) -> bool:
    function = role.function
    tag = torch.Tag.nondeterministic_seeded
    if isinstance(function, torch._ops.OpOverload):
        return tag in function.tags
    packet = function if isinstance(function, torch._ops.OpOverloadPacket) else None
    if packet is None and role.kind == OPERATION and role.family in ("function", "method"):
        packet = aten_packet(role.name)
    if packet is None:
        return False
    return any(tag in getattr(packet, overload).tags for overload in packet.overloads())
