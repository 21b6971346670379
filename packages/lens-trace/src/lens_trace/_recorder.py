"""What is written down while the model runs?

One `Recorder` lives as long as one forward pass and is its only mutable state.  It notes plain rows: tuples of live
objects, as little as can be.  Names, sizes, lines and frozen records are made from the rows afterwards
(`lens_trace._freeze`), when nobody waits.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from lens_trace._aliases import Memory, Owner, Reference, Seen, Written, geometry_of, is_functorch_wrapped
from lens_trace._keep import OnlyIds, OutputsOf, everything, nothing
from lens_trace._rng import RngState
from lens_trace._role import Role
from lens_trace._sites import Place
from lens_trace._state import ModelState
from lens_trace._tensors import Saver

ATOMS = frozenset(
    (int, float, bool, str, type(None), complex, bytes, torch.dtype, torch.device, torch.layout, torch.memory_format,
     torch.Size, type(Ellipsis), type)
)  # fmt: skip
_Tensor = torch.Tensor
_Parameter = torch.nn.Parameter
_storage_of = torch._C.TensorBase.untyped_storage


class Call(NamedTuple):
    """One function call; the operations it returned share it."""

    id: int
    role: Role
    args: tuple[Any, ...]
    kwargs: dict[str, Any] | None
    module_calls: tuple[int, ...]
    through: tuple[str, ...]
    modes: tuple[Any, ...]
    elapsed: int
    place: Place | None
    user_place: Place | None
    thread: int
    is_inplace: bool
    writes: tuple[tuple[tuple[int | str, ...], Any], ...]


class Row(NamedTuple):
    """One operation."""

    id: int
    kind: str
    call: Call | None
    index: int | None  # pyright: ignore[reportIncompatibleMethodOverride] - a field, not the method of tuples
    path: tuple[int | str, ...]
    spec: tuple[Any, ...]
    grad_type: Any
    source: Reference | None
    name: str | None
    buffer: int | None


class ReadRow(NamedTuple):
    """One value that left the tensor world."""

    role: Role
    args: tuple[Any, ...]
    kwargs: dict[str, Any] | None
    value: Any
    after: int
    module_calls: tuple[int, ...]
    place: Place | None
    user_place: Place | None


class ModuleRow(NamedTuple):
    """One module call.  While the module runs it is a plain list in this order; `end` and `last` are set at its end."""

    id: int
    module: torch.nn.Module
    parent: int | None
    depth: int
    inputs: list[int]
    outputs: list[int]
    training: bool
    first: int
    start: int
    end: int
    last: int


class Recorder:
    """Everything noted during one pass."""

    def __init__(self, model: torch.nn.Module, state: ModelState, saver: Saver, keep: Any, sink: Any) -> None:
        self.model = model
        self.state = state
        self.saver = saver
        self.memory = Memory(state.parameters, state.buffers, saver.outside)
        self.rows: list[tuple[Any, ...]] = []
        self.reads: list[ReadRow] = []
        self.module_rows: dict[int, list[Any]] = {}
        self.rng_states: dict[int, RngState] = {}
        self.constants: list[tuple[int, torch.Tensor]] = []
        self.live_parameters: list[torch.Tensor] = list(state.parameters)
        self.sink = sink
        self.keeps_all = keep is everything
        self.keeps_ids = keep.ids if isinstance(keep, OnlyIds) else None
        self.keeps_outputs_of = keep.addresses if isinstance(keep, OutputsOf) else None
        is_known = self.keeps_all or keep is nothing or self.keeps_ids is not None
        self.predicate = None if is_known else keep.also if isinstance(keep, OutputsOf) else keep
        self.asks_record = sink is not None or self.predicate is not None
        self.last_wanted = max(keep.ids, default=-1) if isinstance(keep, OnlyIds) and keep.then_stop else None
        self.is_done = self.last_wanted == -1
        self.record_of: Callable[[Row], Any] | None = None
        self.next_operation = itertools.count().__next__
        self.next_module_call = itertools.count().__next__
        self.next_thread = itertools.count(1).__next__
        self.lock = threading.RLock()
        self.is_running = False
        self.has_escaped = False
        self.internal_errors: list[BaseException] = []
        self._escaped: dict[int, torch.Tensor] = {}
        self._pointers: list[tuple[int, int, Any]] = []
        if keep is not nothing:
            self.memory.own_rest()

    def sink_call(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Any) -> None:
        """Hands the operations of a call to the sink, in the order they were returned."""
        assert self.record_of is not None
        with torch._C.DisableTorchFunction():
            for row in map(Row._make, self.rows[len(self.rows) - len(leaves) :]):
                self.sink(self.record_of(row), (args, kwargs), leaves[row.index or 0][1])

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
            return _Sequence(kind, tuple([self.template(item) for item in value]))
        if isinstance(value, list):
            return _Sequence(kind, tuple([self.template(item) for item in value]))
        if kind.__module__ == "numpy" and kind.__name__ == "ndarray":
            return self._array(value)
        return value

    def reference(self, tensor: torch.Tensor) -> Reference:
        """Returns what a tensor argument refers to; a tensor that nobody has seen becomes a source of its own."""
        owner = self.memory.owners.get(id(tensor))
        if owner is None or owner.reference() is not tensor:
            owner = None if id(tensor) in self.state.parameter_of else self.memory.find(tensor)
            if owner is None or (owner.is_stray and self.state.holds(tensor)):
                owner = self.adopt(tensor)
        if self._escaped and owner.storage in self._escaped:
            owner = self._check_escaped(tensor, owner)
        if self.memory.logs or owner.is_stray:
            return self.memory.reference(tensor, owner)
        return owner

    def adopt(self, tensor: torch.Tensor) -> Owner:
        """Gives a tensor met for the first time an owner: a parameter, a buffer, or a constant."""
        parameter = self.state.parameter_of.get(id(tensor))
        if parameter is not None:
            key = self.memory.storage_key(tensor)
            if key is not None:
                self.saver.outside.add(key)
            owner = Owner(weakref.ref(tensor), -1, None, key, 0, parameter)
            self.memory.own(tensor, owner)
            return owner
        with self.lock:
            key = self.memory.storage_key(tensor)
            known = self.state.buffer_of.get(id(tensor))
            if key is not None:
                self.saver.outside.add(key)
            if isinstance(tensor, _Parameter):
                parameter = len(self.live_parameters)
                self.live_parameters.append(tensor)
                self.state.parameter_of[id(tensor)] = parameter
            if parameter is not None:
                owner = Owner(weakref.ref(tensor), -1, None, key, 0, parameter)
            elif known is not None and known[0] is tensor:
                operation = self._source("buffer", tensor, key, buffer=known[1])
                owner = Owner(weakref.ref(tensor), operation, None, key, 0, buffer=known[1])
            else:
                operation = self._source("constant", tensor, key)
                self.constants.append((operation, tensor))
                owner = Owner(weakref.ref(tensor), operation, None, key, self.memory.log_length(key))
            self.memory.own(tensor, owner)
            return owner

    def add_input(self, tensor: torch.Tensor, path: tuple[int | str, ...], name: str) -> None:
        """Notes a tensor leaf of the model's arguments; the same tensor twice is one input."""
        if id(tensor) in self.memory.owners or id(tensor) in self.state.parameter_of:
            return
        key = self.memory.storage_key(tensor)
        if key is not None:
            self.saver.outside.add(key)
        operation = self._source("input", tensor, key, path=path, name=name)
        self.memory.own(tensor, Owner(weakref.ref(tensor), operation, None, key, 0))

    def add_output(self, tensor: torch.Tensor, path: tuple[int | str, ...], name: str | None) -> int:
        """Notes a tensor leaf of the model's result."""
        reference = self.reference(tensor)
        key = self.memory.storage_key(tensor)
        operation = self._source("output", tensor, key, path=path, name=name, source=reference)
        self.saver.returned(operation, tensor)
        return operation

    def _source(self, kind: str, tensor: torch.Tensor, key: int | None, *, path: tuple[int | str, ...] = (),
                name: str | None = None, source: Reference | None = None,
                buffer: int | None = None) -> int:  # fmt: skip
        operation = self.next_operation()
        grad_type = grad_type_of(tensor) if kind == "output" else None
        row = Row(operation, kind, None, None, path, _spec(tensor, key), grad_type, source, name, buffer)
        self.rows.append(row)
        self.consider(row, tensor, key)
        return operation

    # -- saving -------------------------------------------------------------------------------------------------

    def consider(self, row: Row, tensor: torch.Tensor, key: int | None) -> None:
        """Saves the value of an operation if it is to be kept."""
        if self.keeps_all:
            wanted = True
        elif self.keeps_ids is not None:
            wanted = row.id in self.keeps_ids
            if self.last_wanted is not None and row.id >= self.last_wanted:
                self.is_done = True  # whoever recorded the call ends the pass, once all of the call is written down
        else:
            chosen = self.keeps_outputs_of
            wanted = chosen is not None and row.kind == "output" and "" in chosen
            if not wanted and self.predicate is not None and self.record_of is not None:
                wanted = bool(self.predicate(self.record_of(row)))
        if wanted and not row.spec[7]:
            save = self.saver.save_state if row.kind == "buffer" else self.saver.save
            save(row.id, tensor, key, self.memory.log_length(key))

    def keep_output(self, operation: int, tensor: torch.Tensor, key: int | None) -> None:
        """Saves a value because a chosen module returned it."""
        if operation >= 0 and operation not in self.saver.payloads:
            self.saver.save(operation, tensor, key, self.memory.log_length(key))

    # -- writes -------------------------------------------------------------------------------------------------

    def before_writes(self, targets: list[tuple[tuple[int | str, ...], torch.Tensor]], resizes: bool = False) -> None:
        """Protects what lies in memory that is about to be written."""
        for path, tensor in targets:
            key = self.memory.storage_key(tensor)
            if key is None:
                continue
            self.state.before_write(tensor, key)
            self.saver.before_write(key)
            if resizes or type(path[0]) is str:  # `out=`
                self.saver.own_memory(tensor)

    def log_write(self, tensor: torch.Tensor, operation: int, write: int | None, keep_buffer: bool = True) -> None:
        """Notes that an operation wrote a tensor's memory; the tensor object is its value from now on."""
        key = self.memory.storage_key(tensor)
        previous = self.memory.owners.get(id(tensor))
        seen = 0
        if key is not None:
            log = self.memory.logs.setdefault(key, [])
            log.append(Written(operation, write, geometry_of(tensor)))
            seen = len(log)
        parameter = buffer = None
        if previous is not None and previous.reference() is tensor:
            parameter, buffer = previous.parameter, previous.buffer
        self.memory.own(tensor, Owner(weakref.ref(tensor), operation, write, key, seen, parameter, buffer))
        self.saver.wrote(operation, tensor, key)

    # -- raw handles --------------------------------------------------------------------------------------------

    def escape(self, tensor: torch.Tensor, array: Any = None) -> None:
        """Notes that a raw handle on a tensor's memory is abroad."""
        key = self.memory.storage_key(tensor)
        if key is None:
            return
        self.state.before_write(tensor, key)
        self.saver.own_memory(tensor)
        self.saver.escape(key)
        if tensor.is_cpu and not tensor.is_meta:
            self._escaped[key] = tensor.detach().clone()
            self.has_escaped = True
        if array is not None and hasattr(array, "__array_interface__"):
            start = int(array.__array_interface__["data"][0])
            self._pointers.append((start, start + max(int(array.nbytes), 1), weakref.ref(tensor)))

    def _check_escaped(self, tensor: torch.Tensor, owner: Owner) -> Owner:
        # Memory that numpy can write: when its content is not what torch last knew, somebody outside has written.
        before = self._escaped.get(owner.storage) if owner.storage is not None else None
        if before is None or before.shape != tensor.shape or before.dtype != tensor.dtype:
            return owner
        log = self.memory.logs.get(owner.storage) if owner.storage is not None else None
        if log is not None and len(log) > owner.seen:
            return owner
        now = tensor.detach()
        if torch.equal(before, now) or bool(((before == now) | ((before != before) & (now != now))).all()):
            return owner
        if owner.storage is not None:
            self._escaped[owner.storage] = now.clone()
        operation = self._source("constant", tensor, owner.storage)
        fresh = Owner(weakref.ref(tensor), operation, None, owner.storage, owner.seen)
        self.memory.owners[id(tensor)] = fresh
        return fresh

    def _array(self, array: Any) -> Any:
        interface = array.__array_interface__
        start = int(interface["data"][0])
        for low, high, reference in self._pointers:
            tensor = reference()
            if low <= start < high and tensor is not None:
                return _ArrayOf(self.reference(tensor), array)
        return array.copy()


