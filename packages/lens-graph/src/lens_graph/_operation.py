"""What is known about one operation?

An `OperationEntry` is one pass of one layer, with the fields of the right column of Supplementary Table 1 under their
own names, and a few that drawings and analyses need beside them.  It is a view: it stores nothing but its place in the
interpretation, and every field is computed when asked.  Labels of other layers carry the pass, `linear_1_3:2`, exactly
where the layer has several, so that each label leads to the one tensor that is meant.

The fields come in four groups: who it is (here), what was recorded about it (`_recorded_fields`), what backward passes
brought to it (`_gradient_fields`), and where it stands in the graph and among the modules (`_place_fields`).
"""

from __future__ import annotations

from lens_graph._fields import agreed, single, union
from lens_graph._gradient_fields import GradientFields
from lens_graph._interpretation import full_name, operation_at, short_name
from lens_graph._keys import operation_keys
from lens_graph._notebook_entries import operation_as_html
from lens_graph._place_fields import PlaceFields
from lens_graph._recorded_fields import RecordedFields
from lens_graph._text import describe_operation
from lens_trace import OperationKind


class OperationEntry(RecordedFields, GradientFields, PlaceFields):
    """One operation of the forward pass: one pass of one layer."""

    __slots__ = ()

    @property
    def label(self) -> str:
        """The label that leads to exactly this operation: with the pass where the layer has several."""
        return short_name(self._facts, self.node)

    @agreed
    def kind(self) -> OperationKind:
        """`input`, `buffer`, `constant`, `call` or `output`."""
        return operation_at(self._facts, self.node).kind

    @single
    def operation_id(self) -> int:
        """Its index in the trace."""
        return self._facts.graph.operations[self.node]

    @agreed
    def layer_label(self) -> str:
        """The label of its layer, `conv2d_3_8`."""
        return self._facts.labels.names[self._facts.labels.layer_of[self.node]]

    @single
    def layer_label_w_pass(self) -> str:
        """The label with the pass, `conv2d_3_8:1`."""
        return full_name(self._facts, self.node)

    @agreed
    def layer_label_short(self) -> str:
        """The label without the overall number, `conv2d_3`."""
        labels = self._facts.labels
        layer = labels.layer_of[self.node]
        return f"{labels.types[layer]}_{labels.type_nums[layer]}"

    @single
    def operation_num(self) -> int | None:
        """Its place in execution order, from 1; inputs, outputs and passes count, buffers do not and have None."""
        return self._facts.labels.operation_num[self.node]

    @agreed
    def layer_type(self) -> str:
        """The function's name in lower case without underscores, `conv2d`."""
        return self._facts.labels.types[self._facts.labels.layer_of[self.node]]

    @agreed
    def layer_type_num(self) -> int:
        """How many layers of its type there are up to it."""
        return self._facts.labels.type_nums[self._facts.labels.layer_of[self.node]]

    @agreed
    def layer_total_num(self) -> int | None:
        """How many layers there are up to it; None for buffers, which are not counted."""
        return self._facts.labels.total_nums[self._facts.labels.layer_of[self.node]]

    @single
    def pass_num(self) -> int:
        """Which pass of its layer it is, from 1."""
        return self._facts.labels.pass_num[self.node]

    @agreed
    def layer_passes_total(self) -> int:
        """How many passes its layer has."""
        return len(self._facts.labels.passes[self._facts.labels.layer_of[self.node]])

    @union
    def lookup_keys(self) -> list[str | int]:
        """Every key under which the history returns it."""
        return operation_keys(self._facts, self.node)

    @union
    def same_layer_operations(self) -> list[str]:
        """The other passes of its layer, with their numbers."""
        members = self._facts.labels.passes[self._facts.labels.layer_of[self.node]]
        return [full_name(self._facts, node) for node in members if node != self.node]

    def __repr__(self) -> str:
        return describe_operation(self._facts, self.node)

    def _repr_html_(self) -> str:
        return operation_as_html(self._facts, self.node)
