"""How do gradients of kept values come into a history after the caller's `backward`?

While the model runs a hook is put on each kept tensor, as autograd knows it.  In a backward pass autograd calls the
hook with the gradient, a copy is noted under the number of that pass, and nothing else happens: gradients of parameters
come about as without it.  The hooks know their keeper weakly and go when it goes.

Autograd follows memory that was written in place through a view as a whole.  So for what such a write made, the hook
sits on the whole and the part is cut out; and for views that were taken before, no gradient is told, since what
autograd would give is but a part of it.

Passes are told apart by the number that autograd gives to each of its runs.  An input belongs to whoever gave it, and
other passes may use it too; so what reaches it counts only in a run that came through something this pass made.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch


class GradientKeeper:
    """Gathers the gradients of kept values (`lens_trace.Watch` and `lens_graph.Gradients`)."""

    def __init__(self) -> None:
        if not torch.is_grad_enabled():
            raise ValueError("save_gradients=True under no_grad or inference_mode: autograd would follow nothing.")
        self.outputs: list[torch.Tensor] = []
        """What the model returned, with its graph."""
        self._found: dict[int, dict[int, torch.Tensor]] = {}
        self._numbers: dict[int, int] = {}
        self._reasons: dict[int, str] = {}
        self._views: dict[int | None, list[int]] = {}
        self._written = 0
        self._own_runs: set[int] = set()
        self._returns_its_own = False
        self._handles: list[Any] = []
        weakref.finalize(self, _remove, self._handles)

    # -- while the model runs -------------------------------------------------------------------------------------

    def made(self, operation: int, tensor: torch.Tensor, storage: int | None, *, is_outside: bool) -> None:
        """Puts a hook on a kept tensor."""
        is_outside = is_outside or tensor.is_leaf
        was_written, self._written = self._written == id(tensor), 0
        if not tensor.requires_grad:
            return
        try:
            is_view = tensor._is_view()
            if is_view and was_written:
                self._hook_whole(operation, tensor, is_outside=is_outside)
            else:
                self._hook(operation, tensor, None, is_outside=is_outside)
        except RuntimeError as error:
            self._reasons[operation] = str(error).split("\n")[0]
            return
        if is_view:
            self._views.setdefault(storage, []).append(operation)

    def written(self, operation: int, tensor: torch.Tensor, storage: int | None) -> None:
        """Notes that views taken before are no longer followed by themselves."""
        self._written = id(tensor)
        if not tensor.requires_grad:
            return
        for view in self._views.pop(storage, ()):
            self._reasons[view] = (
                "it is a view, and its memory was written in place afterwards; autograd then follows the whole memory"
            )

    def returned(self, operation: int, tensor: torch.Tensor) -> None:
        """Keeps what the model returned."""
        self.outputs.append(tensor)
        if tensor.is_leaf:
            self._returns_its_own = self._returns_its_own or tensor.requires_grad
            return
        keeper = weakref.ref(self)

        def note(_: torch.Tensor | None) -> None:
            here = keeper()
            if here is not None:
                here._own_runs.add(_run())

        with contextlib.suppress(RuntimeError):  # told by `made`, if it was kept
            self._handles.append(tensor.register_hook(note))  # pyright: ignore[reportUnknownMemberType] - untyped in torch

    def _hook_whole(self, operation: int, tensor: torch.Tensor, *, is_outside: bool) -> None:
        whole = tensor._base
        assert whole is not None
        if whole.dtype != tensor.dtype or whole.is_conj() or tensor.is_conj() or tensor.is_neg():
            self._reasons[operation] = "it was written through a view of another type than its memory's"
            return
        offset = tensor.storage_offset() - whole.storage_offset()
        part = (tuple(tensor.shape), tensor.stride(), offset)
        strides = whole.stride()

        def cut(gradient: torch.Tensor) -> torch.Tensor:
            laid = torch.empty_strided(gradient.shape, strides, dtype=gradient.dtype, device=gradient.device)
            return laid.copy_(gradient).as_strided(*part).clone()

        self._hook(operation, whole, cut, is_outside=is_outside)

    def _hook(
        self,
        operation: int,
        tensor: torch.Tensor,
        cut: Callable[[torch.Tensor], torch.Tensor] | None,
        *,
        is_outside: bool,
    ) -> None:
        keeper = weakref.ref(self)

        def note(gradient: torch.Tensor | None) -> None:
            here = keeper()
            if here is None or gradient is None:  # of several results of a function not all may be reached
                return
            if here._is_own(_run(), is_outside=is_outside):
                with torch._C.DisableTorchFunction(), torch.no_grad():  # pyright: ignore[reportPrivateUsage] - a tracer may be on
                    plain = gradient.detach()
                    here._arrived(operation, plain.clone() if cut is None else cut(plain))

        self._handles.append(tensor.register_hook(note))  # pyright: ignore[reportUnknownMemberType] - untyped in torch

    # -- in a backward pass -----------------------------------------------------------------------------------------

    def _is_own(self, run: int, *, is_outside: bool) -> bool:
        if not is_outside:
            self._own_runs.add(run)
        return run in self._own_runs or self._returns_its_own

    def _arrived(self, operation: int, gradient: torch.Tensor) -> None:
        number = self._numbers.setdefault(_run(), len(self._numbers) + 1)
        self._found.setdefault(operation, {})[number] = gradient

    # -- afterwards -------------------------------------------------------------------------------------------------

    @property
    def passes(self) -> int:
        """How many backward passes have reached a kept value so far."""
        return len(self._numbers)

    @property
    def operations(self) -> tuple[int, ...]:
        """Operations with a gradient."""
        return tuple(sorted(self._found))

    @property
    def reasons(self) -> Mapping[int, str]:
        """Operations whose gradient autograd does not tell."""
        return self._reasons

    def of(self, operation: int) -> Mapping[int, torch.Tensor]:
        """The gradients of an operation's value by backward pass."""
        return self._found.get(operation, {})

    def spec(self, operation: int) -> tuple[tuple[int, ...], str, int] | None:
        """Shape, type and bytes of the latest."""
        found = self._found.get(operation)
        if not found:
            return None
        latest = found[max(found)]
        return tuple(latest.shape), str(latest.dtype)[6:], latest.numel() * latest.element_size()

    def reason(self, operation: int) -> str | None:
        """Why an operation's gradient cannot be told."""
        return self._reasons.get(operation)


def _run() -> int:
    return torch._C._current_graph_task_id()  # pyright: ignore - it has no public name


def _remove(handles: list[Any]) -> None:
    for handle in handles:
        handle.remove()
    handles.clear()
