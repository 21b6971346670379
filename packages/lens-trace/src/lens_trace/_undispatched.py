"""How is seen what PyTorch does not dispatch?

`torch.from_numpy`, dlpack, TorchScript, `Tensor.set_`, `swap_tensors` never reach a mode.  They are wrapped for the
length of a trace (`lens_trace._switches` counts the traces); outside of one they are torch's own again.  A function in
C that the model took hold of before is not seen: what it returns is then known by its memory, or is a source.
"""

from __future__ import annotations

import functools
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

import torch

from lens_trace._errors import CudaGraphError
from lens_trace._intercept import RecordingMode
from lens_trace._modules import active
from lens_trace._replacing import Wanted, Wrap
from lens_trace._role import OPERATION, Role


def undispatched() -> tuple[Wanted, ...]:
    """Returns what is to be replaced."""
    return _found(sys.modules.get("torch.utils.dlpack"))


@functools.cache
def _found(dlpack: Any) -> tuple[Wanted, ...]:
    tables = ((torch, _OF_TORCH), (torch.nested, _OF_NESTED), (dlpack, _OF_DLPACK), *_OF_OTHERS)
    return tuple(
        [(owner, name, wrap) for owner, table in tables for name, wrap in table.items() if hasattr(owner, name)]
    )


def record_call(
    function: Callable[..., Any],
    role: Role,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    run: Callable[..., Any] = RecordingMode.run_outside_protocol,
) -> Any:
    """Runs a function as one recorded operation of every trace active in this thread."""
    return _record(active.modes, function, role, run, args, kwargs)


def _record(
    modes: tuple[RecordingMode, ...], function: Callable[..., Any], role: Role, run: Callable[..., Any],
    args: tuple[Any, ...], kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    depth = torch._C._len_torch_function_stack()
    mode = modes[-1] if modes else None
    if mode is None or not depth or torch._C._get_function_stack_at(depth - 1) is not mode:
        return function(*args, **kwargs)  # inside another handler, or with recording off
    torch._C._pop_torch_function_stack()
    try:
        if len(modes) > 1:  # a trace within a trace: the outer one records it as well

            def inner(*args: Any, **kwargs: Any) -> Any:
                return _record(modes[:-1], function, role, run, args, kwargs)

            return run(mode, role, inner, args, kwargs)
        return run(mode, role, function, args, kwargs)
    finally:
        torch._C._push_on_torch_function_stack(mode)


def extension_role(function: Callable[..., Any]) -> Role:
    """Returns the role of a function decorated with `@operation`."""
    name = str(getattr(function, "__name__", type(function).__name__))
    role = Role(function, OPERATION, name, f"{getattr(function, '__module__', '')}.{name}", "extension")
    role.write_rule = "first" if name.endswith("_") and not name.endswith("__") else "watched"
    return role


def _wrap_function(name: str, run: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    role = Role(original, OPERATION, name, f"torch.{name}", "function")

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return record_call(original, role, args, kwargs, run)

    return wrapper


def _wrap_scripted_call(original: Callable[..., Any]) -> Callable[..., Any]:
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not active.modes:
            return original(self, *args, **kwargs)
        name = str(getattr(self, "name", None) or getattr(self, "__name__", None) or type(self).__name__)
        if name == "forward":
            name = _scripted_class_name(self) or name
        role = Role(self, OPERATION, name, f"torch.jit.{name}", "scripted")
        role.write_rule = "watched"
        for mode in active.modes:
            mode.recorder.state.before_any_write()  # running statistics are written where nobody looks
        return record_call(functools.partial(original, self), role, args, kwargs)

    return __call__


def _scripted_class_name(method: Any) -> str | None:
    try:
        return str(method.owner._type().name())
    except (AttributeError, RuntimeError, TypeError):
        return None


def _refuse_graph(original: Callable[..., Any]) -> Callable[..., Any]:
    # A graph runs kernels that nobody calls: what they write shows neither in records nor in version counters.
    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if active.modes:
            raise CudaGraphError(
                "The model captures or replays a CUDA graph, inside which nothing can be seen. Trace it as it was "
                "before torch.cuda.make_graphed_callables or torch.cuda.graph, or with the graph switched off."
            )
        return original(*args, **kwargs)

    return wrapper


def _wrap_swap(original: Any) -> Callable[..., None]:
    # torch refuses tensors that somebody refers to weakly, and a trace does: that must not change what the model does.
    unseen = types.SimpleNamespace(getweakrefs=lambda _: ())  # pyright: ignore[reportUnknownLambdaType]
    swap = types.FunctionType(original.__code__, {**original.__globals__, "weakref": unseen})

    @functools.wraps(original)
    def swap_tensors(t1: torch.Tensor, t2: torch.Tensor) -> None:
        if not active.modes:
            return original(t1, t2)
        with torch._C.DisableTorchFunction():
            for mode in active.modes:
                mode.recorder.before_swap(t1, t2)
            swap(t1, t2)
            for mode in active.modes:
                mode.recorder.after_swap(t1, t2)

    return swap_tensors


def _wrap_set(inherited: Any) -> Any:
    role = Role(inherited, OPERATION, "set_", "torch.Tensor.set_", "method")
    role.moves_object = True

    @functools.wraps(inherited)
    def set_(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        shown = args
        if args and active.modes and isinstance(args[0], (torch.UntypedStorage, torch.TypedStorage)):
            # On record it is a tensor that shows all of the storage: that has parents and can be run again.
            with torch._C.DisableTorchFunction():
                shown = (inherited(torch.empty(0, dtype=self.dtype, device=self.device), args[0]), *args[1:])
        return record_call(lambda *_, **__: inherited(self, *args, **kwargs), role, (self, *shown), kwargs)

    return set_


_foreign, _plain, _escaping = (RecordingMode.run_foreign, RecordingMode.run_outside_protocol, RecordingMode.let_escape)
_OF_TORCH, _OF_NESTED, _OF_DLPACK = (
    {name: functools.partial(_wrap_function, name, run) for name, run in runs.items()}
    for runs in (
        {"from_numpy": _foreign, "frombuffer": _foreign, "from_dlpack": _foreign, "to_dlpack": _escaping},
        {"nested_tensor": _plain, "as_nested_tensor": _plain},
        {"from_dlpack": _foreign, "to_dlpack": _escaping},
    )
)

with warnings.catch_warnings():
    # Touched here, so that their deprecation does not warn in the middle of somebody's forward.
    warnings.simplefilter("ignore")
    _scripted = (torch._C.ScriptFunction, torch._C.ScriptMethod)

_OF_OTHERS: tuple[tuple[Any, dict[str, Wrap]], ...] = (
    (torch.utils, {"swap_tensors": _wrap_swap}),
    (torch.Tensor, {"set_": _wrap_set}),
    (torch.cuda.CUDAGraph, {"replay": _refuse_graph, "capture_begin": _refuse_graph}),
    (torch.cuda.graph, {"__enter__": _refuse_graph}),
    *[(kind, {"__call__": _wrap_scripted_call}) for kind in _scripted if "__call__" in vars(kind)],
)
