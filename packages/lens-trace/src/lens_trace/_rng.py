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

from lens_trace._attention import allowed_kernels
from lens_trace._undoing import Undoing


class RngState:
    """State of torch's generators before one call.

    Attributes:
        cpu: State of the default CPU generator, uint8.
        cuda: State of each CUDA device's generator in use, by device index.
        generator: State of the generator that the call was given, or None.
        attention: For `scaled_dot_product_attention`, whose kernels draw differently, those that were allowed
            (numbers of `torch.nn.attention.SDPBackend`, the one tried first in front); None for all else.
    """

    __slots__ = ("attention", "cpu", "cuda", "generator")

    def __init__(
        self,
        cpu: torch.Tensor,
        cuda: dict[int, torch.Tensor] | None = None,
        generator: torch.Tensor | None = None,
        attention: tuple[int, ...] | None = None,
    ) -> None:
        self.cpu = cpu
        self.cuda = {} if cuda is None else cuda
        self.generator = generator
        self.attention = attention

    @staticmethod
    def now(*, attention: bool = False) -> RngState:
        """Returns the state of torch's generators as it is, on the CPU and on every CUDA device.

        Args:
            attention: Note as well which kernels of attention are allowed.
        """
        return capture_state(chooses_attention=attention)

    def apply(self, generator: torch.Generator | None = None) -> None:
        """Sets torch's generators, and `generator` when the call had its own, to this state."""
        torch.default_generator.set_state(self.cpu)
        for index, state in self.cuda.items():
            torch.cuda.set_rng_state(state, index)
        if generator is not None and self.generator is not None:
            generator.set_state(self.generator)


def capture_state(
    generator: Any = None, previous: RngState | None = None, *, chooses_attention: bool = False
) -> RngState:
    """Returns the state of torch's generators now, in the tensors of `previous` where nothing was drawn since.

    Args:
        generator: The generator that the call is given, if any.
        previous: The state captured last; it is returned itself when all of it still holds.
        chooses_attention: Whether the call chooses among the kernels of attention: then those allowed are noted.
    """
    cpu = torch.default_generator.get_state()
    cuda = _cuda_states()
    own = generator.get_state() if isinstance(generator, torch.Generator) else None
    attention = allowed_kernels() if chooses_attention else None
    if previous is not None:
        if torch.equal(previous.cpu, cpu):
            cpu = previous.cpu
        if cuda.keys() == previous.cuda.keys() and all(torch.equal(cuda[i], previous.cuda[i]) for i in cuda):
            cuda = previous.cuda
        is_same = cpu is previous.cpu and cuda is previous.cuda and attention == previous.attention
        if is_same and own is None and previous.generator is None:
            return previous
    return RngState(cpu, cuda, own, attention)


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