class _Sequence(NamedTuple):
    """A list or tuple of a type of its own."""

    kind: type
    items: tuple[Any, ...]


class _ArrayOf(NamedTuple):
    """An array that shares the memory of a tensor."""

    reference: Reference
    array: Any


SequenceTemplate = _Sequence
ArrayTemplate = _ArrayOf


def _spec(tensor: torch.Tensor, key: int | None) -> tuple[Any, ...]:
    if tensor.is_nested:  # some of its sizes are no numbers, so its bytes are noted too
        shape, nbytes = _ragged_shape(tensor), tensor.numel() * tensor.element_size()
    else:
        try:
            shape, nbytes = tensor.shape, None
        except RuntimeError:  # a lazy parameter that was never made
            shape, nbytes = (), 0
    return (shape, tensor.dtype, tensor.device, tensor.layout, key, tensor.requires_grad, nbytes,
            key is None and is_functorch_wrapped(tensor))  # fmt: skip


def grad_type_of(tensor: torch.Tensor) -> Any:
    """Returns the type of a tensor's autograd node, None without one."""
    try:
        grad_fn = tensor.grad_fn
    except RuntimeError:  # a view whose base was written in a way that autograd cannot follow; it is told when read
        return None
    return None if grad_fn is None else type(grad_fn)


def _ragged_shape(tensor: torch.Tensor) -> tuple[int, ...]:
    sizes: list[int] = []
    for dimension in range(tensor.dim()):
        try:
            size = tensor.size(dimension)
        except RuntimeError:
            size = -1
        sizes.append(size if type(size) is int else -1)
    return tuple(sizes)


spec_of = _spec
references = (Owner, Seen)
