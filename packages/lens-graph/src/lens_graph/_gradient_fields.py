"""What did backward passes bring to one operation?

Gradients arrive when the caller calls `backward`, so these fields change: before, there is nothing; after several
backward passes `gradients` has a place for each of them and `grad_contents` is the latest that arrived.

Source: none in Supplementary Table 1, which has `gradfunc_name` only; the names follow those of the tensor itself.
"""

from __future__ import annotations

from typing import Any

from lens_graph._errors import NotSavedError
from lens_graph._fields import agreed, single
from lens_graph._interpretation import is_saved, operation_at, short_name
from lens_graph._view import View


class GradientFields(View):
    """The fields of an operation entry that backward passes fill."""

    __slots__ = ()

    @single
    def grad_contents(self) -> Any:
        """The gradient of the saved tensor, from the latest backward pass that reached it.

        Raises:
            NotSavedError: there is none; the message says why.
        """
        found = [gradient for gradient in self.gradients if gradient is not None]
        if not found:
            raise NotSavedError(self._reason())
        return found[-1]

    @single
    def gradients(self) -> list[Any]:
        """One gradient for each backward pass so far, in order; None for a pass that did not reach it.

        Raises:
            NotSavedError: none were asked for, or autograd does not tell this one.
        """
        source = self._facts.payloads.gradients
        operation = self._facts.graph.operations[self.node]
        if source is None or not is_saved(self._facts, self.node) or source.reason(operation) is not None:
            raise NotSavedError(self._reason())
        found = source.of(operation)
        return [found.get(number) for number in range(1, source.passes + 1)]

    @agreed
    def has_grad(self) -> bool:
        """Whether a gradient has arrived."""
        return self._spec() is not None

    @agreed
    def grad_shape(self) -> tuple[int, ...] | None:
        """Elements of the gradient along each dimension; None as long as there is none."""
        spec = self._spec()
        return None if spec is None else spec[0]

    @agreed
    def grad_dtype(self) -> str | None:
        """Data type of the gradient; None as long as there is none."""
        spec = self._spec()
        return None if spec is None else spec[1]

    @agreed
    def grad_fsize(self) -> int | None:
        """Bytes of the gradient; None as long as there is none."""
        spec = self._spec()
        return None if spec is None else spec[2]

    def _spec(self) -> tuple[tuple[int, ...], str, int] | None:
        source = self._facts.payloads.gradients
        operation = self._facts.graph.operations[self.node]
        if source is None or not is_saved(self._facts, self.node) or source.reason(operation) is not None:
            return None
        return source.spec(operation)

    def _reason(self) -> str:
        facts = self._facts
        name = short_name(facts, self.node)
        source = facts.payloads.gradients
        if source is None:
            return f"no gradient of {name} was saved: ask for gradients with save_gradients=True"
        operation = operation_at(facts, self.node)
        if not is_saved(facts, self.node):
            return f"no gradient of {name} was saved, because its tensor was not: name it in layers="
        told = source.reason(operation.id)
        if told is not None:
            return f"autograd does not tell the gradient of {name}: {told}"
        if not operation.output.requires_grad:
            return f"{name} has no gradient: autograd did not follow it (requires_grad is False)"
        return f"no backward pass has reached {name}: call backward on a loss made of history.output_tensors"
