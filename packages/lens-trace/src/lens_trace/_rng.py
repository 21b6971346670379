"""Which random numbers did the pass draw, and how are they drawn again?

Three global generators are looked after: torch's (CPU and every CUDA device in use), Python's `random`, and numpy's if
numpy is imported.  An operation that PyTorch tags as random is recorded with the state of torch's generators before
it ran, so that it can be re-run with the same draws.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch

from lens_trace._undoing import Undoing


class RngState:
    """State of torch's generators before one call.

    Attributes:
        cpu: State of the default CPU generator, uint8.
        cuda: State of each CUDA device's generator in use, by device index.
        generator: State of the generator that the call was given, or None.
    """

    __slots__ = ("cpu", "cuda", "generator")

    def __init__(
        self, cpu: torch.Tensor, cuda: dict[int, torch.Tensor] | None = None, generator: torch.Tensor | None = None
    ) -> None:
        self.cpu = cpu
        self.cuda = cuda or {}
        self.generator = generator

    def apply(self, generator: torch.Generator | None = None) -> None:
        """Sets torch's generators, and `generator` when the call had its own, to this state."""
        torch.default_generator.set_state(self.cpu)
        for index, state in self.cuda.items():
            torch.cuda.set_rng_state(state, index)
        if generator is not None and self.generator is not None:
            generator.set_state(self.generator)


def capture_state(generator: Any = None, previous: RngState | None = None) -> RngState:
    """Returns the state of torch's generators now; `previous` itself when nothing was drawn since."""
    cpu = torch.default_generator.get_state()
    cuda = _cuda_states()
    own = generator.get_state() if isinstance(generator, torch.Generator) else None
    is_plain = own is None and not cuda
    if previous is not None and is_plain and previous.generator is None and torch.equal(previous.cpu, cpu):
        return previous
    return RngState(cpu, cuda, own)


@contextmanager
def replayed(state: RngState, generator: torch.Generator | None = None) -> Generator[None, None, None]:
    """Runs the body with torch's generators in `state`, and puts them back afterwards."""
    before = capture_state()
    before_generator = generator.get_state() if generator is not None else None
    state.apply(generator)
    try:
        yield
    finally:
        before.apply()
        if generator is not None and before_generator is not None:
            generator.set_state(before_generator)


def seed_all(undoing: Undoing, seed: int | None) -> None:
    """Seeds torch, `random` and numpy; does nothing without a seed."""
    if seed is None:
        return
    saved = capture_all()
    undoing.note(lambda: restore_all(saved))
    torch.manual_seed(seed)
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)


def capture_all() -> tuple[RngState, Any, Any]:
    """Returns the state of every global generator that `seed_all` touches."""
    numpy = sys.modules.get("numpy")
    return capture_state(), random.getstate(), numpy.random.get_state() if numpy is not None else None


def restore_all(saved: tuple[RngState, Any, Any]) -> None:
    """Puts every global generator back to what `capture_all` returned."""
    state, python_state, numpy_state = saved
    state.apply()
    random.setstate(python_state)
    numpy = sys.modules.get("numpy")
    if numpy is not None and numpy_state is not None:
        numpy.random.set_state(numpy_state)


def _cuda_states() -> dict[int, torch.Tensor]:
    if not torch.cuda.is_initialized():
        return {}
    return {index: torch.cuda.get_rng_state(index) for index in range(torch.cuda.device_count())}
