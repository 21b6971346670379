"""What does a module have registered, before the pass and after it?

Parameters, buffers and parts that were registered before the pass are the same objects under the same names after it,
and the flags are as they were: `training` of modules, `requires_grad` of parameters and inputs.  What the forward
registers anew is taken away again, so that the state_dict is the one from before, with one exception: a module that at
the same time changes plain attributes remembers in them what it has made (`self.is_ready = True`, or a plain None that
became a module).  Plain attributes stay, so what they speak of stays with them; else the next forward would fail.
"""

from __future__ import annotations

from operator import is_
from typing import Any

import torch

_REGISTRIES = ("_parameters", "_buffers", "_modules")
_MACHINERY = frozenset(vars(torch.nn.Module()))


class Registrations:
    """What modules have registered, and their flags."""

    def __init__(self) -> None:
        self._notes: list[tuple[dict[str, Any], tuple[dict[str, Any] | None, ...]]] = []
        self._attributes: list[dict[str, Any]] = []
        self._tensors: list[torch.Tensor] = []
        self._flags: list[bool] = []

    def note(self, own: dict[str, Any], *registries: dict[str, Any] | None) -> None:
        """Remembers a module: its `__dict__`, and copies of its parameters, buffers and parts (None: it has none)."""
        self._attributes.append(own.copy())
        self._notes.append((own, registries))

    def note_flags(self, tensors: list[torch.Tensor]) -> None:
        """Remembers which tensors require a gradient."""
        self._tensors += tensors
        self._flags += [tensor.requires_grad for tensor in tensors]

    def restore(self, *, flags: bool) -> None:
        """Puts registrations back, and flags of tensors if asked for."""
        for (own, registries), before in zip(self._notes, self._attributes, strict=True):
            if own["training"] is not before["training"]:
                own["training"] = before["training"]
            for name, kept in zip(_REGISTRIES, registries, strict=True):
                live: dict[str, Any] = own[name]
                if (live or kept) and not _is_same(live, kept or {}):
                    _put_back(live, kept or {}, keeps_new=_has_changed(own, before))
        if flags and [tensor.requires_grad for tensor in self._tensors] != self._flags:
            for tensor, flag in zip(self._tensors, self._flags, strict=True):
                if tensor.requires_grad is not flag and tensor.is_leaf:
                    tensor.requires_grad_(flag)


def _is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(map(is_, one.values(), other.values()))


def _has_changed(own: dict[str, Any], before: dict[str, Any]) -> bool:
    plain = own.keys() | before.keys()
    return any(own.get(key, own) is not before.get(key, own) for key in plain - _MACHINERY)


def _put_back(live: dict[str, Any], kept: dict[str, Any], *, keeps_new: bool) -> None:
    new = {name: value for name, value in live.items() if name not in kept} if keeps_new else {}
    live.clear()
    live.update(kept)
    live.update(new)
