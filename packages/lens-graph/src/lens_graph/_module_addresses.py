"""Which module is at an address?

A module that the model holds at several addresses is found under each of them; `""` is the model itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lens_graph._errors import UnknownKeyError
from lens_graph._interpretation import Interpretation
from lens_graph._modules import ModuleEntry
from lens_graph._nearest import nearest_keys


class Modules(Mapping[str, ModuleEntry]):
    """The modules of the model by address; `""` is the model itself."""

    def __init__(self, facts: Interpretation) -> None:
        self._facts = facts

    def __getitem__(self, address: str) -> ModuleEntry:
        if address == "" and self._facts.trace.modules:
            return ModuleEntry(self._facts, 0)
        if address in self._facts.module_at:
            return ModuleEntry(self._facts, self._facts.module_at[address])
        near = tuple(key for key in nearest_keys(self._facts, str(address)) if key in self._facts.module_at)
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        raise UnknownKeyError(f"the model has no module {address!r}{hint}", key=address, nearest=near)

    def __iter__(self) -> Iterator[str]:
        if self._facts.trace.modules:
            yield ""
        yield from self._facts.module_at

    def __len__(self) -> int:
        return len(self._facts.module_at) + bool(self._facts.trace.modules)

    def __repr__(self) -> str:
        return f"Modules of {self._facts.trace.model_name}: {len(self)} addresses"
