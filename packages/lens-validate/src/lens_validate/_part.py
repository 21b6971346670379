"""Can the first row of a batch show that an argument matters?

To show that an argument matters one element of the result that changes is enough.  In many functions each row of the
result (its first dimension) is computed from the same row of certain arguments and from the others as a whole, so the
call may be cut to its first row: what changes there changes in the whole call, and it costs a fraction of it.  The
converse does not hold, so a part that shows nothing is no finding, and the whole call is asked.

Kernels are chosen by shape, and another kernel rounds otherwise: a part is believed only where a value moves by more
than a hundredth of the largest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeAlias

from torch import Tensor

from lens_trace import Constant, Path, SequenceArgument
from lens_validate._call import Call
from lens_validate._compare import is_far
from lens_validate._perturb_structures import Draw
from lens_validate._ragged import lies_in_strides
from lens_validate._replay import Outcome, run
from lens_validate._transforms import is_wrapped

_LARGE = 1 << 16
"""Results of fewer elements are cheap enough as they are."""
_DRAWS = 2
"""So many replacements are tried on a part before the whole is asked."""


class Part:
    """The first row of a call.

    Attributes:
        call: The call with its arguments cut.
        before: What it returned there.
    """

    __slots__ = ("before", "call")

    def __init__(self, call: Call, before: list[Tensor]) -> None:
        self.call = call
        self.before = before

    def shows(self, path: Path, draws: Iterator[Draw]) -> bool:
        """Whether one of the first few draws for an argument changes the result plainly."""
        return any(self._changes(path, draw) for draw in islice(draws, _DRAWS))

    def _changes(self, path: Path, draw: Draw) -> bool:
        try:
            after = run(self.call, {path: draw()})
        except Exception:  # the whole call will tell what this means
            return False
        return any(is_far(before, now) for before, now in zip(self.before, after.outputs, strict=True))


def first_row(call: Call, outcome: Outcome) -> Part | None:
    """Returns the first row of a call, None where it is small or its rows are not known to be apart."""
    output = outcome.outputs[0]
    rule = _RULES.get(call.name)
    if rule is None or output.numel() < _LARGE or _is_odd(output) or output.shape[0] < 2:
        return None
    if outcome.written or call.first.uses_rng:
        return None
    assert call.first.function is not None
    if call.first.function.kind not in ("function", "method", "operator") or any(map(_is_odd, call.tensors.values())):
        return None
    paths = rule(call, output)
    if paths is None or any(result.shape[:1] != output.shape[:1] for result in outcome.outputs):
        return None
    tensors = {path: value[:1] if path in paths else value for path, value in call.tensors.items()}
    part = Call(call.operations, call.leaves, tensors, call.function, call.recording, call.known)
    return Part(part, [result[:1] for result in outcome.outputs])


def _is_odd(value: Tensor) -> bool:
    return not lies_in_strides(value) or value.is_quantized or is_wrapped(value)


# -- which arguments have the rows of the result --------------------------------------------------------------------

_OF_CHANNELS = ("conv", "conv_transpose", "max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool")
_Rule: TypeAlias = Callable[[Call, Tensor], set[Path] | None]


def _every(call: Call, output: Tensor) -> set[Path] | None:
    """Every argument that is not broadcast along the first dimension."""
    paths = {path for path, value in call.tensors.items() if value.dim() == output.dim() and value.shape[0] > 1}
    return paths if all(call.tensors[path].shape[0] == output.shape[0] for path in paths) else None


def _first(call: Call, output: Tensor) -> set[Path] | None:
    return {(0,)} if (0,) in call.tensors and call.tensors[(0,)].shape[:1] == output.shape[:1] else None


def _batched(dimensions: int) -> _Rule:
    """The first argument is a batch of channels with so many dimensions."""
    return lambda call, output: _first(call, output) if output.dim() == dimensions + 2 else None


def _with_statistics(call: Call, output: Tensor) -> set[Path] | None:
    # In training the statistics of the batch bind its rows together.
    training = call.first.args[5] if len(call.first.args) > 5 else None
    return _first(call, output) if isinstance(training, Constant) and training.value is False else None


def _normalised(call: Call, output: Tensor) -> set[Path] | None:
    shape = call.first.args[1] if len(call.first.args) > 1 else None
    return _first(call, output) if isinstance(shape, SequenceArgument) and len(shape.items) < output.dim() else None


def _multiplied(call: Call, output: Tensor) -> set[Path] | None:
    left, right = call.tensors.get((0,)), call.tensors.get((1,))
    if left is None or right is None or left.dim() < 2 or left.dim() != output.dim():
        return None
    if right.dim() <= 2:
        return _first(call, output)
    is_paired = left.dim() == right.dim() and left.shape[0] == right.shape[0]
    return {(0,), (1,)} if is_paired else None


_POINTWISE = frozenset(
    """
    add sub mul div exp log sqrt rsqrt square sin cos tanh sigmoid silu gelu mish elu selu celu leaky_relu prelu
    hardswish hardsigmoid softplus erf lerp addcmul addcdiv relu relu6 hardtanh clamp abs neg maximum minimum
    """.split()  # noqa: SIM905 - one list of words
)
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(_POINTWISE, _every),
    **{f"{name}{n}d": _batched(n) for n in (1, 2, 3) for name in _OF_CHANNELS},
    "linear": lambda call, output: _first(call, output) if output.dim() > 1 else None,
    "group_norm": _first,
    "batch_norm": _with_statistics,
    "layer_norm": _normalised,
    **dict.fromkeys(("matmul", "mm", "bmm"), _multiplied),
}
"""Functions whose rows are apart: which arguments have rows too."""
