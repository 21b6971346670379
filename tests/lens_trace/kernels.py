"""Kernels written in Triton, launched as a model would.  Triton reads annotations, so they have none of others."""

import torch
import triton
import triton.language as tl


@triton.jit
def add_kernel(left, right, out, count, BLOCK: tl.constexpr):
    places = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = places < count
    tl.store(out + places, tl.load(left + places, mask=mask) + tl.load(right + places, mask=mask), mask=mask)


@triton.autotune(configs=[triton.Config({"BLOCK": 128}), triton.Config({"BLOCK": 256})], key=[], restore_value=["x"])
@triton.jit
def scale_kernel(x, factor, count, BLOCK: tl.constexpr):
    places = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = places < count
    tl.store(x + places, tl.load(x + places, mask=mask) * factor, mask=mask)


def added(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    out = torch.empty_like(left)
    add_kernel[(triton.cdiv(out.numel(), 256),)](left, right, out, out.numel(), BLOCK=256)
    return out


def scaled_(x: torch.Tensor, factor: float) -> torch.Tensor:
    scale_kernel[lambda meta: (triton.cdiv(x.numel(), meta["BLOCK"]),)](x, factor, x.numel())
    return x
