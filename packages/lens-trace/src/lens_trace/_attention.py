"""Which kernel of attention may torch choose?

`scaled_dot_product_attention` is one function with several kernels, which round and drop differently.  Which of them
are allowed, and in what order they are tried, is a switch that a model may set around a single call
(`torch.nn.attention.sdpa_kernel`), so it is noted with each, to be set again when the call is run again.
"""

from __future__ import annotations

from typing import Any

import torch

NAME = "scaled_dot_product_attention"
_C: Any = torch._C
_KINDS = ("math", "flash", "mem_efficient", "cudnn", "overrideable")
"""Torch's names, in the order of its numbers for them."""
_asked = [(number, getattr(_C, f"_get_{kind}_sdp_enabled", None)) for number, kind in enumerate(_KINDS)]


def allowed_kernels() -> tuple[int, ...]:
    """Returns the kernels allowed now by number (`torch.nn.attention.SDPBackend`), the one tried first in front."""
    allowed = {number for number, ask in _asked if ask is not None and ask()}
    order = _C._get_sdp_priority_order() if hasattr(_C, "_get_sdp_priority_order") else sorted(allowed)
    return tuple([number for number in dict.fromkeys(order) if number in allowed])  # torch 2.6 names one twice
