"""Where does an operation stand in the graph and among the modules?

Source: the right column of Supplementary Table 1, `parent_layers` to `is_bottom_level_submodule_output`.
`internally_initialilized_ancestors` is spelt `internally_initialized_ancestors`.
"""

from __future__ import annotations

from collections.abc import Iterable

from lens_graph._fields import agreed, union
from lens_graph._interpretation import call_name, is_initialized_inside, operation_at, short_name
from lens_graph._links import Link, links_into
from lens_graph._relatives import ancestors, descendants, siblings, spouses
from lens_graph._view import View
from lens_trace import Read


class PlaceFields(View):
    """The fields of an operation entry that follow from the whole graph."""

    __slots__ = ()

    # --- relatives ---

    @union
    def parent_layers(self) -> list[str]:
        """Layers whose outputs it read, in argument order; buffers and constants among them."""
        return self._names(self._facts.graph.parents[self.node])

    @union
    def child_layers(self) -> list[str]:
        """Layers that read its output, in execution order."""
        return self._names(self._facts.graph.children[self.node])

    @union
    def sibling_layers(self) -> list[str]:
        """Layers that share a parent with it.  Computed when asked."""
        return self._names(siblings(self._facts.graph, self.node))

    @union
    def spouse_layers(self) -> list[str]:
        """Layers that share a child with it.  Computed when asked."""
        return self._names(spouses(self._facts.graph, self.node))

    @union
    def orig_ancestors(self) -> list[str]:
        """Its ancestors that read nothing: inputs, buffers, internally generated tensors.  Computed when asked."""
        parents = self._facts.graph.parents
        return self._names(node for node in ancestors(self._facts.graph, self.node) if not parents[node])

    @union
    def internally_initialized_parents(self) -> list[str]:
        """Parents that came into being inside the model."""
        parents = self._facts.graph.parents[self.node]
        return self._names(node for node in parents if is_initialized_inside(self._facts, node))

    @union
    def internally_initialized_ancestors(self) -> list[str]:
        """Ancestors that came into being inside the model.  Computed when asked."""
        found = ancestors(self._facts.graph, self.node)
        return self._names(node for node in found if is_initialized_inside(self._facts, node))

    @union
    def output_descendants(self) -> list[str]:
        """Output layers that descend from it.  Computed when asked."""
        if self._facts.distances.min_from_output[self.node] is None:
            return []
        found = descendants(self._facts.graph, self.node)
        return self._names(node for node in found if operation_at(self._facts, node).kind == "output")

    @property
    def links(self) -> tuple[Link, ...]:
        """The edges into it, one for each argument: where the value came from and which argument it was."""
        return links_into(self._facts, self.node)

    # --- inputs and outputs ---

    @agreed
    def is_input_layer(self) -> bool:
        """Whether it is an input of the model."""
        return operation_at(self._facts, self.node).kind == "input"

    @agreed
    def is_output_layer(self) -> bool:
        """Whether it is an output of the model."""
        return operation_at(self._facts, self.node).kind == "output"

    @agreed
    def is_buffer_layer(self) -> bool:
        """Whether it is a buffer."""
        return operation_at(self._facts, self.node).kind == "buffer"

    @agreed
    def buffer_address(self) -> str | None:
        """The buffer's address; None for all others."""
        operation = operation_at(self._facts, self.node)
        return operation.address if operation.kind == "buffer" else None

    @agreed
    def address(self) -> str | None:
        """Name of an input's argument, address of a buffer or constant, path of an output; None for all others."""
        return operation_at(self._facts, self.node).address

    @agreed
    def has_input_ancestor(self) -> bool:
        """Whether it is computed from an input (true for an input itself)."""
        return self._facts.distances.min_from_input[self.node] is not None

    @agreed
    def is_output_ancestor(self) -> bool:
        """Whether an output is computed from it (true for an output itself)."""
        return self._facts.distances.min_from_output[self.node] is not None

    @agreed
    def min_distance_from_input(self) -> int | None:
        """Edges on the shortest way from an input; 0 for an input, None where no way leads."""
        return self._facts.distances.min_from_input[self.node]

    @agreed
    def max_distance_from_input(self) -> int | None:
        """Edges on the longest way from an input."""
        return self._facts.distances.max_from_input[self.node]

    @agreed
    def min_distance_from_output(self) -> int | None:
        """Edges on the shortest way to an output; 0 for an output, None where no way leads."""
        return self._facts.distances.min_from_output[self.node]

    @agreed
    def max_distance_from_output(self) -> int | None:
        """Edges on the longest way to an output."""
        return self._facts.distances.max_from_output[self.node]

    @agreed
    def initialized_inside_model(self) -> bool:
        """Whether it came into being inside the model, from no tensor and no parameter."""
        return is_initialized_inside(self._facts, self.node)

    @agreed
    def terminated_inside_model(self) -> bool:
        """Whether nothing reads it and it is no output."""
        return not self._facts.graph.children[self.node] and operation_at(self._facts, self.node).kind != "output"

    # --- conditionals ---

    @agreed
    def is_terminal_bool_layer(self) -> bool:
        """Whether it is a single value that decided something and that no operation reads."""
        return self.node in self._facts.branches.in_branch and not self._facts.graph.children[self.node]

    @agreed
    def in_cond_branch(self) -> bool:
        """Whether it was computed only to decide something."""
        return self.node in self._facts.branches.in_branch

    @union
    def reads(self) -> list[Read]:
        """The reads that took its value out of the tensor world, with value and place in the code."""
        return [self._facts.trace.reads[index] for index in self._facts.branches.reads.get(self.node, ())]

    # --- modules ---

    @agreed
    def is_computed_inside_submodule(self) -> bool:
        """Whether it ran inside a submodule of the model."""
        return bool(operation_at(self._facts, self.node).module_calls)

    @agreed
    def containing_module_origin(self) -> str | None:
        """Address of the innermost module that it ran in; None when it ran in the model itself."""
        stack = operation_at(self._facts, self.node).module_calls
        return self._facts.trace.module_calls[stack[-1]].address if stack else None

    @agreed
    def containing_module_origin_nested(self) -> list[str]:
        """Addresses of all modules that it ran in, outermost first."""
        return self._addresses(operation_at(self._facts, self.node).module_calls)

    @union
    def containing_module_calls(self) -> list[str]:
        """The same with the pass of each module, `features.3:1`."""
        return [call_name(self._facts, call) for call in operation_at(self._facts, self.node).module_calls]

    @property
    def module_call_numbers(self) -> tuple[int, ...]:
        """The module calls that it ran in as places in `history.module_calls`, outermost first."""
        return operation_at(self._facts, self.node).module_calls

    @agreed
    def containing_module_classes(self) -> list[str]:
        """The classes of the same modules."""
        trace = self._facts.trace
        stack = operation_at(self._facts, self.node).module_calls
        return [trace.modules[trace.module_calls[call].module].class_name for call in stack]

    @union
    def modules_entered(self) -> list[str]:
        """Addresses of the modules that its value entered, outermost first."""
        return self._addresses(self._facts.nesting.entered.get(self.node, ()))

    @agreed
    def is_submodule_output(self) -> bool:
        """Whether its value left a submodule."""
        return self.node in self._facts.nesting.exited

    @union
    def modules_exited(self) -> list[str]:
        """Addresses of the modules that its value left, innermost first."""
        return self._addresses(self._facts.nesting.exited.get(self.node, ()))

    @agreed
    def is_bottom_level_submodule_output(self) -> bool:
        """Whether it is the output of a module in which nothing else ran."""
        return self.node in self._facts.nesting.bottom_level

    def _names(self, nodes: Iterable[int]) -> list[str]:
        return list(dict.fromkeys(short_name(self._facts, node) for node in nodes))

    def _addresses(self, calls: Iterable[int]) -> list[str]:
        return list(dict.fromkeys(self._facts.trace.module_calls[call].address for call in calls))
