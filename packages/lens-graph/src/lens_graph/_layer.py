"""What is known about a layer?

A `LayerEntry` is what `history["conv2d_3"]` returns.  A layer of one pass has exactly its operation's fields.  For a
layer of several passes lists are the union over the passes, and a single value that differs between them raises
`AmbiguousPassError`, which says so and names `.passes`.
"""

from __future__ import annotations

from lens_graph._interpretation import Interpretation, is_saved
from lens_graph._keys import layer_keys
from lens_graph._notebook_entries import layer_as_html
from lens_graph._operation import OperationEntry
from lens_graph._text import describe_layer


class LayerEntry:
    """One layer of the model with all its passes."""

    __slots__ = ("_facts", "layer")

    def __init__(self, facts: Interpretation, layer: int) -> None:
        self._facts = facts
        self.layer = layer
        """Its number among all layers, buffers included, from 0."""

    @property
    def passes(self) -> list[OperationEntry]:
        """Its operations in execution order."""
        return [OperationEntry(self._facts, node) for node in self._facts.labels.passes[self.layer]]

    @property
    def label(self) -> str:
        """The label, `conv2d_3_8`."""
        return self._facts.labels.names[self.layer]

    @property
    def is_saved(self) -> bool:
        """Whether the tensor of any of its passes was kept."""
        return any(is_saved(self._facts, node) for node in self._facts.labels.passes[self.layer])

    @property
    def lookup_keys(self) -> list[str | int]:
        """Every key that leads to the layer, then those that lead to one of its passes."""
        keys = layer_keys(self._facts, self.layer)
        return list(dict.fromkeys([*keys, *(key for one in self.passes for key in one.lookup_keys)]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LayerEntry) and other.layer == self.layer and other._facts is self._facts

    def __hash__(self) -> int:
        return hash((id(self._facts), self.layer, "layer"))

    def __repr__(self) -> str:
        return describe_layer(self._facts, self.layer)

    def _repr_html_(self) -> str:
        return layer_as_html(self._facts, self.layer)

    kind = OperationEntry.kind.over_passes()
    operation_id = OperationEntry.operation_id.over_passes()
    layer_label = OperationEntry.layer_label.over_passes()
    layer_label_w_pass = OperationEntry.layer_label_w_pass.over_passes()
    layer_label_short = OperationEntry.layer_label_short.over_passes()
    operation_num = OperationEntry.operation_num.over_passes()
    layer_type = OperationEntry.layer_type.over_passes()
    layer_type_num = OperationEntry.layer_type_num.over_passes()
    layer_total_num = OperationEntry.layer_total_num.over_passes()
    pass_num = OperationEntry.pass_num.over_passes()
    layer_passes_total = OperationEntry.layer_passes_total.over_passes()
    same_layer_operations = OperationEntry.same_layer_operations.over_passes()
    tensor_contents = OperationEntry.tensor_contents.over_passes()
    grad_contents = OperationEntry.grad_contents.over_passes()
    gradients = OperationEntry.gradients.over_passes()
    has_grad = OperationEntry.has_grad.over_passes()
    grad_shape = OperationEntry.grad_shape.over_passes()
    grad_dtype = OperationEntry.grad_dtype.over_passes()
    grad_fsize = OperationEntry.grad_fsize.over_passes()
    tensor_shape = OperationEntry.tensor_shape.over_passes()
    tensor_dtype = OperationEntry.tensor_dtype.over_passes()
    tensor_device = OperationEntry.tensor_device.over_passes()
    tensor_fsize = OperationEntry.tensor_fsize.over_passes()
    creation_args = OperationEntry.creation_args.over_passes()
    creation_kwargs = OperationEntry.creation_kwargs.over_passes()
    func_applied = OperationEntry.func_applied.over_passes()
    func_applied_name = OperationEntry.func_applied_name.over_passes()
    func_qualified_name = OperationEntry.func_qualified_name.over_passes()
    func_time_elapsed = OperationEntry.func_time_elapsed.over_passes()
    func_rng_states = OperationEntry.func_rng_states.over_passes()
    func_position_args_non_tensor = OperationEntry.func_position_args_non_tensor.over_passes()
    func_keyword_args_non_tensor = OperationEntry.func_keyword_args_non_tensor.over_passes()
    function_is_inplace = OperationEntry.function_is_inplace.over_passes()
    gradfunc_name = OperationEntry.gradfunc_name.over_passes()
    is_part_of_iterable_output = OperationEntry.is_part_of_iterable_output.over_passes()
    iterable_output_index = OperationEntry.iterable_output_index.over_passes()
    call_site = OperationEntry.call_site.over_passes()
    computed_with_params = OperationEntry.computed_with_params.over_passes()
    num_param_tensors = OperationEntry.num_param_tensors.over_passes()
    parent_params = OperationEntry.parent_params.over_passes()
    parent_param_shapes = OperationEntry.parent_param_shapes.over_passes()
    num_params_total = OperationEntry.num_params_total.over_passes()
    parent_params_fsize = OperationEntry.parent_params_fsize.over_passes()
    parent_layers = OperationEntry.parent_layers.over_passes()
    child_layers = OperationEntry.child_layers.over_passes()
    sibling_layers = OperationEntry.sibling_layers.over_passes()
    spouse_layers = OperationEntry.spouse_layers.over_passes()
    orig_ancestors = OperationEntry.orig_ancestors.over_passes()
    internally_initialized_parents = OperationEntry.internally_initialized_parents.over_passes()
    internally_initialized_ancestors = OperationEntry.internally_initialized_ancestors.over_passes()
    output_descendants = OperationEntry.output_descendants.over_passes()
    is_input_layer = OperationEntry.is_input_layer.over_passes()
    is_output_layer = OperationEntry.is_output_layer.over_passes()
    is_buffer_layer = OperationEntry.is_buffer_layer.over_passes()
    buffer_address = OperationEntry.buffer_address.over_passes()
    address = OperationEntry.address.over_passes()
    has_input_ancestor = OperationEntry.has_input_ancestor.over_passes()
    is_output_ancestor = OperationEntry.is_output_ancestor.over_passes()
    min_distance_from_input = OperationEntry.min_distance_from_input.over_passes()
    max_distance_from_input = OperationEntry.max_distance_from_input.over_passes()
    min_distance_from_output = OperationEntry.min_distance_from_output.over_passes()
    max_distance_from_output = OperationEntry.max_distance_from_output.over_passes()
    initialized_inside_model = OperationEntry.initialized_inside_model.over_passes()
    terminated_inside_model = OperationEntry.terminated_inside_model.over_passes()
    is_terminal_bool_layer = OperationEntry.is_terminal_bool_layer.over_passes()
    in_cond_branch = OperationEntry.in_cond_branch.over_passes()
    reads = OperationEntry.reads.over_passes()
    is_computed_inside_submodule = OperationEntry.is_computed_inside_submodule.over_passes()
    containing_module_origin = OperationEntry.containing_module_origin.over_passes()
    containing_module_origin_nested = OperationEntry.containing_module_origin_nested.over_passes()
    containing_module_calls = OperationEntry.containing_module_calls.over_passes()
    containing_module_classes = OperationEntry.containing_module_classes.over_passes()
    modules_entered = OperationEntry.modules_entered.over_passes()
    is_submodule_output = OperationEntry.is_submodule_output.over_passes()
    modules_exited = OperationEntry.modules_exited.over_passes()
    is_bottom_level_submodule_output = OperationEntry.is_bottom_level_submodule_output.over_passes()
