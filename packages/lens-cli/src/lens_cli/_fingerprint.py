"""Are these the weights of the earlier run?

A factory without a seed makes other weights each time it is called, so that going on with half a run would mix two
models.  One checksum over all parameters and buffers tells.
"""

from __future__ import annotations

import hashlib

import torch


def weights_checksum(model: torch.nn.Module) -> str:
    """Returns a checksum of all parameters and buffers with their names; about a second for a gigabyte."""
    total = hashlib.sha256()
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.layout == torch.strided and not tensor.is_quantized and not tensor.is_meta:
            plain = tensor.detach().to("cpu").contiguous().reshape(-1)
            total.update(plain.view(torch.uint8).numpy().data)
        else:
            total.update(repr(tensor).encode())
    return total.hexdigest()
