"""What does a module have registered, before the pass and after it?

Parameters, buffers and parts that were registered before the pass are the same objects under the same names after it,
and the flags are as they were: `training` of modules, `requires_grad` of parameters and inputs.  What the forward
registers anew is taken away again, so that the state_dict is the one from before, with one exception: a module that at
the same time changes plain attributes remembers in them what it has made (`self.is_ready = True`, or a plain None that
became a module).  Plain attributes stay, so what they speak of stays with them; else the next forward would fail.
"""

from __future__ import annotations

from itertools import chain
from operator import is_, itemgetter
from typing import Any

import torch

_REGISTRIES = ("_parameters", "_buffers", "_modules")
_MACHINERY = frozenset(vars(torch.nn.Module()))
_values = dict.values
_joined = chain.from_iterable
_training = itemgetter("training")


class Registrations:
    """What modules have registered, and their flags."""

    def __init__(self) -> None:
        self._owns: list[dict[str, Any]] = []
        self._attributes: list[dict[str, Any]] = []
        self._kept: list[dict[str, Any] | None] = []
        self._filled: list[int] = []
        self._tensors: list[torch.Tensor] = []
        self._flags: list[bool] = []

    def note(
        self,
        own: dict[str, Any],
        parameters: dict[str, Any] | None,
        buffers: dict[str, Any] | None,
        parts: dict[str, Any] | None,
    ) -> None:
        """Remembers a module: its `__dict__`, and copies of its parameters, buffers and parts (None: it has none)."""
        self._owns.append(own)
        self._attributes.append(own.copy())
        kept = self._kept
        if parameters:
            self._filled.append(len(kept))
        if buffers:
            self._filled.append(len(kept) + 1)
        if parts:
            self._filled.append(len(kept) + 2)
        kept += (parameters, buffers, parts)

    def note_flags(self, tensors: list[torch.Tensor]) -> None:
        """Remembers which tensors require a gradient."""
        self._tensors += tensors
        self._flags += [tensor.requires_grad for tensor in tensors]

    def restore(self, *, flags: bool) -> None:
        """Puts registrations back, and flags of tensors if asked for."""
        if not self._is_untouched():
            self._put_all_back()
        if flags and [tensor.requires_grad for tensor in self._tensors] != self._flags:
            for tensor, flag in zip(self._tensors, self._flags, strict=True):
                if tensor.requires_grad is not flag and tensor.is_leaf:
                    tensor.requires_grad_(flag)

    def _is_untouched(self) -> bool:
        # All modules in a few steps: this runs after every pass, and hardly ever is there anything to put back.
        every: list[dict[str, Any]] = [own[name] for own in self._owns for name in _REGISTRIES]
        live = list(map(every.__getitem__, self._filled))
        kept: list[Any] = list(map(self._kept.__getitem__, self._filled))
        return (
            every.count({}) + len(live) == len(every)
            and list(map(len, live)) == list(map(len, kept))
            and list(_joined(live)) == list(_joined(kept))
            and all(map(is_, _joined(map(_values, live)), _joined(map(_values, kept))))
            and all(map(is_, map(_training, self._owns), map(_training, self._attributes)))
        )

    def _put_all_back(self) -> None:
        kept_of = iter(self._kept)
        for own, before in zip(self._owns, self._attributes, strict=True):
            if own["training"] is not before["training"]:
                own["training"] = before["training"]
            for name in _REGISTRIES:
                live, kept = own[name], next(kept_of) or {}
                if not _is_same(live, kept):
                    _put_back(live, kept, keeps_new=_has_changed(own, before))


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
