"""What does a later backward find, when the pass wrote into memory that is put back at its end?

A trace leaves inputs, buffers and parameters as they were.  Autograd keeps some tensors of the pass for the backward,
inputs and buffers by reference: after `h.mul_(5); y = h * w` it would find the `h` from before the pass, and the
gradient of `w` would be wrong without a word.  So what autograd takes out of memory that will be put back is copied.

PyTorch checks no versions for tensors that went through such a hook, so the check is made here, with the same outcome.

`torch.func.grad` and its kin refuse to run where such hooks are set.  What they compute they also differentiate
themselves, within the pass, so the hooks are lifted for that long (not on torch 2.6, which cannot say whose they are).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch

from lens_trace._modules import active
from lens_trace._state import ModelState
from lens_trace._undoing import Undoing

_hooks: Any = torch._C._autograd  # pyright: ignore[reportAttributeAccessIssue] - it has no stub
_ask_top: Any = getattr(_hooks, "_top_saved_tensors_default_hooks", None)

Packed: TypeAlias = "tuple[torch.Tensor, int | None]"


def keep_exact_for_backward(undoing: Undoing, state: ModelState) -> None:
    """Lets autograd keep values that putting the model back does not change."""
    pack = _Pack(state)

    def undo() -> None:
        if pack.is_on and _is_on_top(pack):
            _hooks._pop_saved_tensors_default_hooks()
        pack.is_on = False

    undoing.note(undo)
    pack.is_on = True
    _hooks._push_saved_tensors_default_hooks(pack, _unpack)


def lift_for_transforms(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `torch.autograd.graph.disable_saved_tensors_hooks`, which transforms begin with."""

    @functools.wraps(original)
    @contextmanager
    def disable_saved_tensors_hooks(*args: Any, **kwargs: Any) -> Generator[Any, None, None]:
        lifted: list[tuple[Any, Any]] = []
        while (top := _top_hooks()) is not None and isinstance(top[0], _Pack):
            _hooks._pop_saved_tensors_default_hooks()
            lifted.append(top)
        try:
            with original(*args, **kwargs) as value:
                yield value
        finally:
            for pack, unpack in reversed(lifted):
                _hooks._push_saved_tensors_default_hooks(pack, unpack)

    return disable_saved_tensors_hooks


def tell_of_backward(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `torch.autograd.graph._engine_run_backward`, through which every backward goes."""

    @functools.wraps(original)
    def run(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("accumulate_grad", True):
            for state in (*[mode.recorder.state for mode in active.modes], *plain.states):
                state.before_backward()
        return original(*args, **kwargs)

    return run


class _Plain(threading.local):
    """The models that run without being recorded in this thread, and are put back."""

    states: tuple[ModelState, ...] = ()


plain = _Plain()


def tell_plain(undoing: Undoing, state: ModelState) -> None:
    """Lets a model that is not recorded know of every backward, too."""
    before = plain.states
    undoing.note(lambda: setattr(plain, "states", before))
    plain.states = (*before, state)


def _is_on_top(pack: _Pack) -> bool:
    if _ask_top is not None:
        return (_top_hooks() or (None,))[0] is pack
    pack.was_asked = False  # torch 2.6 does not say, so it is given something to keep
    with torch._C.DisableTorchFunction(), torch.inference_mode(False), torch.enable_grad():
        torch.ones((), requires_grad=True).sin()
    return pack.was_asked


def _top_hooks() -> tuple[Any, Any] | None:
    return None if _ask_top is None else _ask_top(False)


class _Pack:
    """What autograd calls with each tensor that it keeps."""

    is_on = False
    was_asked = False

    def __init__(self, state: ModelState) -> None:
        self._state = state

    def __call__(self, tensor: torch.Tensor) -> Packed:
        self.was_asked = True
        with torch._C.DisableTorchFunction(), torch.no_grad():
            kept = tensor.detach()  # the tensor itself would close a circle with its own node
            if self._state.will_be_put_back(kept):
                kept = kept.clone()
            return kept, None if kept.is_inference() else kept._version


def _unpack(packed: Packed) -> torch.Tensor:
    tensor, version = packed
    if version is not None and tensor._version != version:
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"[{tensor.type()} {list(tensor.shape)}] is at version {tensor._version}; expected version {version}."
        )
    return tensor
