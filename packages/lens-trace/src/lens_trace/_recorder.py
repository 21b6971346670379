"""Who writes down what happens while the model runs?

One `Recorder` lives as long as one forward pass and is its only mutable state.  It notes plain rows
(`lens_trace._rows`); names, sizes, lines and frozen records are made from them afterwards.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

import torch

from lens_trace._aliases import Memory, geometry_of
from lens_trace._errors import StopTrace
from lens_trace._keep import OnlyIds, OutputsOf, everything, nothing
from lens_trace._lazy import own_memory
from lens_trace._outside import Outside
from lens_trace._rng import RngState
from lens_trace._rows import Held, ModuleRow, Owner, Owning, ReadRow, Reference, Row, Written, no_tensor, owner_like
from lens_trace._saving import Saver
from lens_trace._specs import grad_type_of, spec_of
from lens_trace._state import ModelState
from lens_trace._storages import is_alone, unwrapped
from lens_trace._templates import ArrayTemplate, SequenceTemplate

ATOMS = frozenset(
    (int, float, bool, str, type(None), complex, bytes, torch.dtype, torch.device, torch.layout, torch.memory_format,
     torch.Size, type(Ellipsis), type)
)  # fmt: skip
_Tensor = torch.Tensor
_Parameter = torch.nn.Parameter
_storage_of = torch._C.TensorBase.untyped_storage
_unknown, _any_device = torch.float32, torch.device("cpu")


class Recorder:
    """Everything noted during one pass."""

    def __init__(self, model: torch.nn.Module, state: ModelState, saver: Saver, keep: Any, sink: Any) -> None:
        self.model = model
        self.state = state
        self.saver = saver
        self.memory = Memory(state.parameters, state.buffers, saver.outside)
        self.rows: list[Row] = []
        self.reads: list[ReadRow] = []
        self.module_rows: list[ModuleRow] = []
        self.rng_states: dict[int, RngState] = {}
        self.constants: list[tuple[int, torch.Tensor]] = []
        self.live_parameters: list[torch.Tensor] = list(state.parameters)
        self.sink = sink
        self.clock: Callable[[], int] = perf_counter_ns
        self.keeps_all = keep is everything
        self.keeps_nothing = keep is nothing and sink is None
        self.keeps_ids = keep.ids if isinstance(keep, OnlyIds) else None
        self.keeps_outputs_of = keep.addresses if isinstance(keep, OutputsOf) else None
        is_known = self.keeps_all or keep is nothing or self.keeps_ids is not None
        self.predicate = None if is_known else keep.also if isinstance(keep, OutputsOf) else keep
        self.asks_record = sink is not None or self.predicate is not None
        self.last_wanted = max(keep.ids, default=-1) if isinstance(keep, OnlyIds) and keep.then_stop else None
        self.is_done = self.last_wanted == -1
        self._until_stop: tuple[int, int] | None = None
        self.record_of: Callable[[Row], Any] | None = None
        self.next_operation = itertools.count().__next__
        self.next_module_call = itertools.count().__next__
        self.next_thread = itertools.count(1).__next__
        self.lock = threading.RLock()
        self.is_running = False
        self.has_escaped = False
        self.internal_errors: list[BaseException] = []
        self.outside = Outside(self.memory)
        self._alone: set[int] = set()
        self._described_later: list[Row] = []
        if not (self.keeps_all or keep is nothing):
            self.memory.own_rest()

    def sink_call(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Any) -> None:
        """Hands the operations of a call to the sink, in the order they were returned."""
        assert self.record_of is not None
        with torch._C.DisableTorchFunction():
            try:
                for row in self.rows[len(self.rows) - len(leaves) :]:
                    self.sink(self.record_of(row), (args, kwargs), leaves[row.index or 0][1])
            except StopTrace:
                self.note_stop()
                raise

    def end(self) -> None:
        """The pass is over: threads that it started, and that still run, are no longer recorded."""
        self.is_running = False

    # -- the end of a pass that is stopped ------------------------------------------------------------------------

    def note_stop(self) -> None:
        """Notes that the pass has come to its end."""
        self.is_done = True
        if self._until_stop is None:
            self._until_stop = self.rows[-1].operation, len(self.module_rows)

    def forget_what_followed(self) -> None:
        """Takes out what a model has done since, clearing away or because it caught the end."""
        if self._until_stop is None:
            return
        last, calls = self._until_stop
        for row in self.rows:
            if row.operation > last:
                self.saver.payloads.pop(row.operation, None)
        self.rows[:] = [row for row in self.rows if row.operation <= last]
        del self.module_rows[calls:]
        for call in self.module_rows:
            call.last = min(call.last, len(self.rows))

    # -- references ---------------------------------------------------------------------------------------------

    def template(self, value: Any) -> Any:
        """Returns an argument with references in place of tensors, its containers copied."""
        kind = type(value)
        if kind in ATOMS:
            return value
        if kind is _Tensor or kind is _Parameter or isinstance(value, _Tensor):
            return self.reference(value)
        if kind is tuple:
            return tuple([self.template(item) for item in value])
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
                operation = self._source("constant", tensor, key)
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
            for row in self._described_later:
                tensor = row.reference()
                assert tensor is not None
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
        operation = self._source("input", tensor, key, path=path, name=name)
        self.memory.own(tensor, Owner(weakref.ref(tensor), operation, key))

    def add_output(self, tensor: torch.Tensor, path: tuple[int | str, ...], name: str | None) -> int:
        """Notes a tensor leaf of the model's result."""
        reference = self.reference(tensor)
        key = self.memory.storage_key(tensor)
        operation = self._source("output", tensor, key, path=path, name=name, source=reference)
        # What is put back at the end is handed on as it is now.
        self.saver.returned(operation, tensor.clone() if self.state.will_be_put_back(tensor) else tensor)
        return operation

    def _source(self, kind: str, tensor: torch.Tensor, key: int | None, *, path: tuple[int | str, ...] = (),
                name: str | None = None, source: Reference | None = None) -> int:  # fmt: skip
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

    # -- saving -------------------------------------------------------------------------------------------------

    def consider(self, row: Row, tensor: torch.Tensor, key: int | None) -> None:
        """Saves the value of an operation if it is to be kept."""
        if self.keeps_all:
            wanted = True
        elif self.keeps_ids is not None:
            wanted = row.operation in self.keeps_ids
            if self.last_wanted is not None and row.operation >= self.last_wanted:
                self.is_done = True  # whoever recorded the call ends the pass, once all of the call is written down
        else:
            chosen = self.keeps_outputs_of
            wanted = chosen is not None and row.kind == "output" and "" in chosen
            if not wanted and self.predicate is not None and self.record_of is not None:
                wanted = bool(self.predicate(self.record_of(row)))
        if wanted and not row.is_dead:
            save = self.saver.save_state if row.kind == "buffer" else self.saver.save
            save(row.operation, tensor, key, self.memory.epoch(key))

    def keep_output(self, operation: int, tensor: torch.Tensor, key: int | None) -> None:
        """Saves a value because a chosen module returned it."""
        if operation >= 0 and operation not in self.saver.payloads:
            self.saver.save(operation, tensor, key, self.memory.epoch(key))

    # -- writes -------------------------------------------------------------------------------------------------

    def has_alone(self, tensor: torch.Tensor, owner: Owning) -> bool:
        """Tells whether a tensor's memory was made in this pass and nobody but the tensor looks at it.

        Asked before a write.
        """
        key = owner.storage
        if (
            type(tensor) is not _Tensor
            or owner.reference() is not tensor
            or key is None
            or key in self.saver.outside
            or key in self.memory.inner
        ):
            return False
        if key in self.saver.borrowed:  # saved by reference, which does not count: it gets its copy, as it must anyway
            self.saver.before_write(key)
        try:
            return is_alone(_storage_of(tensor))
        except (RuntimeError, NotImplementedError):
            return False

    def before_writes(self, targets: list[tuple[tuple[int | str, ...], torch.Tensor]], resizes: bool = False) -> None:
        """Protects what lies in memory that is about to be written."""
        for path, tensor in targets:
            key = self.memory.storage_key(tensor)
            if key is None:
                continue
            owner = self.memory.owners.get(id(tensor))
            (self._alone.add if owner is not None and self.has_alone(tensor, owner) else self._alone.discard)(
                id(tensor)
            )
            self.state.before_write(tensor, key)
            self.saver.before_write(key)
            if resizes or type(path[0]) is str:  # `out=`
                own_memory(tensor)

    def log_write(self, tensor: torch.Tensor, operation: int, write: int | None, keep_buffer: bool = True) -> None:
        """Notes that an operation wrote a tensor's memory; the tensor object is its value from now on."""
        key = self.memory.storage_key(tensor)
        previous = self.memory.owners.get(id(tensor))
        seen = 0
        if key is not None:
            seen = self._log(key, Written(operation, write, geometry_of(tensor)))
        if previous is not None and previous.reference() is tensor:
            owner = Owner(previous.reference, operation, key, write, seen, previous.parameter, previous.buffer)
        else:
            owner = Owner(weakref.ref(tensor), operation, key, write, seen)
        self.memory.own(tensor, owner)
        if id(tensor) in self._alone and key is not None:  # who meets this memory anew finds nothing older in it
            self.memory.first_owner[key] = owner
        self.saver.wrote(operation, tensor, key)

    def rewrite(self, row: Row, tensor: torch.Tensor, key: int) -> int:
        """Notes that an operation wrote a tensor that nobody else shares memory with: the row owns all of it.

        Returns:
            How often the content has changed.
        """
        memory = self.memory
        log = memory.logs.get(key) if memory.logs else None
        row.is_inplace = True
        row.seen = seen = 0 if log is None else len(log)
        memory.first_owner[key] = row
        rewrites = memory.rewrites[key] = memory.rewrites.get(key, 0) + 1
        if self.saver.is_watched:
            self.saver.wrote(row.operation, tensor, key)
        return seen + rewrites

    def before_swap(self, *tensors: torch.Tensor) -> None:
        """Protects two tensors whose contents are about to be exchanged, and sees to it that both are known."""
        for tensor in tensors:
            self.reference(tensor)
        self.describe_buffers()
        for tensor in tensors:
            self.state.before_write(tensor, self.memory.storage_key(tensor))
        self.outside.let_go()

    def after_swap(self, one: torch.Tensor, other: torch.Tensor) -> None:
        """Notes that two tensors have exchanged what they hold."""
        self.memory.swap(one, other)
        self.saver.swap(one, other, self.state.is_given)

    def _log(self, key: int, written: Written) -> int:
        log = self.memory.logs.setdefault(key, [])
        log.append(written)
        if self.has_escaped and self.outside.is_watched(key):
            self.outside.mirror(key, written)
            self.outside.refresh(key)
        return len(log)

    # -- raw handles --------------------------------------------------------------------------------------------

    def escape(self, tensor: torch.Tensor, handle: Any = None) -> None:
        """Notes that a raw handle on a tensor's memory is abroad."""
        key = self.memory.storage_key(tensor)
        if key is None:
            return
        self.state.before_write(tensor, key)
        own_memory(tensor)
        self.saver.escape(key)
        self.outside.watch(tensor, key, handle)
        self.has_escaped = True

    def _see_outside_writes(self, key: int) -> None:
        for part in self.outside.changed(key):
            self._log(key, Written(self._source("constant", part, key), None, geometry_of(part)))

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
