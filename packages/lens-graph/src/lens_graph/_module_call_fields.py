"""What is known about one call of a module?

Its place among the calls, its time, and the operations that ran in it, entered it and left it.

Source: "Layer nomenclature" in the paper, which counts calls only.
"""

from __future__ import annotations

from lens_graph._interpretation import Interpretation, call_name, operation_at, short_name
from lens_trace import ModuleCall


class ModuleCallFields:
    """What is known of a module call without looking at other calls."""

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


def _names(facts: Interpretation, nodes: list[int] | tuple[int, ...]) -> list[str]:
    return list(dict.fromkeys(short_name(facts, node) for node in nodes))
