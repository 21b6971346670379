"""What does autograd note on the tensors that a pass leaves as they were?

Whether a tensor requires a gradient, the gradient gathered in it, and the node that made it.  A forward can change all
three: `requires_grad_()`, a backward of its own, a buffer or an input that is written with gradients on.  The last one
would be the result of an operation from then on, and keep the graph of the whole pass alive.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

import torch

from lens_trace._originals import Before, lazily, put_back

_requires_grad = attrgetter("requires_grad")


class _Gradient(NamedTuple):
    tensor: torch.Tensor
    gradient: torch.Tensor | None
    before: Before | None


class AutogradMarks:
    """Notes of tensors as they were before the pass, or before something is about to change them."""

    def __init__(self) -> None:
        self._tensors: list[torch.Tensor] = []
        self._flags: list[bool] = []
        self._late: set[int] = set()
        self._made_by_nothing: dict[int, torch.Tensor] = {}
        self._gradients: dict[int, _Gradient] = {}

    def note_flags(self, tensors: list[torch.Tensor]) -> None:
        """Remembers which tensors require a gradient."""
        self._tensors += tensors
        self._flags += map(_requires_grad, tensors)

    def note_flag(self, tensor: torch.Tensor) -> None:
        """The same of one that nobody has asked for before; only the first time counts."""
        if id(tensor) not in self._late:
            self._late.add(id(tensor))
            self.note_flags([tensor])

    def before_write(self, tensor: torch.Tensor) -> None:
        """Remembers a tensor that no operation has made."""
        if tensor.grad_fn is None:
            self._made_by_nothing.setdefault(id(tensor), tensor)

    def note_gradients(self, tensors: Iterable[torch.Tensor]) -> None:
        """Remembers which gradients tensors have; their values too where that costs nothing."""
        for tensor in tensors:
            if id(tensor) not in self._gradients and tensor.is_leaf:
                gradient = tensor.grad
                before = None if gradient is None else lazily(gradient)
                self._gradients[id(tensor)] = _Gradient(tensor, gradient, before)

    def before_backward(self, tensors: Iterable[torch.Tensor]) -> None:
        """The same with all values: a backward is about to add to them."""
        self.note_gradients(tensors)
        for key, (tensor, gradient, before) in self._gradients.items():
            if gradient is not None and before is None:
                copied = Before(gradient.data, gradient.data.clone())
                self._gradients[key] = _Gradient(tensor, gradient, copied)

    def restore(self, *, flags: bool) -> None:
        """Puts gradients back; if asked for, also flags, and cuts off what has become a result."""
        if flags:
            for tensor in self._made_by_nothing.values():
                if tensor.grad_fn is not None:
                    with contextlib.suppress(RuntimeError):  # a view cannot be cut off
                        tensor.detach_()
            self._put_flags_back()
        for tensor, gradient, before in self._gradients.values():
            if before is not None and before.is_touched():
                put_back(before.alias, before.copy)
            if tensor.is_leaf and tensor.grad is not gradient:
                tensor.grad = gradient

    def _put_flags_back(self) -> None:
        if list(map(_requires_grad, self._tensors)) == self._flags:
            return
        for tensor, flag in zip(self._tensors, self._flags, strict=True):
            # Not of a tensor that holds, exchanged for its own, what has no flag to set: a view, one of inference.
            with contextlib.suppress(RuntimeError):
                if tensor.requires_grad is not flag and tensor.is_leaf:
                    tensor.requires_grad_(flag)
