"""How is a model traced?

`trace` runs the model once, unmodified, and returns a `Recording`.  In the paper's words ("Logging the forward pass"):
decorate every torch function, run the forward pass, take the decoration off.  Each of these is one call below.
"""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import torch

from lens_trace._backward_memory import keep_exact_for_backward
from lens_trace._checks import check_keep, check_model, check_parts, mixed_devices
from lens_trace._errors import MixedDevicesError, StopTrace
from lens_trace._freeze import Freezer, call_of, library_versions
from lens_trace._freeze_model import freeze_buffers, freeze_modules, freeze_parameters, note_facts
from lens_trace._given import given
from lens_trace._intercept import RecordingMode
from lens_trace._keep import Keep, everything
from lens_trace._leaves import tensor_leaves
from lens_trace._modules import call_model
from lens_trace._notes import is_of_mixed_devices, note_failed_module
from lens_trace._recorder import Recorder
from lens_trace._recording import Recording
from lens_trace._records import CallId, Opaque, Operation, SequenceArgument, Trace
from lens_trace._rng import seed_all
from lens_trace._rows import Row
from lens_trace._saving import Saver
from lens_trace._snapshot import Snapshot
from lens_trace._state import ModelState
from lens_trace._switches import attach, pause_collector, turn_recording_switches
from lens_trace._transform import Transform, aside
from lens_trace._undoing import Undoing, keep_grad_mode, surely
from lens_trace._watched import Store, Watch, WatchedSaver

Sink = Callable[[Operation, tuple[tuple[Any, ...], dict[str, Any]], Any], None]


def trace(
    model: torch.nn.Module,
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    keep: Keep = everything,
    seed: int | None = None,
    detach: bool = True,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    transform: Transform | None = None,
    sink: Sink | None = None,
    store: Store | None = None,
    watch: Watch | None = None,
    snapshot: Snapshot | None = None,
    synchronize: Callable[[], object] | None = None,
) -> Recording:
    """Runs a model once and records every operation.

    Args:
        model: Any `torch.nn.Module`; it is not changed: its parameters and buffers and the tensors given end with
            the values they began with.
        args: A tuple is the positional arguments; anything else is the one argument.
        kwargs: Keyword arguments of the forward.
        keep: Which values are saved: `everything`, `nothing`, `only(ids)`, which can end the pass after the last one,
            `outputs_of(addresses)`, or a predicate on `Operation`.
        seed: Seeds torch, `random` and numpy for the pass; all are restored afterwards.
        detach: Save values cut off from autograd; with False the graph stays and gradients can be taken.
        device: Where saved copies go; None leaves them where they are.
        dtype: Floating (or complex) type of saved copies; None leaves it.
        transform: Called with each value that is kept, buffers left out; what it returns is saved in its place, before
            `dtype` and `device` apply.  It gets memory of its own and is not recorded.
        sink: Called with record, `(args, kwargs)` as before the call, and output as each operation ends; may raise
            `StopTrace`.
        store: Takes kept values away as they are made, in their stored form; `recording.tensors` is then empty.
        watch: Is shown the tensors of the pass: those kept, those written, those returned.
        snapshot: `Snapshot(model)` taken before: `snapshot.restore()` then makes another pass the same as this one.

    Returns:
        The recording.  `recording.trace` is frozen on first access.

    Raises:
        TraceError: The model or the arguments cannot be traced; the message says what to do.
        Exception: Whatever the model raises, with a note and `.lens_recording`.

    Example:
        >>> import torch
        >>> recording = trace(torch.nn.ReLU(), torch.tensor([-1.0, 2.0]))
        >>> recording.tensors[1]
        tensor([0., 2.])
    """
    model = check_model(model)
    positional, named = as_arguments(args, kwargs)
    if transform is not None and not callable(transform):
        raise TypeError(f"transform={transform!r} cannot be called. Give a function from a tensor to a tensor.")
    saver = (Saver if store is None and watch is None else WatchedSaver)(
        detach=detach,
        device=None if device is None else torch.device(device),
        dtype=dtype,
        transform=None if transform is None else aside(transform, detach=detach),
    )
    if isinstance(saver, WatchedSaver):
        saver.tell(store, watch)

    def run(undoing: Undoing) -> Recording:
        pause_collector(undoing)
        state = ModelState(model)
        check_parts(state)
        state.snapshot = snapshot
        check_keep(keep, state)
        recorder = Recorder(model, state, saver, keep, sink)
        if synchronize is not None:
            recorder.clock = _clock_of_device(synchronize)
        session = _Session(recorder, seed, keeps_graph=watch is not None or not detach)
        with torch._C.DisableTorchFunction():
            mixed = _note_inputs(recorder, positional, named)
        session.begin(undoing)
        mark = undoing.mark()
        try:
            seed_all(undoing, seed)
            turn_recording_switches(undoing)
            session.run(undoing, positional, named)
            undoing.settle(mark)
        except StopTrace:
            session.is_complete = False
            undoing.settle(mark)
        except BaseException as error:
            session.is_complete = False
            undoing.settle(mark)
            note_failed_module(recorder, error, None)
            recording = session.recording(has_failed=True)
            with contextlib.suppress(AttributeError):  # an exception with slots
                error.lens_recording = recording  # pyright: ignore[reportAttributeAccessIssue]
            if mixed is not None and is_of_mixed_devices(error):
                mixed.lens_recording = recording  # pyright: ignore[reportAttributeAccessIssue]
                raise mixed from error
            raise
        return session.recording()

    recording = surely(run)
    if isinstance(saver, WatchedSaver):
        saver.check()
    return recording


