"""How is a function opened, so that the parts inside are what is recorded?

Composites of torch run from a copy that does not hand itself over (`lens_trace._opening`), subclasses of tensors
through their own protocol; in both the mode is on again.  Where none of the parts recorded made what came back, the
whole is the operation.
"""

from __future__ import annotations

from typing import Any

import torch

from lens_trace._call_notes import CallNotes, result_leaves
from lens_trace._origin import open_code
from lens_trace._role import COMPOSITE, OPERATION, Role
from lens_trace._sites import calling_frame

_Tensor = torch.Tensor
_Parameter = torch.nn.Parameter
_push: Any = torch._C._push_on_torch_function_stack
_pop = torch._C._pop_torch_function_stack
_quiet = torch._C.DisableTorchFunction


class Openings(CallNotes):
    """Opens the calls of one thread."""

    _opening: list[Any]
    """Composites being opened, the innermost last."""
    _delegated: list[Any]
    """Functions that a subclass is asked about, likewise."""

    def _run(self, role: Role, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a function as one operation."""
        raise NotImplementedError

    def _open(self, role: Role, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        through = self._through
        opening = self._opening
        opening.append(func)
        self._through = (*self._origin(calling_frame())[0], role.qualified_name)
        _push(self)
        try:
            result = role.opened(*args, **kwargs)  # pyright: ignore[reportOptionalCall] - composites are opened
        finally:
            _pop()
            opening.pop()
            self._through = through
        if type(result) is _Tensor:
            owner = self.recorder.memory.owners.get(id(result))
            if owner is not None and owner.reference() is result:
                return result
        self._record_unseen(role, func, args, kwargs, result)
        return result

    def _has_own_protocol(self, types: Any) -> bool:
        plain = _Tensor.__torch_function__.__func__  # pyright: ignore[reportFunctionMemberAccess]
        disabled = torch._C._disabled_torch_function_impl
        for kind in types:
            own = kind.__torch_function__
            if own is not disabled and getattr(own, "__func__", None) is not plain:
                return True
        return False

    def _delegate(self, role: Role, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._delegated.append(func)
        _push(self)
        try:
            result: Any = NotImplemented
            for kind in types:
                if kind is _Tensor or kind is _Parameter:
                    continue
                result = kind.__torch_function__(func, types, args, kwargs)
                if result is not NotImplemented:
                    break
        finally:
            _pop()
            self._delegated.pop()
        if result is NotImplemented:
            return self._run(role, func, args, kwargs)
        if role.kind in (OPERATION, COMPOSITE):
            self._record_unseen(role, func, args, kwargs, result)
        return result

    def _record_unseen(self, role: Role, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        # What a composite returned although none of the parts recorded made it: then the whole is the operation.
        with _quiet():
            memory = self.recorder.memory
            leaves: list[tuple[tuple[int | str, ...], torch.Tensor]] = []
            result_leaves(result, (), leaves)
            unseen = [
                leaf for _, leaf in leaves
                if memory.find(leaf) is None and not self.recorder.state.holds(leaf)
            ]  # fmt: skip
            if unseen:
                held = tuple([self.recorder.template(a) for a in args])
                named = {key: self.recorder.template(a) for key, a in kwargs.items()} if kwargs else None
                self.note_call(role, func, args, kwargs, held, named, [], result, 0, calling_frame())


open_code[0] = Openings._open.__code__  # pyright: ignore[reportPrivateUsage] - of this file
