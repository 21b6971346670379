"""How is the model left as it was?

Parameters, buffers and the tensors given as arguments end a trace with the values they began with.  Nothing is copied
in advance: a tensor is copied when a write to its memory is about to happen, and put back at the end through `.data`,
which leaves version counters alone (a `copy_` would break a later backward).  Registrations and flags that the forward
changed are put back too (`lens_trace._registrations`).  Plain attributes that the model sets stay, and lazy modules
stay made: there is no value to go back to.

Several threads may trace one model at a time.  The first that writes a tensor copies it, the others share that copy, so
that whoever ends last puts back what was there before all of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from lens_trace._autograd_marks import AutogradMarks
from lens_trace._originals import Before, give_back, is_equal, lazily, lies_like, put_back, shared_copy
from lens_trace._registrations import Registered, Registrations
from lens_trace._snapshot import Snapshot
from lens_trace._storages import Storages, storage_key
from lens_trace._undoing import Undoing
from lens_trace._unseen import unseen
from lens_trace._walk import Walk


class ModelState:
    """Parameters and buffers of a model before the pass, and what is needed to put them back.

    Attributes:
        modules, number_of, wrapper_of: As in `Walk`; modules that the pass makes are appended.
        hooked: Modules with a hook of accelerate.
        parameters, parameter_of: Parameters in the order of the walk, and their numbers by `id`.
        buffers, buffer_of: Buffers likewise.
        addresses: Where all of these stand.
        registrations: What the modules have registered, and their flags.
        is_rearranged: Whether registrations were found changed when they were put back.
        marks: What autograd had noted on parameters, buffers and inputs.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        walk = Walk(model)
        self.modules, self.number_of, self.wrapper_of = walk.modules, walk.number_of, walk.wrapper_of
        self.addresses = walk.addresses
        self.hooked: list[torch.nn.Module] = []
        self.parameters: list[torch.Tensor] = []
        self.parameter_of = self.addresses.parameter_of
        self.buffers: list[torch.Tensor] = []
        self.buffer_of = self.addresses.buffer_of
        self.is_rearranged = False
        self.marks = AutogradMarks()
        self._compiled: list[tuple[torch.nn.Module, Any]] = []
        self._changed: dict[int, list[Before]] = {}
        self._has_copies = self._is_restored = False
        self._places: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._inputs: dict[int, list[torch.Tensor]] = {}
        self._storages: Storages = {}
        self._held: dict[int, list[torch.Tensor]] | None = None
        self.snapshot: Snapshot | None = None
        """Told before memory is written; what it looks after is put back by whoever holds it."""
        self._read_registrations(walk.owns)

    def holds(self, tensor: torch.Tensor) -> bool:
        """Tells whether a tensor is one of the parameters or buffers."""
        return id(tensor) in self.parameter_of or id(tensor) in self.buffer_of

    def is_given(self, tensor: torch.Tensor) -> bool:
        """Tells whether a tensor is one of the parameters, buffers or inputs."""
        return self.holds(tensor) or any(tensor is given for held in self._inputs.values() for given in held)

    def addresses_of(self, module: torch.nn.Module) -> list[str]:
        """Returns the addresses of a module, none of one that the pass made."""
        return self.addresses_at(self.number_of.get(id(module), len(self.modules)))

    def addresses_at(self, number: int) -> list[str]:
        """Returns the addresses of a module by its number, none of one that the pass made."""
        return self.addresses.modules[number] if number < len(self.addresses.modules) else []

    def add_module(self, module: torch.nn.Module) -> int:
        """Numbers a module that the pass made, and keeps it alive so that its `id` stays its own."""
        number = self.number_of[id(module)] = len(self.modules)
        self.modules.append(module)
        return number

    @unseen
    def before_write(self, tensor: torch.Tensor, storage: int | None) -> None:
        """Copies every parameter, buffer and input in a storage before the first write to it."""
        if storage is None or storage in self._changed:
            return
        if self.snapshot is not None:
            self.snapshot.before_write(storage)
        held = self._by_storage().get(storage, [])
        self._has_copies = True
        self._changed[storage] = [self._copied(t) for t in held if not t.is_meta and not is_lazy(t)]

    def before_move(self, tensor: Any) -> None:
        """Notes how a parameter, buffer or input lies that is about to show its memory in another way."""
        if self.is_given(tensor):
            self._places.setdefault(id(tensor), (tensor, tensor.data))

    def before_flag(self, tensor: Any) -> None:
        """Notes whether a buffer requires a gradient; of parameters and inputs that is known."""
        if id(tensor) in self.buffer_of:
            self.marks.note_flag(tensor)

    @unseen
    def before_backward(self) -> None:
        """Notes the gradients that a backward within the pass is about to add to, or something else to exchange."""
        self.marks.before_backward(self._given())

    def _given(self) -> Iterable[torch.Tensor]:
        return chain(self.parameters, self.buffers, *self._inputs.values())

    @unseen
    def before_everything(self) -> None:
        """Copies all that could be written: parameters so that nothing is copied unless they are."""
        for buffer in self.buffers:
            self.marks.note_flag(buffer)
        self.marks.note_gradients(self._given())
        self.before_any_write()
        for tensors in self._inputs.values():
            for tensor in tensors:
                self.before_write(tensor, self._storage(tensor))
        for storage, held in self._by_storage().items():
            if storage not in self._changed:
                self._has_copies = True
                self._changed[storage] = [self._lazily(t) for t in held if not t.is_meta and not is_lazy(t)]

    @unseen
    def is_written(self, tensor: torch.Tensor) -> bool:
        """Tells whether a tensor lies in memory that will be put back, and does not hold what will be put there."""
        storage = self._storage(tensor)
        held = self._changed.get(storage, []) if storage is not None else []
        return any(before.is_touched() and not is_equal(before.alias, before.copy) for before in held)

    def before_any_write(self) -> None:
        """Copies every buffer, where what is about to run may write any of them unseen."""
        for buffer in self.buffers:
            self.before_write(buffer, self._storage(buffer))

    def will_be_put_back(self, tensor: torch.Tensor) -> bool:
        """Tells whether a tensor lies in memory that was written and ends with the values from before the pass."""
        return bool(self._changed) and bool(self._changed.get(self._storage(tensor)))  # pyright: ignore[reportArgumentType] - None is no key

    def will_change_back(self, tensor: torch.Tensor) -> bool:
        """The same, or that it will lie again as before the pass."""
        return id(tensor) in self._places or self.will_be_put_back(tensor)

    def run_uncompiled(self, undoing: Undoing) -> None:
        """Lets modules that were compiled in place run what they were made from."""
        for module, compiled in self._compiled:
            undoing.note(lambda module=module, compiled=compiled: setattr(module, "_compiled_call_impl", compiled))
            module._compiled_call_impl = None

    def add_inputs(self, tensors: list[torch.Tensor]) -> None:
        """Tells which tensors came as arguments."""
        self.marks.note_flags(tensors)
        for tensor in tensors:
            if not self.holds(tensor):
                key = self._storage(tensor)
                if key is not None:
                    self._inputs.setdefault(key, []).append(tensor)

    def restore(self, *, flags: bool = True) -> None:
        """Puts registrations and values back, and which tensors require a gradient if `flags` says so, once."""
        if not self._is_restored:
            self._restore(flags)
            self._is_restored = True

    @unseen
    def _restore(self, flags: bool) -> None:
        if self._has_copies or self._places:
            with torch.no_grad():
                self._put_values_back()
                for tensor, alias in self._places.values():
                    if not lies_like(tensor, alias):
                        tensor.data = alias
            self._places.clear()
        if not self.registrations.restore():
            self.is_rearranged = True
        self.marks.restore(flags=flags)

    def _put_values_back(self) -> None:
        # The lazy copies must be gone before anybody asks for an address: it is found by making them real.  An
        # interrupt may come at any moment, after which all of this is done again.
        changed = [before for held in self._changed.values() for before in held]
        for before in changed:
            if before.is_touched():
                put_back(before.alias, before.copy)
        give_back(id(self))
        self._changed.clear()

    def _copied(self, tensor: torch.Tensor) -> Before:
        alias = tensor.data
        self._places.setdefault(id(tensor), (tensor, alias))
        self.marks.before_write(tensor)
        return Before(alias, shared_copy(tensor, id(self)))

    def _lazily(self, tensor: torch.Tensor) -> Before:
        before = lazily(tensor)
        if before is None:
            return self._copied(tensor)
        self._places.setdefault(id(tensor), (tensor, before.alias))
        self.marks.before_write(tensor)
        return before

    def _by_storage(self) -> dict[int, list[torch.Tensor]]:
        if self._held is None:
            self._held = {}
            for tensor in (*self.parameters, *self.buffers):
                key = self._storage(tensor)
                if key is not None:
                    self._held.setdefault(key, []).append(tensor)
            for key, tensors in self._inputs.items():
                self._held.setdefault(key, []).extend(tensors)
        return self._held

    def _storage(self, tensor: torch.Tensor) -> int | None:
        return storage_key(tensor, self._storages)

    def _read_registrations(self, owns: list[dict[str, Any]]) -> None:
        modules, addresses = self.modules, self.addresses
        self.registrations = registrations = Registrations(modules, owns)
        addresses.registered_parameters = registrations.parameters
        addresses.registered_buffers = registrations.buffers
        if "torch._dynamo" in sys.modules:
            self._compiled += [
                (module, compiled)  # compiled in place: run what it was made of
                for module, own in zip(modules, owns, strict=True)
                if "_compiled_call_impl" in own and (compiled := own["_compiled_call_impl"]) is not None
            ]
        if "accelerate" in sys.modules:
            self.hooked += [module for module, own in zip(modules, owns, strict=True) if "_hf_hook" in own]
        self.parameters += _number(registrations.parameters, self.parameter_of)
        self.buffers += _number(registrations.buffers, self.buffer_of)
        self.marks.note_flags(self.parameters)


def _number(registered: Registered, number_of: dict[int, int]) -> list[torch.Tensor]:
    """Numbers tensors in the order of the walk, each once."""
    values = registered.values
    number_of.update(zip(map(id, values), range(len(values)), strict=True))
    if len(number_of) == len(values) and id(None) not in number_of:  # as nearly always
        return values
    unique: dict[int, Any] = dict(zip(map(id, values), values, strict=True))
    unique.pop(id(None), None)
    number_of.clear()
    number_of.update(zip(unique, range(len(unique)), strict=True))
    return list(unique.values())
