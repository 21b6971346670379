"""What was recorded about one operation: its value, its function, its parameters?

Source: the right column of Supplementary Table 1, `tensor_contents` to `parent_params_fsize`.  Fields in bytes are
ints, times are seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lens_graph._arguments import live_value, non_tensor_items, non_tensor_values
from lens_graph._errors import NotSavedError, NotStoredError
from lens_graph._fields import agreed, single
from lens_graph._interpretation import is_saved, operation_at, short_name
from lens_graph._view import View
from lens_trace import CallSite, Parameter


class RecordedFields(View):
    """The fields of an operation entry that the trace holds."""

    __slots__ = ()

    # --- its value ---

    @single
    def tensor_contents(self) -> Any:
        """The saved tensor.

        Raises:
            NotSavedError: it was not kept.
        """
        if not self.is_saved:
            name = short_name(self._facts, self.node)
            if self._facts.graph.operations[self.node] in (self._facts.selected or ()):
                raise NotSavedError(
                    f"the tensor of {name} was asked for but had no value that could be kept: it lived inside a "
                    "transform of torch.func (vmap, grad, jvp) and ended with it; its shape and type are known"
                )
            raise NotSavedError(
                f"the tensor of {name} was not saved: name it in layers=, for instance layers=['{name}'], "
                "or keep everything with layers='all'"
            )
        return self._facts.payloads.tensors[self._facts.graph.operations[self.node]]

    @agreed
    def is_saved(self) -> bool:
        """Whether the tensor was kept."""
        return is_saved(self._facts, self.node)

    @agreed
    def tensor_shape(self) -> tuple[int, ...]:
        """Elements of the tensor along each dimension."""
        return operation_at(self._facts, self.node).output.shape

    @agreed
    def tensor_dtype(self) -> str:
        """Data type of the tensor, `float32`."""
        return operation_at(self._facts, self.node).output.dtype

    @agreed
    def tensor_device(self) -> str:
        """Where the tensor lives, `cpu` or `cuda:0`."""
        return operation_at(self._facts, self.node).output.device

    @agreed
    def tensor_fsize(self) -> int:
        """Bytes of the tensor."""
        return operation_at(self._facts, self.node).output.nbytes

    # --- its function ---

    @single
    def creation_args(self) -> tuple[Any, ...]:
        """Positional arguments; the saved tensor in place of a tensor, or its record where it was not saved."""
        return tuple(live_value(self._facts, argument) for argument in operation_at(self._facts, self.node).args)

    @single
    def creation_kwargs(self) -> dict[str, Any]:
        """Keyword arguments, likewise."""
        operation = operation_at(self._facts, self.node)
        return {name: live_value(self._facts, argument) for name, argument in operation.kwargs}

    @agreed
    def func_applied(self) -> Callable[..., Any] | None:
        """The function itself; None for inputs, buffers, constants, outputs, and where it is no longer there.

        Raises:
            NotStoredError: the history was read from a folder, which holds its name only.
        """
        operation = operation_at(self._facts, self.node)
        if operation.function is not None and self._facts.payloads.is_from_file:
            raise NotStoredError(
                f"func_applied of {short_name(self._facts, self.node)} is not stored, a function being no data; its "
                f"name is {operation.function.qualified_name}"
            )
        return None if operation.call_id is None else self._facts.payloads.functions.get(operation.call_id)

    @agreed
    def func_applied_name(self) -> str | None:
        """The function's own name, `conv2d`, `add_`; None for inputs, buffers, constants and outputs."""
        function = operation_at(self._facts, self.node).function
        return None if function is None else function.name

    @agreed
    def func_qualified_name(self) -> str | None:
        """Where the function lives, `torch.conv2d`."""
        function = operation_at(self._facts, self.node).function
        return None if function is None else function.qualified_name

    @agreed
    def func_time_elapsed(self) -> float:
        """Seconds that the function took; of the whole call where it returned several tensors."""
        return operation_at(self._facts, self.node).elapsed_s

    @single
    def func_rng_states(self) -> Any:
        """State of the random number generators before the call; None where the function draws none.

        Raises:
            NotStoredError: the function draws some, and the history was read from a folder.
        """
        operation = operation_at(self._facts, self.node)
        if operation.uses_rng and self._facts.payloads.is_from_file:
            raise NotStoredError(
                f"func_rng_states of {short_name(self._facts, self.node)} is not stored: the state of the random "
                "generators belongs to the process that ran the model"
            )
        return None if operation.call_id is None else self._facts.payloads.rng_states.get(operation.call_id)

    @agreed
    def func_position_args_non_tensor(self) -> list[Any]:
        """Positional arguments that are no tensors."""
        return non_tensor_values(self._facts, operation_at(self._facts, self.node).args)

    @agreed
    def func_keyword_args_non_tensor(self) -> dict[str, Any]:
        """Keyword arguments that are no tensors."""
        return non_tensor_items(self._facts, operation_at(self._facts, self.node).kwargs)

    @agreed
    def function_is_inplace(self) -> bool:
        """Whether the function wrote into its argument."""
        return operation_at(self._facts, self.node).is_inplace

    @agreed
    def gradfunc_name(self) -> str | None:
        """Name of the autograd function; None without one."""
        return operation_at(self._facts, self.node).grad_fn

    @agreed
    def is_part_of_iterable_output(self) -> bool:
        """Whether the function returned several tensors."""
        return operation_at(self._facts, self.node).output_index is not None

    @agreed
    def iterable_output_index(self) -> int | None:
        """Which of them this is, from 0; None when it returned one bare tensor."""
        return operation_at(self._facts, self.node).output_index

    @agreed
    def call_site(self) -> CallSite | None:
        """The place in the model's code that made the call, outside torch."""
        operation = operation_at(self._facts, self.node)
        return operation.user_call_site or operation.call_site

    # --- its parameters ---

    @agreed
    def computed_with_params(self) -> bool:
        """Whether parameters took part."""
        return bool(operation_at(self._facts, self.node).parameters)

    @agreed
    def num_param_tensors(self) -> int:
        """How many parameters took part: two for a convolution with bias."""
        return len(operation_at(self._facts, self.node).parameters)

    @agreed
    def parent_params(self) -> list[str]:
        """Their addresses."""
        return [parameter_address(record) for record in self._parameters()]

    @agreed
    def parent_param_shapes(self) -> list[tuple[int, ...]]:
        """Their shapes."""
        return [record.shape for record in self._parameters()]

    @agreed
    def num_params_total(self) -> int:
        """How many numbers they hold."""
        return sum(record.numel for record in self._parameters())

    @agreed
    def parent_params_fsize(self) -> int:
        """Their bytes."""
        return sum(record.nbytes for record in self._parameters())

    def _parameters(self) -> list[Parameter]:
        known = self._facts.trace.parameters
        return [known[index] for index in operation_at(self._facts, self.node).parameters]


def parameter_address(parameter: Parameter) -> str:
    """A parameter's first address; `<parameter>` when the model does not hold it."""
    return parameter.addresses[0] if parameter.addresses else "<parameter>"
