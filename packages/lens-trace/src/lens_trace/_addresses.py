"""Where do modules, parameters and buffers stand in the model?

The walk before a pass notes its steps and no more; addresses are put together when somebody asks, which is when the
trace is frozen or something went wrong.  Nothing here holds a module.
"""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import torch

Registered: TypeAlias = "dict[str, torch.Tensor | None] | None"


class Addresses:
    """Every address of every module, parameter and buffer, in the order of the walk; `""` is the model itself.

    Flat lists of equal length rather than one of tuples: what the collector has to look at costs as much as the walk.

    Attributes:
        numbers, outers, names: By visit, one an address: the module's number, the visit that led there (-1 for the
            model), the name taken.
        parameters_of, buffers_of: By module number, what it had registered before the pass; None for nothing.
        parameter_of: Parameter numbers by `id`.
        buffer_of: Buffer and its number by `id`.
    """

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.outers: list[int] = []
        self.names: list[str] = []
        self.parameters_of: list[Registered] = []
        self.buffers_of: list[Registered] = []
        self.parameter_of: dict[int, int] = {}
        self.buffer_of: dict[int, tuple[torch.Tensor, int]] = {}

    @cached_property
    def _by_visit(self) -> list[str]:
        found: list[str] = []
        for outer, name in zip(self.outers, self.names, strict=True):
            found.append(_joined(found[outer], name) if outer >= 0 else name)
        return found

    @cached_property
    def modules(self) -> list[list[str]]:
        """Addresses by module number."""
        found: list[list[str]] = [[] for _ in self.parameters_of]
        for number, address in zip(self.numbers, self._by_visit, strict=True):
            found[number].append(address)
        return found

    @cached_property
    def parameters(self) -> list[list[str]]:
        """Addresses by parameter number."""
        found: dict[int, list[str]] = {}
        for number, address in zip(self.numbers, self._by_visit, strict=True):
            for name, tensor in (self.parameters_of[number] or {}).items():
                if tensor is not None:
                    found.setdefault(self.parameter_of[id(tensor)], []).append(_joined(address, name))
        return [found[number] for number in sorted(found)]

    @cached_property
    def buffers(self) -> list[list[str]]:
        """Addresses by buffer number."""
        found: dict[int, list[str]] = {}
        for number, address in zip(self.numbers, self._by_visit, strict=True):
            for name, tensor in (self.buffers_of[number] or {}).items():
                if tensor is not None:
                    found.setdefault(self.buffer_of[id(tensor)][1], []).append(_joined(address, name))
        return [found[number] for number in sorted(found)]


def _joined(address: str, name: str) -> str:
    return f"{address}.{name}" if address else name
