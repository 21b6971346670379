"""What does a later backward find, when the pass wrote into memory that is put back at its end?

A trace leaves inputs, buffers and parameters as they were.  Autograd keeps some tensors of the pass for the backward,
inputs and buffers by reference: after `h.mul_(5); y = h * w` it would find the `h` from before the pass, and the
gradient of `w` would be wrong without a word.  So what autograd takes out of memory that will be put back is copied.

PyTorch checks no versions for tensors that went through such a hook, so the check is made here, with the same outcome.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import torch

from lens_trace._state import ModelState

Packed: TypeAlias = "tuple[torch.Tensor, int | None]"


def exact_for_backward(state: ModelState) -> AbstractContextManager[Any]:
    """Returns a context under which autograd keeps values that putting the model back does not change."""

    def pack(tensor: torch.Tensor) -> Packed:
        with torch._C.DisableTorchFunction(), torch.no_grad():
            kept = tensor.detach()  # the tensor itself would close a circle with its own node
            if state.will_be_put_back(kept):
                kept = kept.clone()
            return kept, None if kept.is_inference() else kept._version

    return torch.autograd.graph.saved_tensors_hooks(pack, _unpack)


def _unpack(packed: Packed) -> torch.Tensor:
    tensor, version = packed
    if version is not None and tensor._version != version:
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"[{tensor.type()} {list(tensor.shape)}] is at version {tensor._version}; expected version {version}."
        )
    return tensor
