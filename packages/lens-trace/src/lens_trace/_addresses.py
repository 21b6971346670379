"""Where do modules, parameters and buffers stand in the model?

The walk before a pass notes its steps and no more; addresses are put together when somebody asks, which is when the
trace is frozen or something went wrong.  Nothing here holds a module.
"""

from __future__ import annotations

from functools import cached_property

from lens_trace._registrations import Registered


class Addresses:
    """Every address of every module, parameter and buffer, in the order of the walk; `""` is the model itself.

    Flat lists of equal length rather than one of tuples: what the collector has to look at costs as much as the walk.

    Attributes:
        numbers, outers, names: By visit, one an address: the module's number, the visit that led there (-1 for the
            model), the name taken.
        is_whole: Whether every part of every module is among the visits.
        registered_parameters, registered_buffers: What the modules had registered before the pass.
        parameter_of, buffer_of: Numbers of parameters and buffers by `id`.
    """

    registered_parameters: Registered
    registered_buffers: Registered

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.outers: list[int] = []
        self.names: list[str] = []
        self.is_whole = True
        self.parameter_of: dict[int, int] = {}
        self.buffer_of: dict[int, int] = {}

    def is_on_path(self, visit: int, number: int) -> bool:
        """Tells whether a module is one of those that a visit goes through."""
        while visit >= 0:
            if self.numbers[visit] == number:
                return True
            visit = self.outers[visit]
        return False

    @cached_property
    def _by_visit(self) -> list[str]:
        found: list[str] = []
        for outer, name in zip(self.outers, self.names, strict=True):
            found.append(_joined(found[outer], name) if outer >= 0 else name)
        return found

    @cached_property
    def modules(self) -> list[list[str]]:
        """Addresses by module number."""
        found: list[list[str]] = [[] for _ in self.registered_parameters.sizes]
        for number, address in zip(self.numbers, self._by_visit, strict=True):
            found[number].append(address)
        return found

    @cached_property
    def parameters(self) -> list[list[str]]:
        """Addresses by parameter number."""
        return self._of_tensors(self.registered_parameters, self.parameter_of)

    @cached_property
    def buffers(self) -> list[list[str]]:
        """Addresses by buffer number."""
        return self._of_tensors(self.registered_buffers, self.buffer_of)

    def children(self) -> dict[int, list[int]]:
        """Returns the numbers of the parts of each module; all of them if the walk is whole."""
        found: dict[int, list[int]] = {}
        for number, outer in zip(self.numbers, self.outers, strict=True):
            if outer >= 0:
                found.setdefault(self.numbers[outer], []).append(number)
        return found

    def _of_tensors(self, registered: Registered, number_of: dict[int, int]) -> list[list[str]]:
        found: dict[int, list[str]] = {}
        for number, address in zip(self.numbers, self._by_visit, strict=True):
            for name, tensor in registered.of(number).items():
                if tensor is not None:
                    found.setdefault(number_of[id(tensor)], []).append(_joined(address, name))
        return [found[number] for number in sorted(found)]


def _joined(address: str, name: str) -> str:
    return f"{address}.{name}" if address else name
