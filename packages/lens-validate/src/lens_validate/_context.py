"""Under which modes of torch did an operation run?

Replay switches grad mode, inference mode, autocast and the defaults to what was recorded, and back.  What already
agrees is left alone, because a context costs more than most small operations.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import torch

from lens_trace import Context
from lens_validate._layout import dtype_named


@contextmanager
def applied(context: Context | None) -> Generator[None]:
    """Runs the body under the recorded modes."""
    if context is None:
        with torch.no_grad():
            yield
        return
    with ExitStack() as stack:
        if context.inference != torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(context.inference))
        if context.grad != torch.is_grad_enabled():
            stack.enter_context(torch.set_grad_enabled(context.grad))
        _apply_autocast(context, stack)
        default = dtype_named(context.default_dtype)
        if default is not torch.get_default_dtype():
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(default)
        _apply_default_device(context.default_device or "cpu", stack)
        yield


def _apply_default_device(wanted: str, stack: ExitStack) -> None:
    # Nothing but modes can have set one.  `torch.get_default_device` of torch 2.6 does not know of `with torch.device`.
    has_modes = torch._C._len_torch_function_stack() > 0  # pyright: ignore[reportPrivateUsage] - it has no public name
    if wanted != "cpu" or has_modes:
        stack.enter_context(torch.device(wanted))


def _apply_autocast(context: Context, stack: ExitStack) -> None:
    enabled = torch._C._is_any_autocast_enabled()  # pyright: ignore[reportPrivateUsage] - no public one asks for all devices
    if not context.autocast and not enabled:
        return
    wanted = dict(context.autocast)
    for device in {"cpu", "cuda", *wanted}:
        if device in wanted:
            stack.enter_context(
                torch.autocast(device, dtype=dtype_named(wanted[device]), cache_enabled=context.autocast_cache)
            )
        elif torch.is_autocast_enabled(device):
            stack.enter_context(torch.autocast(device, enabled=False))
