"""What kind of function is this, and what does it write?

Every function that PyTorch dispatches gets a `Role`, worked out once from its name, its type and the schema of the
aten operator behind it:

    METADATA   `shape`, `dim`, `is_floating_point`: answered, never recorded
    PLAIN      `__repr__`, `backward`, hooks: run with recording off
    READ       `item`, `__bool__`, `tolist`: a value leaves the tensor world
    ESCAPE     `numpy`, `data_ptr`, dlpack: a raw handle on the memory leaves too, torch no longer sees every write
    COMPOSITE  a Python function of torch that is opened, so that the parts inside are what is recorded
    OPERATION  everything else

Who writes where follows the schema where there is one (`alias_info.is_write`), else the naming rules of PyTorch
(a trailing underscore, `__iadd__`, `__setitem__`), else a short table of functions whose schema does not say so.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from typing import Any, Literal

import torch

from lens_trace._opening import open_function

METADATA, PLAIN, READ, ESCAPE, COMPOSITE, OPERATION = range(6)

WriteRule = Literal["none", "first", "listed", "running_statistics"]

_METADATA_NAMES = frozenset(
    [
        "dim",
        "ndim",
        "ndimension",
        "size",
        "shape",
        "numel",
        "nelement",
        "__len__",
        "stride",
        "storage_offset",
        "element_size",
        "itemsize",
        "nbytes",
        "is_floating_point",
        "is_complex",
        "is_contiguous",
        "is_signed",
        "is_inference",
        "is_conj",
        "is_neg",
        "is_same_size",
        "is_set_to",
        "is_pinned",
        "is_shared",
        "is_coalesced",
        "is_distributed",
        "get_device",
        "dtype",
        "device",
        "layout",
        "has_names",
        "requires_grad",
        "is_leaf",
        "grad_fn",
        "retains_grad",
        "output_nr",
        "_version",
        "is_cpu",
        "is_cuda",
        "is_mps",
        "is_meta",
        "is_xpu",
        "is_xla",
        "is_ipu",
        "is_hpu",
        "is_mtia",
        "is_maia",
        "is_vulkan",
        "is_sparse",
        "is_sparse_csr",
        "is_mkldnn",
        "is_quantized",
        "is_nested",
        "is_ort",
        "qscheme",
        "q_scale",
        "q_zero_point",
        "q_per_channel_axis",
        "sparse_dim",
        "dense_dim",
        "_nnz",
        "_dimI",
        "_dimV",
        "_is_view",
        "_base",
        "_cdata",
        "dim_order",
        "type",
        "result_type",
        "can_cast",
        "promote_types",
        "numpy_T",
        "__class__",
        "_backward_hooks",
        "_post_accumulate_grad_hooks",
        "_python_dispatch",
        "_has_symbolic_sizes_strides",
        "_is_zerotensor",
        "is_sparse_csc",
        "data_type",
        "_typed_storage",
        "__dir__",
        "is_storage",
        "is_tensor",
        "_conj_is_set",
        "is_vulkan_available",
        "_is_all_true_meta",
        "get_default_dtype",
        "iinfo",
        "finfo",
        "_has_compatible_shallow_copy_type",
        "__cuda_array_interface_version__",
        "_reduce_ex_internal_meta",
        "_sparse_mask_meta",
        "_debug_has_internal_overlap",
        "_use_cudnn_ctc_loss",
        "_cufft_get_plan_cache_size",
        "cudnn_is_acceptable",
        "is_vulkan",
    ]
)
_PLAIN_NAMES = frozenset(
    [
        "__repr__",
        "__format__",
        "__str__",
        "__hash__",
        "__reduce__",
        "__reduce_ex__",
        "__setstate__",
        "__dir__",
        "backward",
        "register_hook",
        "register_post_accumulate_grad_hook",
        "retain_grad",
        "_reduce_ex_internal",
        "__torch_function__",
        "__array_wrap__",
        "__delete__",
        "_clear_non_serializable_cached_data",
        "__sizeof__",
        "_register_hook_dict",
        "_view_func",
        "_view_func_unsafe",
        "_rev_view_func_unsafe",
        "__array_priority__",
        "_backward_hooks__set__",
        "register_multi_grad_hook",
        "_update_names",
    ]
)
_READ_NAMES = frozenset(
    [
        "item",
        "__bool__",
        "__int__",
        "__float__",
        "__complex__",
        "__index__",
        "__nonzero__",
        "__long__",
        "tolist",
        "is_nonzero",
        "equal",
        "allclose",
        "_is_any_true_",
        "_local_scalar_dense",
        "__contains__scalar",
        "__length_hint__",
    ]
)
_ESCAPE_NAMES = frozenset(
    [
        "numpy",
        "__array__",
        "data_ptr",
        "storage",
        "untyped_storage",
        "_storage",
        "__dlpack__",
        "__cuda_array_interface__",
        "__array_interface__",
        "share_memory_",
        "to_dlpack",
        "_to_dlpack",
    ]
)
_WRITES_METADATA_ONLY = frozenset(
    [
        "detach_",
        "requires_grad_",
        "share_memory_",
        "rename_",
        "squeeze_",
        "unsqueeze_",
        "t_",
        "transpose_",
        "swapdims_",
        "swapaxes_",
        "as_strided_",
        "retain_grad_",
        "_coalesced_",
        "names_",
        "unflatten_",
        "swap_",
        "sparse_resize_",
        "_conj_physical_meta_",
    ]
)
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
_TENSOR_ITEMS = {"__get__", "__set__"}


class Role:
    """What is known of one function; made once and shared by all its calls."""

    __slots__ = (
        "family",
        "frozen",
        "function",
        "is_random",
        "is_simple",
        "kind",
        "moves_object",
        "name",
        "opened",
        "qualified_name",
        "write_rule",
        "written",
    )  # fmt: skip

    def __init__(self, function: Any, kind: int, name: str, qualified_name: str, family: str) -> None:
        self.function = function
        self.kind = kind
        self.name = name
        self.qualified_name = qualified_name
        self.family = family
        self.opened: Callable[..., Any] | None = None
        self.is_random = False
        self.write_rule: WriteRule = "none"
        self.written: tuple[tuple[int, str], ...] = ()
        self.moves_object = False
        self.frozen: Any = None
        self.is_simple = False


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
    _find_writes(role)
    role.is_random = _draws_random_numbers(role)
    role.is_simple = (
        role.kind == OPERATION
        and role.write_rule == "none"
        and not (role.is_random or role.moves_object or name == "set_data")
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
        item = str(getattr(owner, "__name__", None) or getattr(owner.fget, "__name__", "property"))
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


_METADATA_PROPERTIES = frozenset(["grad", "_grad", "name", "names", "volatile"])


def _kind(function: Any, name: str, family: str) -> int:
    if family == "property":
        if name.startswith("set_"):
            return OPERATION if name == "set_data" else PLAIN
        return METADATA if name in _METADATA_NAMES | _METADATA_PROPERTIES else ESCAPE if name in _ESCAPE_NAMES else OPERATION
    if name in _ESCAPE_NAMES:
        return ESCAPE
    if name in _METADATA_NAMES and not (name == "type" and family == "method"):
        return METADATA
    if name in _PLAIN_NAMES:
        return PLAIN
    if name in _READ_NAMES:
        return READ
    if name == "__deepcopy__":
        return OPERATION
    if isinstance(function, types.FunctionType) and function.__module__.startswith("torch"):
        return COMPOSITE
    return OPERATION


def _find_writes(role: Role) -> None:
    name, function = role.name, role.function
    if name in _WRITES_METADATA_ONLY:
        role.moves_object = True
        return
    if name in _RUNNING_STATISTICS and role.family in ("function", "operator", "method"):
        role.write_rule = "running_statistics"
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
        packet = _aten_packet(name)
        if packet is not None:
            schemas = [getattr(packet, overload)._schema for overload in packet.overloads()]
            _write_by_schema(role, schemas, keywords=False)  # `out` overloads are told by their keyword at the call


def _write_by_schema(role: Role, schemas: list[Any], keywords: bool = True) -> None:
    found: dict[tuple[int, str], None] = {}
    for schema in schemas:
        for position, argument in enumerate(schema.arguments):
            if argument.kwarg_only and not keywords:
                continue
            if argument.alias_info is not None and argument.alias_info.is_write:
                found[(-1 if argument.kwarg_only else position, argument.name)] = None
    if found:
        role.write_rule, role.written = "listed", tuple(found)


def _draws_random_numbers(role: Role) -> bool:
    function = role.function
    tag = torch.Tag.nondeterministic_seeded
    if isinstance(function, torch._ops.OpOverload):
        return tag in function.tags
    packet = function if isinstance(function, torch._ops.OpOverloadPacket) else None
    if packet is None and role.kind == OPERATION and role.family in ("function", "method"):
        packet = _aten_packet(role.name)
    if packet is None:
        return False
    return any(tag in getattr(packet, overload).tags for overload in packet.overloads())


def _aten_packet(name: str) -> Any:
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
    out = kwargs.get("out")
    if out is not None:
        _add(found, ("out",), out)
    return found


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
