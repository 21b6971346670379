"""What crosses the border of a module?

When a module returns, its result gets an operation of its own in three cases:

* none of its tensors was made inside (Identity, dropout in eval where nothing runs): an `identity` for each, so that
  the module's border does not vanish;
* a tensor was written through another view after its operation made it: an `identity` that holds the value returned;
* nobody has seen the tensor although the module's input is known: the module is one opaque operation.
"""

from __future__ import annotations

from typing import Any

import torch

from lens_trace._adopting import ATOMS
from lens_trace._intercept import RecordingMode
from lens_trace._leaves import plain_leaves
from lens_trace._recorder import Recorder
from lens_trace._role import OPERATION, Role
from lens_trace._rows import ModuleRow, Owning, Reference, Seen
from lens_trace._sites import frame_that_called_module

_Tensor = torch.Tensor
_quiet = torch._C.DisableTorchFunction


def _pass_on(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


_identity = Role(_pass_on, OPERATION, "identity", "identity", "identity")


def inputs_of(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[int]:
    """Returns the operations whose values a module is called with."""
    inputs: list[int] = []
    owners = recorder.memory.owners
    for value in (*args, *kwargs.values()) if kwargs else args:
        kind = type(value)
        if kind is _Tensor and (owner := owners.get(id(value))) is not None and owner.reference() is value:
            inputs.append(owner.operation)
        elif kind not in ATOMS:
            _note_inputs(recorder, inputs, value)
    return inputs


def _note_inputs(recorder: Any, inputs: list[int], value: Any) -> None:
    with _quiet():
        for tensor in plain_leaves(value):
            owner = recorder.memory.find(tensor)
            if owner is not None and owner.operation >= 0:
                inputs.append(owner.operation)


def leave(mode: RecordingMode, row: ModuleRow, module: torch.nn.Module, args: Any, kwargs: Any, result: Any) -> None:
    """Notes what a module returned."""
    with _quiet():
        _note_outputs(mode, row, module, args, kwargs, result)


def _note_outputs(
    mode: RecordingMode, row: ModuleRow, module: torch.nn.Module, args: Any, kwargs: Any, result: Any
) -> None:
    recorder = mode.recorder
    memory = recorder.memory
    leaves = [result] if type(result) is _Tensor else list(plain_leaves(result))
    if not leaves:
        return
    leaves = list({id(leaf): leaf for leaf in leaves}.values())
    unseen = [leaf for leaf in leaves if memory.find(leaf) is None and not recorder.state.holds(leaf)]
    for leaf in _held_by(module, unseen):
        recorder.adopt(leaf)
    unseen = [leaf for leaf in unseen if memory.find(leaf) is None]
    if unseen and row.inputs != []:
        _note_opaque(mode, module, args, kwargs, unseen)
    seen = [(leaf, recorder.reference(leaf)) for leaf in leaves]
    made_inside = any(_is_inside(row, _owner(reference).operation) for _, reference in seen)
    outputs: list[int] = []
    row.outputs = outputs
    for leaf, reference in seen:
        is_written_through_a_view = isinstance(reference, Seen) and bool(reference.overlays)
        if not made_inside or is_written_through_a_view:
            mode.record_identity(_identity, leaf, frame_that_called_module())
        owner = memory.find(leaf)
        if owner is not None and owner.operation >= 0:
            outputs.append(owner.operation)
            _keep_if_chosen(recorder, row, owner.operation, leaf)


def _is_inside(row: ModuleRow, operation: int) -> bool:
    return operation >= row.first


def _owner(reference: Reference) -> Owning:
    return reference.owner if isinstance(reference, Seen) else reference


def _held_by(module: torch.nn.Module, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    if not tensors:
        return []
    held = {id(value) for value in module.__dict__.values() if isinstance(value, _Tensor)}
    return [tensor for tensor in tensors if id(tensor) in held]


def _note_opaque(mode: RecordingMode, module: torch.nn.Module, args: Any, kwargs: Any, unseen: list[Any]) -> None:
    role = Role(module, OPERATION, type(module).__name__, type(module).__qualname__, "module")
    mode.record_opaque(role, module, args, kwargs, unseen, frame_that_called_module())


def _keep_if_chosen(recorder: Recorder, row: ModuleRow, operation: int, tensor: torch.Tensor) -> None:
    chosen = recorder.keeps_outputs_of
    if chosen is not None and not chosen.isdisjoint(recorder.state.addresses_at(row.module)):
        recorder.keep_output(operation, tensor, recorder.memory.storage_key(tensor))
