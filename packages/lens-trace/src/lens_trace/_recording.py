"""What does a trace leave behind?

`Recording` = the frozen `Trace` + the saved `Tensors` + what is alive and cannot be written down: the functions, the
opaque objects among their arguments, states of random generators, parameters and buffers.  The records are made from
the rows when `recording.trace` is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from lens_trace._records import BufferId, CallId, Trace
from lens_trace._rng import RngState
from lens_trace._tensors import Tensors


class Recording:
    """One recorded forward pass.

    Attributes:
        trace: Frozen records, msgspec-encodable; made on first access.
        tensors: Saved values by operation id.
        functions: The live function of each call, by call id.
        objects: Live objects behind `Opaque` arguments, by index.
        rng_states: State of the random generators before each call that draws random numbers, by call id.
        parameters: The live parameters, by parameter id.
        buffers: The live buffers, by buffer id.
    """

    def __init__(
        self,
        *,
        trace: Trace | Callable[[], tuple[Trace, Mapping[int, Any], Mapping[CallId, Callable[..., Any]]]],
        tensors: Tensors,
        functions: Mapping[CallId, Callable[..., Any]] | None = None,
        objects: Mapping[int, Any] | None = None,
        rng_states: Mapping[CallId, RngState] | None = None,
        parameters: tuple[torch.Tensor, ...] = (),
        buffers: Mapping[BufferId, torch.Tensor] | None = None,
    ) -> None:
        self._trace = trace
        self._objects = objects or {}
        self.tensors = tensors
        self._functions: Mapping[CallId, Callable[..., Any]] = functions or {}
        self.rng_states: Mapping[CallId, RngState] = rng_states or {}
        self.parameters = parameters
        self.buffers: Mapping[BufferId, torch.Tensor] = buffers or {}

    @property
    def trace(self) -> Trace:
        """The frozen records."""
        self._freeze()
        assert isinstance(self._trace, Trace)
        return self._trace

    @property
    def objects(self) -> Mapping[int, Any]:
        """Live objects behind `Opaque` arguments."""
        self._freeze()
        return self._objects

    @property
    def functions(self) -> Mapping[CallId, Callable[..., Any]]:
        """The live function of each call, by call id."""
        self._freeze()
        return self._functions

    def replace(self, **changes: Any) -> Recording:
        """Returns a copy in which some attributes are others."""
        kept: dict[str, Any] = {
            "trace": self.trace,
            "tensors": self.tensors,
            "functions": self.functions,
            "objects": self.objects,
            "rng_states": self.rng_states,
            "parameters": self.parameters,
            "buffers": self.buffers,
        }
        unknown = changes.keys() - kept.keys()
        if unknown:
            raise TypeError(f"Recording has no {sorted(unknown)}; it has {sorted(kept)}.")
        return Recording(**{**kept, **changes})

    def __repr__(self) -> str:
        trace = self.trace
        return (
            f"Recording of {trace.model_name}: {len(trace.operations)} operations, "
            f"{len(trace.module_calls)} module calls, {len(self.tensors)} tensors kept ({self.tensors.nbytes:,} bytes)"
        )

    def _freeze(self) -> None:
        if not isinstance(self._trace, Trace):
            self._trace, self._objects, self._functions = self._trace()
