"""What is known about a module of the model?

`history.modules["features"]` gives one module under any of its addresses: its class, parameters and parts, its calls
in order, the layers that ran inside and those that entered and left it.  A module that the model holds at several
addresses is one module, found under each of them.

Source: "Layer nomenclature" and Figure 2C of the paper; its `ModelHistory` lists addresses, classes and call counts
only.
"""

from __future__ import annotations

from lens_graph._interpretation import Interpretation
from lens_graph._module_call_fields import ModuleCallFields
from lens_graph._notebook_entries import call_as_html, module_as_html
from lens_trace import Buffer, Module, Parameter


class ModuleCallEntry(ModuleCallFields):
    """One call of a module."""

    __slots__ = ()

    @property
    def class_name(self) -> str:
        """Class of its module."""
        return self.module.class_name

    @property
    def module(self) -> ModuleEntry:
        """The module that was called."""
        return ModuleEntry(self._facts, self._record.module)

    @property
    def parent(self) -> ModuleCallEntry | None:
        """The call that it was made in; None for the model's own."""
        parent = self._record.parent
        return None if parent is None else ModuleCallEntry(self._facts, parent)

    @property
    def children(self) -> list[ModuleCallEntry]:
        """The calls made directly in it."""
        return [ModuleCallEntry(self._facts, call) for call in self._facts.nesting.parts[self.call]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModuleCallEntry) and other.call == self.call and other._facts is self._facts

    def __hash__(self) -> int:
        return hash((id(self._facts), self.call, "call"))

    def __repr__(self) -> str:
        name = self.label if self.call else self._facts.trace.model_name
        plural = "s" * (self.num_operations != 1)
        return f"Call {name} ({self.class_name}), {self.num_operations} operation{plural}"

    def _repr_html_(self) -> str:
        return call_as_html(self)


class ModuleEntry:
    """One module of the model."""

    __slots__ = ("_facts", "module")

    def __init__(self, facts: Interpretation, module: int) -> None:
        self._facts = facts
        self.module = module
        """Its index among the modules, 0 for the model itself."""

    @property
    def _record(self) -> Module:
        return self._facts.trace.modules[self.module]

    @property
    def address(self) -> str:
        """Its first address; empty for the model itself."""
        return (self._record.addresses or ("",))[0]

    @property
    def addresses(self) -> list[str]:
        """All its addresses."""
        return list(self._record.addresses)

    @property
    def class_name(self) -> str:
        """Its class, `Conv2d`."""
        return self._record.class_name

    @property
    def qualified_class_name(self) -> str:
        """Its class with the package."""
        return self._record.qualified_class_name

    @property
    def training(self) -> bool:
        """Its train/eval flag."""
        return self._record.training

    @property
    def parameters(self) -> list[Parameter]:
        """Its own parameters, not those of its parts."""
        return [self._facts.trace.parameters[index] for index in self._record.parameters]

    @property
    def all_parameters(self) -> list[Parameter]:
        """Its parameters and those of its parts, each once."""
        known = self._facts.trace.parameters
        return [known[index] for index in _own_and_parts(self._facts, self.module)]

    @property
    def num_params(self) -> int:
        """Numbers in its parameters and those of its parts, tied ones counted once."""
        return sum(parameter.numel for parameter in self.all_parameters)

    @property
    def params_fsize(self) -> int:
        """Bytes of the same."""
        return sum(parameter.nbytes for parameter in self.all_parameters)

    @property
    def buffers(self) -> list[Buffer]:
        """Its own buffers."""
        return [self._facts.trace.buffers[index] for index in self._record.buffers]

    @property
    def children(self) -> list[str]:
        """Addresses of its direct parts."""
        modules = self._facts.trace.modules
        return [(modules[child].addresses or ("",))[0] for child in self._record.children]

    @property
    def parts(self) -> list[ModuleEntry]:
        """Its direct parts."""
        return [ModuleEntry(self._facts, child) for child in self._record.children]

    @property
    def calls(self) -> list[ModuleCallEntry]:
        """Its calls in order."""
        return [ModuleCallEntry(self._facts, call) for call in self._facts.nesting.calls_of[self.module]]

    @property
    def passes(self) -> list[str]:
        """Labels of its calls, `features.3:1`."""
        return [call.label for call in self.calls]

    @property
    def num_passes(self) -> int:
        """How often it was called."""
        return len(self._facts.nesting.calls_of[self.module])

    @property
    def elapsed_s(self) -> float:
        """Seconds of all its calls, recording included."""
        return sum(call.elapsed_s for call in self.calls)

    @property
    def func_time_elapsed(self) -> float:
        """Seconds of the functions inside, all its calls, without recording."""
        return sum(call.func_time_elapsed for call in self.calls)

    @property
    def tensor_fsize(self) -> int:
        """Bytes of the tensors that were made inside, all its calls."""
        return sum(call.tensor_fsize for call in self.calls)

    @property
    def layers(self) -> list[str]:
        """Labels of the operations that ran in it or in its parts, over all calls."""
        return list(dict.fromkeys(name for call in self.calls for name in call.layers))

    @property
    def input_layers(self) -> list[str]:
        """What entered it, over all calls."""
        return list(dict.fromkeys(name for call in self.calls for name in call.input_layers))

    @property
    def output_layers(self) -> list[str]:
        """What left it, over all calls."""
        return list(dict.fromkeys(name for call in self.calls for name in call.output_layers))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModuleEntry) and other.module == self.module and other._facts is self._facts

    def __hash__(self) -> int:
        return hash((id(self._facts), self.module, "module"))

    def __repr__(self) -> str:
        where = self.address or "the model"
        also = f" (also {', '.join(self.addresses[1:4])})" if len(self.addresses) > 1 else ""
        mode = "train" if self.training else "eval"
        calls = f"called {self.num_passes} time{'s' * (self.num_passes != 1)}"
        return f"Module {where}{also}: {self.class_name}, {calls}, {self.num_params:,} parameters, {mode} mode"

    def _repr_html_(self) -> str:
        return module_as_html(self)


def _own_and_parts(facts: Interpretation, module: int) -> list[int]:
    found: dict[int, None] = {}
    seen: set[int] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        record = facts.trace.modules[current]
        found.update(dict.fromkeys(record.parameters))
        waiting.extend(reversed(record.children))
    return list(found)
