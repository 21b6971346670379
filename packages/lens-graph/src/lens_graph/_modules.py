"""What is known about a module of the model?

`history.modules["features"]` gives one module under any of its addresses: its class, parameters and parts, its calls
in order, the layers that ran inside and those that entered and left it.  A module that the model holds at several
addresses is one module, found under each of them.

Source: "Layer nomenclature" and Figure 2C of the paper; its `ModelHistory` lists addresses, classes and call counts
only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lens_graph._errors import UnknownKeyError
from lens_graph._interpretation import Interpretation, call_name, operation_at, short_name
from lens_graph._nearest import nearest_keys
from lens_graph._notebook_entries import call_as_html, module_as_html
from lens_trace import Buffer, Module, ModuleCall, Parameter


class ModuleCallEntry:
    """One call of a module."""

    __slots__ = ("_facts", "call")

    def __init__(self, facts: Interpretation, call: int) -> None:
        self._facts = facts
        self.call = call
        """Its index among all module calls, 0 for the model's own."""

    @property
    def _record(self) -> ModuleCall:
        return self._facts.trace.module_calls[self.call]

    @property
    def label(self) -> str:
        """Address and pass, `features.3:2`."""
        return call_name(self._facts, self.call)

    @property
    def address(self) -> str:
        """The address it was called by."""
        return self._record.address

    @property
    def pass_num(self) -> int:
        """Which call of its module it is, from 1."""
        return self._record.pass_num

    @property
    def class_name(self) -> str:
        """Class of its module."""
        return self.module.class_name

    @property
    def depth(self) -> int:
        """0 for the model's own call, 1 for its direct parts."""
        return self._record.depth

    @property
    def training(self) -> bool:
        """The module's train/eval flag at the call."""
        return self._record.training

    @property
    def elapsed_s(self) -> float:
        """Seconds from entering to leaving, recording included."""
        return self._record.elapsed_s

    @property
    def func_time_elapsed(self) -> float:
        """Seconds of the functions inside, without recording; of one that returned several tensors once."""
        records = (operation_at(self._facts, node) for node in self.nodes)
        return sum({record.call_id: record.elapsed_s for record in records if record.kind == "call"}.values())

    @property
    def tensor_fsize(self) -> int:
        """Bytes of the tensors that were made inside."""
        records = (operation_at(self._facts, node) for node in self.nodes)
        return sum(record.output.nbytes for record in records if record.kind == "call")

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

    @property
    def num_operations(self) -> int:
        """Operations that ran in it or in its parts."""
        return self._facts.nesting.operations_inside[self.call]

    @property
    def input_layers(self) -> list[str]:
        """What entered it."""
        return _names(self._facts, self._facts.nesting.inputs[self.call])

    @property
    def output_layers(self) -> list[str]:
        """What left it."""
        return _names(self._facts, self._facts.nesting.outputs[self.call])

    @property
    def nodes(self) -> list[int]:
        """Places of the operations that ran in it or in its parts, as in `history.operations`."""
        facts, record = self._facts, self._record
        last = min(record.last_operation, len(facts.graph.node_of))
        found = (facts.graph.node_of[operation] for operation in range(record.first_operation, last))
        operations = facts.trace.operations
        # Threads interleave, so being between the first and the last is not enough.
        return [
            node
            for node in found
            if node >= 0
            and (record.parent is None or self.call in operations[facts.graph.operations[node]].module_calls)
        ]

    @property
    def layers(self) -> list[str]:
        """Labels of the operations that ran in it or in its parts."""
        return _names(self._facts, self.nodes)

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


def _names(facts: Interpretation, nodes: list[int] | tuple[int, ...]) -> list[str]:
    return list(dict.fromkeys(short_name(facts, node) for node in nodes))


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
