"""What cannot be traced, and what is the way out?

Found before anything runs, each as a named error.
"""

from __future__ import annotations

from typing import Any

import torch

from lens_trace._errors import MixedDevicesError, NotAModuleError, SelectionError, ShardedModelError
from lens_trace._keep import OnlyIds, OutputsOf
from lens_trace._state import ModelState


def check_model(model: Any) -> torch.nn.Module:
    """Returns the module to trace: DataParallel, DDP and compiled models are unwrapped.

    Raises:
        NotAModuleError: It is no module.
        ShardedModelError: Its parameters live elsewhere.
    """
    if not isinstance(model, torch.nn.Module):
        hint = " It is a class: make an instance first." if isinstance(model, type) else ""
        raise NotAModuleError(f"Expected a torch.nn.Module to trace, got {type(model).__name__}.{hint}")
    while True:
        inside: Any = model._modules
        if "_orig_mod" in inside:
            model = inside["_orig_mod"]
        elif type(model).__name__ in ("DataParallel", "DistributedDataParallel") and "module" in inside:
            model = inside["module"]
        else:
            return model
        assert isinstance(model, torch.nn.Module)


def check_parts(state: ModelState) -> None:
    """Raises `ShardedModelError` when the parameters of a part live elsewhere."""
    for kind in state.registrations.kinds:
        if kind.__name__ == "FullyShardedDataParallel" or kind.__name__.startswith("FSDP"):
            part = next(module for module in state.modules if type(module) is kind)
            raise ShardedModelError(
                f"The module {state.addresses_of(part)[0] or 'itself'} is sharded with FSDP, so its parameters are not "
                "in this process. Trace the unwrapped model before sharding, or load its full state dict into a plain "
                "copy."
            )
    for part in state.hooked:
        if getattr(part.__dict__["_hf_hook"], "offload", False):
            raise ShardedModelError(
                f"The module {state.addresses_of(part)[0] or 'itself'} is offloaded, its weights come and go during "
                "the pass. Remove the hooks first (accelerate.hooks.remove_hook_from_submodules) or load it without "
                "device_map."
            )


def mixed_devices(state: ModelState, inputs: list[torch.Tensor]) -> MixedDevicesError | None:
    """Returns the error to raise if the model cannot cope with inputs on another device than its own.

    It may well cope: some move what they are given, and their weights from call to call.

    Raises:
        MixedDevicesError: One of the two is on the meta device, where there are no values to move.
    """
    given = {tensor.device for tensor in inputs if tensor.dim() > 0}
    held = state.parameters or state.buffers
    if len(given) != 1 or not held or held[0].device in given:
        return None
    models = {tensor.device for tensor in (*state.parameters, *state.buffers)}
    if len(models) != 1:
        return None
    theirs, ours = next(iter(models)), next(iter(given))
    error = MixedDevicesError(
        f"The model is on {theirs} and the inputs are on {ours}. Lens moves nothing between devices: use "
        f"inputs.to('{theirs}') or model.to('{ours}') first."
    )
    if "meta" in (theirs.type, ours.type):
        raise error
    return error


def check_keep(keep: Any, state: ModelState) -> None:
    """Raises `SelectionError` when `keep` cannot be what was meant."""
    if not callable(keep):
        raise SelectionError(
            f"keep={keep!r} is no predicate. Use everything, nothing, only(ids), outputs_of(addresses), or a function "
            "that takes an Operation and returns a truth value."
        )
    if isinstance(keep, OutputsOf):
        known = {address for addresses in state.addresses.modules for address in addresses}
        missing = sorted(keep.addresses - known)
        if missing:
            raise SelectionError(f"The model has no module {missing[0]!r}. It has {', '.join(sorted(known)[:12])} ...")
    if isinstance(keep, OnlyIds) and any(i < 0 for i in keep.ids):
        raise SelectionError("only(ids) takes operation ids, which are not negative.")
