"""What does a tensor refer to?

To the operation whose value it holds.  A tensor met for the first time is given an owner here: inputs and outputs,
parameters as they were before the pass, buffers, and whatever nobody has seen, which becomes a source of its own.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from operator import attrgetter
from typing import Any

import torch

from lens_trace._rows import Held, Owner, Owning, Reference, Row, no_tensor, owner_like
from lens_trace._specs import grad_type_of, spec_of
from lens_trace._storages import unwrapped
from lens_trace._templates import ArrayTemplate, SequenceTemplate
from lens_trace._writing import Writing

ATOMS = frozenset(
    (int, float, bool, str, type(None), complex, bytes, torch.dtype, torch.device, torch.layout, torch.memory_format,
     torch.Size, type(Ellipsis), type)
)  # fmt: skip
_Tensor = torch.Tensor
_Parameter = torch.nn.Parameter
_look_of = attrgetter("shape", "dtype", "device", "layout")
_unknown, _any_device = torch.float32, torch.device("cpu")


class Adopting(Writing):
    """Knows the owner of every tensor."""

    rows: list[Row]
    live_parameters: list[torch.Tensor]
    constants: list[tuple[int, torch.Tensor]]
    keeps_nothing: bool
    next_operation: Callable[[], int]
    lock: AbstractContextManager[Any]

    def __init__(self) -> None:
        super().__init__()
        self._described_later: list[Row] = []

    def consider(self, row: Row, tensor: torch.Tensor, key: int | None) -> None:
        """Saves the value of an operation if it is to be kept."""
        raise NotImplementedError

    def template(self, value: Any) -> Any:
        """Returns an argument with references in place of tensors, its containers copied."""
        kind = type(value)
        if kind in ATOMS:
            return value
        if kind is _Tensor or kind is _Parameter or isinstance(value, _Tensor):
            return self.reference(value)
        if kind is tuple:
            return value if ATOMS.issuperset(map(type, value)) else tuple([self.template(item) for item in value])
        if kind is list:
            return [self.template(item) for item in value]
        if kind is dict:
            return {key: self.template(item) for key, item in value.items()}
        if kind is slice:
            return slice(self.template(value.start), self.template(value.stop), self.template(value.step))
        if isinstance(value, tuple):  # named tuples and structseq keep their type's name
            return SequenceTemplate(kind, tuple([self.template(item) for item in value]))
        if isinstance(value, list):
            return SequenceTemplate(kind, tuple([self.template(item) for item in value]))
        if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
            return self._array(value)
        if kind.__name__ == "PyCapsule":
            return self._capsule(value)
        return value

    def reference(self, tensor: torch.Tensor) -> Reference:
        """Returns what a tensor argument refers to; a tensor that nobody has seen becomes a source of its own."""
        owner = self.memory.owners.get(id(tensor))
        if owner is None or owner.reference() is not tensor:
            known = self.state.buffer_of.get(id(tensor))
            if known is not None and not self.has_escaped and type(tensor) is _Tensor:
                owner = self._adopt_buffer(tensor, known)
            else:
                owner = None if id(tensor) in self.state.parameter_of else self.memory.find(tensor)
                if owner is None or (
                    owner.is_stray and (self.state.holds(tensor) or not self.memory.covers(owner, tensor))
                ):
                    owner = self.adopt(tensor)
        if owner.storage is None and owner.operation < 0:
            self.memory.locate(tensor, owner)
        if self.has_escaped and owner.storage is not None and self.outside.is_watched(owner.storage):
            self._see_outside_writes(owner.storage)
        if self.memory.logs or owner.is_stray:
            return self.memory.reference(tensor, owner)
        return owner

    def adopt(self, tensor: torch.Tensor) -> Owning:
        """Gives a tensor met for the first time an owner: a parameter, a buffer, or a constant."""
        inner = unwrapped(tensor)
        if inner is not tensor:  # inside vmap or grad
            self.reference(inner)
            owner = self.memory.find(tensor)
            if owner is not None:
                return owner
        parameter = self.state.parameter_of.get(id(tensor))
        if parameter is not None:
            key = self.memory.storage_key(tensor)
            if key is not None:
                self.saver.outside.add(key)
            owner = Owner(Held(tensor), -1, key, None, 0, parameter)
            self.memory.own(tensor, owner)
            return owner
        with self.lock:
            owner = self.memory.owners.get(id(tensor))
            if owner is not None and owner.reference() is tensor and not owner.is_stray:  # another thread was first
                return owner
            owner = self._adopt_twin(tensor)
            if owner is not None:
                return owner
            known = self.state.buffer_of.get(id(tensor))
            if known is not None and not isinstance(tensor, _Parameter):
                return self._adopt_buffer(tensor, known)
            key = self.memory.storage_key(tensor)
            if key is not None:
                self.saver.outside.add(key)
            if isinstance(tensor, _Parameter):
                parameter = len(self.live_parameters)
                self.live_parameters.append(tensor)
                self.state.parameter_of[id(tensor)] = parameter
            if parameter is not None:
                owner = Owner(Held(tensor), -1, key, None, 0, parameter)
            else:
                operation = self.add_source("constant", tensor, key)
                self.constants.append((operation, tensor))
                owner = Owner(weakref.ref(tensor), operation, key)  # what was written there before is seen in it, too
            self.memory.own(tensor, owner)
            return owner

    def _adopt_buffer(self, tensor: torch.Tensor, number: int) -> Owning:
        memory = self.memory
        with self.lock:
            known = memory.owners.get(id(tensor))
            if known is not None and known.reference() is tensor and not known.is_stray:  # another thread was first
                return known
            key = memory.buffer_keys[number]
            row = Row(
                Held(tensor), self.next_operation(), key, None, (), None, None, (), (), 0, None, 0, None, (), _unknown,
                _any_device, tensor.requires_grad, None, None, 0, None, number, False, "buffer",
            )  # fmt: skip
            self.rows.append(row)
            self._described_later.append(row)
            if not self.keeps_nothing:
                self.describe_buffers()
                self.consider(row, tensor, key)
            memory.own(tensor, row)
            return row

    def describe_buffers(self) -> None:
        """Notes what the buffers met look like, all of them in a few steps; it does not change until the pass ends."""
        with self.lock:
            tensors: list[Any] = [row.reference() for row in self._described_later]
            try:
                looks: list[Any] = list(map(_look_of, tensors))
            except RuntimeError:  # nested tensors have no shape
                looks = [(None, None, None, None)] * len(tensors)
            for row, tensor, look in zip(self._described_later, tensors, looks, strict=True):
                row.shape, row.dtype, row.device, row.layout = look
                if look[3] is not torch.strided or row.storage is None:
                    row.shape, row.dtype, row.device, row.layout, _, _, row.nbytes, row.is_dead = spec_of(
                        tensor, row.storage
                    )
            self._described_later.clear()

    def add_input(self, tensor: torch.Tensor, path: tuple[int | str, ...], name: str) -> None:
        """Notes a tensor leaf of the model's arguments; the same tensor twice is one input."""
        if id(tensor) in self.memory.owners or id(tensor) in self.state.parameter_of:
            return
        key = self.memory.storage_key(tensor)
        if key is not None:
            self.saver.outside.add(key)
        operation = self.add_source("input", tensor, key, path=path, name=name)
        self.memory.own(tensor, Owner(weakref.ref(tensor), operation, key))

    def add_output(self, tensor: torch.Tensor, path: tuple[int | str, ...], name: str | None) -> int:
        """Notes a tensor leaf of the model's result."""
        reference = self.reference(tensor)
        key = self.memory.storage_key(tensor)
        operation = self.add_source("output", tensor, key, path=path, name=name, source=reference)
        # What is put back at the end is handed on as it is now.
        self.saver.returned(operation, tensor.clone() if self.state.will_be_put_back(tensor) else tensor)
        return operation

    def add_source(self, kind: str, tensor: torch.Tensor, key: int | None, *, path: tuple[int | str, ...] = (),
                name: str | None = None, source: Reference | None = None) -> int:  # fmt: skip
        """Notes a value that no call made."""
        operation = self.next_operation()
        grad_type = grad_type_of(tensor) if kind == "output" else None
        shape, dtype, device, layout, _, requires_grad, nbytes, is_dead = spec_of(tensor, key)
        row = Row(
            no_tensor, operation, key, None, (), None, None, (), (), 0, None, 0, None, shape, dtype, device,
            requires_grad, grad_type, kind=kind, path=path, layout=layout, nbytes=nbytes,
            is_dead=is_dead, source=source, name=name,
        )  # fmt: skip
        self.rows.append(row)
        self.consider(row, tensor, key)
        return operation

    def _adopt_twin(self, tensor: torch.Tensor) -> Owning | None:
        # Memory that was handed out comes back by a way that was not seen.
        if not self.has_escaped:
            return None
        known = self.outside.same_as(tensor)
        owner = None if known is None else self.memory.find(known)
        key = self.memory.storage_key(tensor)
        if owner is None or key is None or owner.storage is None:
            return None
        self._see_outside_writes(owner.storage)
        self.saver.escape(key)
        self.outside.watch(tensor, key)
        self.outside.inherit(key, owner.storage)
        owner = owner_like(owner, weakref.ref(tensor), key)
        self.memory.own(tensor, owner)
        return owner

    def _array(self, array: Any) -> Any:
        tensor = self.outside.at(int(array.__array_interface__["data"][0])) if self.has_escaped else None
        return array.copy() if tensor is None else ArrayTemplate(self.reference(tensor), array.copy())

    def _capsule(self, capsule: Any) -> Any:
        # On record the tensor itself was given: a capsule can be used once only.
        tensor = self.outside.behind(capsule)
        return capsule if tensor is None else self.reference(tensor)
