"""Record every operation of a PyTorch forward pass, with its tensors and where each came from.

Names are imported when first used, so that the records can be read where torch is not installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lens_trace._errors import (
        ChangedTensorError,
        CudaGraphError,
        MixedDevicesError,
        NotAModuleError,
        NotSavedError,
        SelectionError,
        ShardedModelError,
        StopTrace,
        TraceError,
    )
    from lens_trace._keep import everything, nothing, only, outputs_of
    from lens_trace._operation import operation
    from lens_trace._plain import run_plain
    from lens_trace._recording import Recording
    from lens_trace._records import (
        Argument,
        Buffer,
        BufferId,
        CallId,
        CallSite,
        Constant,
        Context,
        Function,
        Geometry,
        MappingArgument,
        Module,
        ModuleCall,
        ModuleCallId,
        ModuleId,
        Opaque,
        Operation,
        OperationId,
        OperationKind,
        Parameter,
        ParameterId,
        ParameterRef,
        Parent,
        Path,
        Read,
        SequenceArgument,
        SliceArgument,
        Special,
        TensorRef,
        TensorSpec,
        Trace,
        Write,
        WrittenValue,
    )
    from lens_trace._rng import RngState, replayed
    from lens_trace._snapshot import Snapshot
    from lens_trace._tensors import Tensors
    from lens_trace._trace import module_addresses, trace
    from lens_trace._watched import Store, Watch

_HOMES = {
    "_errors": (
        "ChangedTensorError", "CudaGraphError", "MixedDevicesError", "NotAModuleError", "NotSavedError",
        "SelectionError", "ShardedModelError", "StopTrace", "TraceError",
    ),
    "_keep": ("everything", "nothing", "only", "outputs_of"),
    "_operation": ("operation",),
    "_records": (
        "Argument", "Buffer", "BufferId", "CallId", "CallSite", "Constant", "Context", "Function", "Geometry",
        "MappingArgument", "Module", "ModuleCall", "ModuleCallId", "ModuleId", "Opaque", "Operation", "OperationId",
        "OperationKind", "Parameter", "ParameterId", "ParameterRef", "Parent", "Path", "Read", "SequenceArgument",
        "SliceArgument", "Special", "TensorRef", "TensorSpec", "Trace", "Write", "WrittenValue",
    ),
    "_plain": ("run_plain",),
    "_recording": ("Recording",),
    "_rng": ("RngState", "replayed"),
    "_snapshot": ("Snapshot",),
    "_tensors": ("Tensors",),
    "_trace": ("module_addresses", "trace"),
    "_watched": ("Store", "Watch"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "Argument",
    "Buffer",
    "BufferId",
    "CallId",
    "CallSite",
    "ChangedTensorError",
    "Constant",
    "Context",
    "CudaGraphError",
    "Function",
    "Geometry",
    "MappingArgument",
    "MixedDevicesError",
    "Module",
    "ModuleCall",
    "ModuleCallId",
    "ModuleId",
    "NotAModuleError",
    "NotSavedError",
    "Opaque",
    "Operation",
    "OperationId",
    "OperationKind",
    "Parameter",
    "ParameterId",
    "ParameterRef",
    "Parent",
    "Path",
    "Read",
    "Recording",
    "RngState",
    "SelectionError",
    "SequenceArgument",
    "ShardedModelError",
    "SliceArgument",
    "Snapshot",
    "Special",
    "StopTrace",
    "Store",
    "TensorRef",
    "TensorSpec",
    "Tensors",
    "Trace",
    "TraceError",
    "Watch",
    "Write",
    "WrittenValue",
    "everything",
    "module_addresses",
    "nothing",
    "only",
    "operation",
    "outputs_of",
    "replayed",
    "run_plain",
    "trace",
]
