"""How is the model left as it was?

Parameters, buffers and the tensors given as arguments end a trace with the values they began with.  Nothing is copied
in advance: a tensor is copied when a write to its memory is about to happen, and put back at the end through `.data`,
which leaves version counters alone (a `copy_` would break a later backward).  Registrations that the forward changed
(`self.buffer = ...`, a new `register_buffer`) are undone too.  Plain attributes that the model sets stay, and lazy
modules stay made: there is no value to go back to.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.parameter import is_lazy

_MOST_ADDRESSES = 100_000


class ModelState:
    """Parameters and buffers of a model before the pass, and what is needed to put them back."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.modules: list[torch.nn.Module] = []
        self.addresses: dict[int, list[str]] = {}
        self.parameters: list[torch.Tensor] = []
        self.parameter_of: dict[int, int] = {}
        self.parameter_addresses: list[list[str]] = []
        self.buffers: list[torch.Tensor] = []
        self.buffer_of: dict[int, tuple[torch.Tensor, int]] = {}
        self.buffer_addresses: list[list[str]] = []
        self.buffer_is_persistent: list[bool] = []
        self.by_id: dict[int, torch.Tensor] = {}
        self._registered: list[tuple[dict[str, Any], dict[str, Any] | None]] = []
        self._compiled: list[tuple[torch.nn.Module, Any]] = []
        self._changed: dict[int, list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]] = {}
        self._inputs: dict[int, list[torch.Tensor]] = {}
        self._alias: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._storages: dict[int, list[torch.Tensor]] | None = None
        self._read_modules(model)

    def before_write(self, tensor: torch.Tensor, storage: int | None) -> None:
        """Copies every parameter, buffer and input in a storage before the first write to it."""
        if storage is None or storage in self._changed:
            return
        held = self._by_storage().get(storage, [])
        self._changed[storage] = [(t, t.data, t.data.clone()) for t in held if not t.is_meta and not is_lazy(t)]

    def will_be_put_back(self, tensor: torch.Tensor) -> bool:
        """Tells whether a tensor lies in memory that was written and ends with the values from before the pass."""
        return bool(self._changed) and bool(self._changed.get(_storage(tensor)))  # pyright: ignore[reportArgumentType] - None is no key

    def add_inputs(self, tensors: list[torch.Tensor]) -> None:
        """Tells which tensors came as arguments."""
        for tensor in tensors:
            if id(tensor) not in self.by_id:
                key = _storage(tensor)
                if key is not None:
                    self._inputs.setdefault(key, []).append(tensor)

    def restore(self) -> None:
        """Puts registrations and values back."""
        for live, before in self._registered:
            if before is None:
                if live:
                    live.clear()
            elif len(live) != len(before) or any(live.get(key) is not value for key, value in before.items()):
                live.clear()
                live.update(before)
        for module, compiled in self._compiled:
            module._compiled_call_impl = compiled
        with torch.no_grad():
            for changed in self._changed.values():
                for tensor, alias, copy in changed:
                    _put_back(alias, copy)
                    if tensor.is_nested:
                        continue
                    if tensor.data_ptr() != alias.data_ptr() or tensor.shape != alias.shape:
                        tensor.data = alias
        self._changed.clear()

    def _by_storage(self) -> dict[int, list[torch.Tensor]]:
        if self._storages is None:
            self._storages = {}
            for tensor in (*self.parameters, *self.buffers):
                key = _storage(tensor)
                if key is not None:
                    self._storages.setdefault(key, []).append(tensor)
            for key, tensors in self._inputs.items():
                self._storages.setdefault(key, []).extend(tensors)
        return self._storages

    def _read_modules(self, model: torch.nn.Module) -> None:
        # Iterative, and a module is not entered again on its own path: models may contain themselves.
        limit = _MOST_ADDRESSES
        stack: list[tuple[torch.nn.Module, str, frozenset[int]]] = [(model, "", frozenset())]
        while stack and limit:
            module, address, path = stack.pop()
            limit -= 1
            known = self.addresses.get(id(module))
            parameters, buffers = module._parameters, module._buffers
            if known is None:
                self.addresses[id(module)] = [address]
                self.modules.append(module)
                if type(parameters) is dict:  # scripted modules keep theirs in C++
                    self._registered.append((parameters, dict(parameters) if parameters else None))
                    self._registered.append((buffers, dict(buffers) if buffers else None))
                if (
                    module.__dict__.get("_compiled_call_impl") is not None
                ):  # compiled in place: run what it was made from
                    self._compiled.append((module, module._compiled_call_impl))
            else:
                known.append(address)
            if parameters or buffers:
                self._read_tensors(module, address)
            parts = module._modules
            if not parts:
                continue
            inner = path | {id(module)}
            prefix = f"{address}." if address else ""
            for name, child in reversed(parts.items()):
                if child is None or id(child) in inner:
                    continue
                if "_orig_mod" in child._modules:  # a compiled part is seen as the module that it wraps
                    self.addresses.setdefault(id(child), []).append(prefix + name)
                    child = child._modules["_orig_mod"]
                stack.append((child, prefix + name, inner))  # pyright: ignore[reportArgumentType]
        for module, _ in self._compiled:
            module._compiled_call_impl = None

    def _read_tensors(self, module: torch.nn.Module, address: str) -> None:
        prefix = f"{address}." if address else ""
        for name, parameter in module._parameters.items():
            if parameter is None:
                continue
            index = self.parameter_of.get(id(parameter))
            if index is None:
                index = self.parameter_of[id(parameter)] = len(self.parameters)
                self.parameters.append(parameter)
                self.parameter_addresses.append([])
                self.by_id[id(parameter)] = parameter
            self.parameter_addresses[index].append(prefix + name)
        for name, buffer in module._buffers.items():
            if buffer is None:
                continue
            entry = self.buffer_of.get(id(buffer))
            if entry is None:
                entry = self.buffer_of[id(buffer)] = (buffer, len(self.buffers))
                self.buffers.append(buffer)
                self.buffer_addresses.append([])
                self.buffer_is_persistent.append(name not in module._non_persistent_buffers_set)
                self.by_id[id(buffer)] = buffer
            self.buffer_addresses[entry[1]].append(prefix + name)


def _put_back(tensor: torch.Tensor, copy: torch.Tensor) -> None:
    if tensor.layout is torch.strided and not (tensor.is_nested or tensor.is_quantized):
        for dimension, stride in enumerate(tensor.stride()):
            if stride == 0:  # `expand` shows the same memory several times: once is enough
                tensor, copy = (t.narrow(dimension, 0, min(1, t.shape[dimension])) for t in (tensor, copy))
    tensor.copy_(copy)


def _storage(tensor: torch.Tensor) -> int | None:
    try:
        return torch._C.TensorBase.untyped_storage(tensor)._cdata
    except (RuntimeError, NotImplementedError, ValueError):
        return None