def module_addresses(model: torch.nn.Module) -> frozenset[str]:
    """Returns every address of every module, as a trace of the model has them; the model's own, `""`, is left out."""
    addresses = ModelState(check_model(model)).addresses
    return frozenset(address for own in addresses.modules for address in own if address)


class _Session:
    """The pass from inside: runs the model and seals what was recorded."""

    def __init__(self, recorder: Recorder, seed: int | None, keeps_graph: bool) -> None:
        self.recorder = recorder
        self.seed = seed
        self.keeps_graph = keeps_graph and torch.is_grad_enabled()
        self.started_at = self.ended_at = self.elapsed_s = 0.0
        self.is_complete = True
        self.outputs: list[int] = []
        self.structure: Any = None
        self.freezer = Freezer(recorder)
        recorder.record_of = self.freezer.operation

    def begin(self, undoing: Undoing) -> None:
        """From now on the model is left as it was."""
        self.keep_grad_mode = keep_grad_mode(undoing)
        state = self.recorder.state
        undoing.note(lambda: state.restore(flags=not self.keeps_graph))
        state.run_uncompiled(undoing)

    def run(self, undoing: Undoing, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.started_at, begun = time.time(), time.perf_counter()
        try:
            self._run(undoing, args, kwargs)
        finally:
            self.elapsed_s = time.perf_counter() - begun
            self.ended_at = time.time()

    def _run(self, undoing: Undoing, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        recorder = self.recorder
        if recorder.is_done:  # nothing is wanted but what has come in
            raise StopTrace
        mode = RecordingMode(recorder, 0, None)
        undoing.note(recorder.end)
        recorder.is_running = True
        mark = undoing.mark()
        if self.keeps_graph:
            keep_exact_for_backward(undoing, recorder.state)
        attach(undoing, (mode,))
        result = call_model(mode, recorder.model, args, kwargs)
        self.keep_grad_mode()  # a model may set it for good
        undoing.settle(mark)
        if recorder.is_done:  # the model caught everything and returned
            raise StopTrace
        with torch._C.DisableTorchFunction():
            for path, tensor in tensor_leaves(result):
                name = ".".join(str(step) for step in path) or None
                self.outputs.append(recorder.add_output(tensor, path, name))
            self.structure = self.freezer.structure(result, self.outputs)

    def recording(self, *, has_failed: bool = False) -> Recording:
        recorder = self.recorder
        recorder.forget_what_followed()
        recorder.record_of = None  # nothing may keep the model alive but what the recording says
        with torch._C.DisableTorchFunction():
            recorder.saver.seal(recorder.memory.alive, recorder.state.will_change_back, has_failed=has_failed)
            recorder.state.restore(flags=not self.keeps_graph)  # the facts below are those of the model as it was
            recorder.describe_buffers()
        tensors = recorder.saver.finish()
        facts = note_facts(recorder)
        freezer = Freezer(recorder)
        freezer.find_constants(recorder)
        noted, reads = recorder.rows, recorder.reads
        structure = self.structure if self.structure is not None else SequenceArgument("tuple", ())
        if isinstance(structure, Opaque):
            structure = Opaque(structure.type_name, -1)
        name = type(recorder.model).__name__
        seed, started, ended, elapsed, outputs = (
            self.seed,
            self.started_at,
            self.ended_at,
            self.elapsed_s,
            tuple(self.outputs),
        )
        is_complete = self.is_complete
        live_parameters, live_buffers = tuple(recorder.live_parameters), dict(enumerate(recorder.state.buffers))
        rng_states = recorder.rng_states

        def freeze() -> tuple[Trace, Mapping[int, Any], Mapping[CallId, Callable[..., Any]]]:
            rows = sorted(noted, key=_operation_of)
            functions = {CallId(call_of(row)): row.role.function for row in rows if row.role is not None}
            elapsed_functions = sum({call_of(row): row.elapsed for row in rows if row.role is not None}.values()) * 1e-9
            operations = tuple([freezer.operation(row) for row in rows])
            parameters, buffers = freeze_parameters(facts), freeze_buffers(facts)
            modules, module_calls = freeze_modules(facts)
            inputs = tuple([o.id for o in operations if o.kind == "input"])
            frozen = Trace(
                name, operations, module_calls, tuple([freezer.read(read) for read in reads]), inputs, outputs,  # pyright: ignore[reportArgumentType]
                structure, modules, parameters, buffers, seed, started, ended, elapsed, elapsed_functions, is_complete,
                library_versions(),
            )  # fmt: skip
            return frozen, freezer.objects, functions

        return Recording(
            trace=freeze, tensors=tensors, rng_states=rng_states,  # pyright: ignore[reportArgumentType]
            parameters=live_parameters, buffers=live_buffers,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip


def _clock_of_device(synchronize: Callable[[], object]) -> Callable[[], int]:
    def clock() -> int:
        synchronize()
        return time.perf_counter_ns()

    return clock


def _operation_of(row: Row) -> int:
    return row.operation


def as_arguments(args: Any, kwargs: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns positional and keyword arguments: a tuple is the positional ones, anything else the one argument."""
    if type(args) is tuple and not kwargs and all(type(arg) is torch.Tensor for arg in args):
        return args, {}  # as nearly always
    is_plain_tuple = isinstance(args, tuple) and not hasattr(args, "_fields")
    return given((args if is_plain_tuple else (args,), dict(kwargs or {})))


def _note_inputs(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> MixedDevicesError | None:
    """Notes the inputs; returns what to raise if the model fails because they are on another device than it is."""
    names = _argument_names(recorder.model.forward, len(args)) if args else []
    leaves = [((i, *path), names[i], tensor) for i, a in enumerate(args) for path, tensor in tensor_leaves(a)]
    leaves += [((k, *path), k, tensor) for k, a in kwargs.items() for path, tensor in tensor_leaves(a)]
    mixed = mixed_devices(recorder.state, [tensor for _, _, tensor in leaves])
    recorder.state.add_inputs([tensor for _, _, tensor in leaves])
    for path, name, tensor in leaves:
        recorder.add_input(tensor, path, ".".join([name, *(str(step) for step in path[1:])]))
    return mixed


def _argument_names(forward: Any, count: int) -> list[str]:
    function = getattr(forward, "__func__", None)
    if type(function) is FunctionType and not function.__dict__:  # a plain method: what `inspect` would find, at once
        code = function.__code__
        names = code.co_varnames[1 : code.co_argcount]
        if count <= len(names):
            return list(names[:count])
    try:
        parameters = list(inspect.signature(forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "args")
    return [names[i] if i < len(names) else f"{rest}.{i - len(names)}" for i in range(count)]
