"""What is one recorded call, ready to be run again?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lens_trace import Operation, OperationId, Path, Recording
from lens_validate._arguments import Leaf
from lens_validate._names import canonical_name


class Call:
    """One recorded call with its live arguments, ready to be run as often as needed.

    Attributes:
        operations: The operations that it returned, in order.
        leaves: Path and reference of every tensor argument.
        tensors: The value of every tensor argument by path, as the call saw it.
        function: The live function.
        known: All operations of the trace by id.
        is_of_torch: Whether the function is one of torch's own, whose names say what they do.
    """

    def __init__(
        self,
        operations: tuple[Operation, ...],
        leaves: list[Leaf],
        tensors: dict[Path, Tensor],
        function: Any,
        recording: Recording,
        known: Mapping[OperationId, Operation],
    ) -> None:
        self.known = known
        self.operations = operations
        self.leaves = leaves
        self.tensors = tensors
        self.function = function
        self.recording = recording
        self.first = operations[0]
        assert self.first.function is not None
        self.name = canonical_name(self.first.function.name)
        self.may_write = may_write(self.first)
        self.is_of_torch = self.first.function.qualified_name.startswith("torch.ops.aten.") or (
            self.first.function.kind in ("function", "method", "property")
        )


STATISTICS = ("batch_norm", "instance_norm", "fake_quant", "moving_avg", "rnn_flatten")
"""Parts of the names of functions that write running statistics, which no schema tells."""


def may_write(operation: Operation) -> bool:
    """Whether a call could write into its arguments, going by its record and, in case the record is wrong, its name."""
    function = operation.function
    assert function is not None
    name = function.name
    return (
        operation.is_inplace
        or bool(operation.writes)
        or function.kind in ("extension", "module", "scripted")
        or (name.endswith("_") and not name.endswith("__"))
        or name in ("__setitem__", "data.__set__", "set_data", "set_")
        or (name.startswith("__i") and name.endswith("__") and name not in ("__invert__", "__index__", "__int__"))
        or any(key == "out" for key, _ in operation.kwargs)
        or any(part in name for part in STATISTICS)
        or (function.kind == "operator" and not function.qualified_name.startswith("torch.ops.aten."))
    )
