"""What is known about the model as a whole?

Source: the left column of Supplementary Table 1, in its order.  Fields in bytes are ints, times are seconds.  Buffers
are no operations of the model, so `num_tensors_total` and the sums of sizes leave them out, as a drawing does unless
it is asked to show them.
"""

from __future__ import annotations

from collections.abc import Iterable

from lens_graph._interpretation import Interpretation, call_name, is_initialized_inside, is_saved, operation_at


class ModelFields:
    """The fields of a history that describe the model as a whole."""

    _facts: Interpretation

    @property
    def model_name(self) -> str:
        """Class of the model."""
        return self._facts.trace.model_name

    @property
    def random_seed_used(self) -> int | None:
        """Seed of the forward pass; None when none was set."""
        return self._facts.trace.seed

    @property
    def model_is_recurrent(self) -> bool:
        """Whether some layer has several passes."""
        return self.model_max_recurrent_loops > 1

    @property
    def model_max_recurrent_loops(self) -> int:
        """The largest number of passes of any layer; 1 for a feed-forward model."""
        return max(map(len, self._facts.labels.passes), default=0)

    @property
    def model_is_branching(self) -> bool:
        """Whether the value of some operation other than a buffer goes to several layers."""
        facts = self._facts
        layer_of = facts.labels.layer_of
        return any(
            len(children) > 1
            and len({layer_of[child] for child in children}) > 1
            and operation_at(facts, node).kind != "buffer"
            for node, children in enumerate(facts.graph.children)
        )

    @property
    def model_has_conditional_branching(self) -> bool:
        """Whether a tensor decided which way the model went."""
        return bool(self._facts.branches.terminal_bools)

    @property
    def layer_list(self) -> list[str]:
        """Labels of all layers in execution order, buffers left out."""
        labels = self._facts.labels
        return [labels.names[layer] for layer in labels.counted]

    @property
    def input_layers(self) -> list[str]:
        """Labels of the inputs."""
        return self._layer_names(self._facts.graph.inputs)

    @property
    def output_layers(self) -> list[str]:
        """Labels of the outputs."""
        return self._layer_names(self._facts.graph.outputs)

    @property
    def buffer_layers(self) -> list[str]:
        """Labels of the buffers that took part."""
        labels = self._facts.labels
        return [name for name, number in zip(labels.names, labels.total_nums, strict=True) if number is None]

    @property
    def internally_initialized_layers(self) -> list[str]:
        """Labels of the layers whose tensor came into being inside the model, `torch.rand` for instance."""
        nodes = range(len(self._facts.graph.parents))
        return self._layer_names(node for node in nodes if is_initialized_inside(self._facts, node))

    @property
    def internally_terminated_bool_layers(self) -> list[str]:
        """Labels of the layers whose single value decided something."""
        return self._layer_names(self._facts.branches.terminal_bools)

    @property
    def layers_computed_with_params(self) -> list[str]:
        """Labels of the layers with parameters."""
        labels = self._facts.labels
        return [
            labels.names[layer]
            for layer in labels.counted
            if operation_at(self._facts, labels.passes[layer][0]).parameters
        ]

    @property
    def num_tensors_total(self) -> int:
        """How many tensors the forward pass produced: inputs, operations with all their passes, outputs."""
        return sum(number is not None for number in self._facts.labels.operation_num)

    @property
    def tensor_fsize_total(self) -> int:
        """Bytes of the same."""
        facts = self._facts
        numbers = facts.labels.operation_num
        return sum(operation_at(facts, node).output.nbytes for node, number in enumerate(numbers) if number is not None)

    @property
    def tensor_fsize_saved(self) -> int:
        """Bytes of the saved tensors, as they were in the forward pass."""
        return sum(operation_at(self._facts, node).output.nbytes for node in self._saved())

    @property
    def num_tensors_saved(self) -> int:
        """How many tensors were saved."""
        return len(self._saved())

    @property
    def total_param_tensors(self) -> int:
        """How many parameters the model holds, tied ones counted once."""
        return sum(bool(parameter.addresses) for parameter in self._facts.trace.parameters)

    @property
    def total_param_layers(self) -> int:
        """How many layers have parameters."""
        return len(self.layers_computed_with_params)

    @property
    def total_params(self) -> int:
        """How many numbers the model's parameters hold, frozen ones included."""
        return sum(parameter.numel for parameter in self._facts.trace.parameters if parameter.addresses)

    @property
    def total_params_fsize(self) -> int:
        """Bytes of the model's parameters."""
        return sum(parameter.nbytes for parameter in self._facts.trace.parameters if parameter.addresses)

    @property
    def module_addresses(self) -> list[str]:
        """Addresses of the model's modules, without the model itself; a shared module has several."""
        return list(self._facts.module_at)

    @property
    def module_types(self) -> dict[str, str]:
        """The class of the module at each address."""
        modules = self._facts.trace.modules
        return {address: modules[module].class_name for address, module in self._facts.module_at.items()}

    @property
    def module_num_passes(self) -> dict[str, int]:
        """How often the module at each address was called."""
        calls_of = self._facts.nesting.calls_of
        return {address: len(calls_of[module]) for address, module in self._facts.module_at.items()}

    @property
    def module_pass_children(self) -> dict[str, list[str]]:
        """For each module call, `features:1`, the calls made directly in it."""
        parts = self._facts.nesting.parts
        return {
            call_name(self._facts, call): [call_name(self._facts, part) for part in parts[call]]
            for call in range(1, len(parts))
        }

    @property
    def top_level_module_passes(self) -> list[str]:
        """The module calls that were made in no other module than the model itself."""
        parts = self._facts.nesting.parts
        return [call_name(self._facts, part) for part in parts[0]] if parts else []

    @property
    def pass_start_time(self) -> float:
        """When the forward pass started, in seconds since the epoch."""
        return self._facts.trace.started_at

    @property
    def pass_end_time(self) -> float:
        """When the forward pass ended, in seconds since the epoch."""
        return self._facts.trace.ended_at

    @property
    def elapsed_time_total(self) -> float:
        """Seconds that the forward pass took, recording included."""
        return self._facts.trace.elapsed_s

    @property
    def elapsed_time_function_calls(self) -> float:
        """Seconds spent in the functions themselves."""
        return self._facts.trace.elapsed_functions_s

    @property
    def elapsed_time_logging(self) -> float:
        """Seconds spent on recording and on building the history."""
        trace = self._facts.trace
        return max(0.0, trace.elapsed_s - trace.elapsed_functions_s) + self._facts.elapsed_s

    def _saved(self) -> list[int]:
        numbers = self._facts.labels.operation_num
        if not self._facts.payloads.tensors:
            return []
        return [node for node, number in enumerate(numbers) if number is not None and is_saved(self._facts, node)]

    def _layer_names(self, nodes: Iterable[int]) -> list[str]:
        labels = self._facts.labels
        return list(dict.fromkeys(labels.names[labels.layer_of[node]] for node in nodes))
