"""How far may a replayed value lie from the saved one?

Not at all, where the function only moves, picks, compares or counts values: the bytes must agree.  Elsewhere a bitwise
equal result passes at once, and one that differs must stay within what re-ordering its own sums can do:

    |saved - replayed|  <=  4 * eps * |saved|  +  (1 + log2(n)) * eps_sum * m

`eps` is the spacing of the saved dtype at 1, `eps_sum` that of the dtype that sums are held in (float32 for the 16-bit
and 8-bit types).  `n` is the reduction length: how many products or terms one output element sums, 1 for elementwise
functions, for which the second term is dropped.  `m` is the sum of the magnitudes of these terms, element by element,
found by running a (multi)linear function on absolute values; for other reductions it is the largest magnitude in the
output.  The constants are part of the contract: they are never raised to make a model pass.

Source: the standard model of rounding (Higham, Accuracy and Stability of Numerical Algorithms, section 4.2): a sum of n
terms added in pairs or blocks, as every BLAS and every torch reduction does, is off by at most log2(n) roundings of m.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from lens_validate._names import canonical_name
from lens_validate._ragged import shape_of

ULPS = 4.0
"""Roundings allowed for one elementwise function."""


class Tolerance:
    """What a difference may be.

    Attributes:
        is_exact: Nothing but bitwise equality (NaN equal to NaN) will do.
        length: The reduction length n.
        magnitudes: Returns m for every output of the call, in order, or None where it cannot be had.
    """

    __slots__ = ("is_exact", "length", "magnitudes")

    def __init__(
        self,
        *,
        is_exact: bool = False,
        length: int = 1,
        magnitudes: Callable[[], Sequence[Tensor] | None] | None = None,
    ) -> None:
        self.is_exact = is_exact
        self.length = length
        self.magnitudes = magnitudes


EXACT = Tolerance(is_exact=True)
"""Bitwise equality."""


def tolerance_of(name: str, tensors: Sequence[Tensor], output: Tensor, rerun: Callable[..., Any] | None) -> Tolerance:
    """Returns the tolerance for one output of a call.

    Args:
        name: Name of the function, in any spelling.
        tensors: Its tensor arguments, in order.
        output: The saved output.
        rerun: Runs the call on the absolute values of its tensor arguments and returns its outputs.
    """
    name = canonical_name(name)
    if name in _MOVES or not (output.is_floating_point() or output.is_complex()):
        return EXACT
    if name in _ELEMENTWISE:
        return Tolerance()
    length = _reduction_length(name, tensors, output)
    return Tolerance(length=length, magnitudes=rerun if name in _LINEAR else None)


def _reduction_length(name: str, tensors: Sequence[Tensor], output: Tensor) -> int:
    if not tensors:
        return 1
    if name in _CONTRACTIONS and len(tensors) > _CONTRACTIONS[name]:
        operand = tensors[_CONTRACTIONS[name]]
        return max(1, shape_of(operand)[-1]) if operand.dim() else 1
    if "conv" in name and len(tensors) > 1:
        weight = tensors[1]
        return max(1, weight.numel() // max(1, min(weight.shape[:2], default=1)))
    largest = max(tensor.numel() for tensor in tensors)
    longest = max((size for tensor in tensors for size in shape_of(tensor)), default=1)
    return max(1, largest if name == "einsum" else longest, math.ceil(largest / max(1, output.numel())))


_CONTRACTIONS = {
    "linear": 0,
    "matmul": 0,
    "__matmul__": 0,
    "mm": 0,
    "bmm": 0,
    "mv": 0,
    "dot": 0,
    "vdot": 0,
    "inner": 0,
    "addmm": 1,
    "addmv": 1,
    "addbmm": 1,
    "baddbmm": 1,
    "_addmm_activation": 1,
}
"""Contracting functions: which tensor argument's last dimension is summed over."""

_LINEAR = frozenset(_CONTRACTIONS) - {"_addmm_activation"} | frozenset(
    """
    conv1d conv2d conv3d convolution _convolution conv_transpose1d conv_transpose2d conv_transpose3d conv_tbc
    einsum sum mean cumsum nansum nanmean index_add scatter_add avg_pool1d avg_pool2d avg_pool3d
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d trace tensordot kron outer bilinear
    upsample_bilinear2d upsample_linear1d upsample_trilinear3d interpolate fold col2im embedding_bag
    index_reduce segment_reduce
    """.split()  # noqa: SIM905 - two hundred quoted names are harder to read
)
"""Sums of products: on absolute values they give the sum of the magnitudes of their terms."""

_MOVES = frozenset(
    """
    getitem setitem view reshape permute transpose t T mT H mH movedim moveaxis swapaxes swapdims expand
    expand_as broadcast_to broadcast_tensors cat stack hstack vstack dstack column_stack row_stack split chunk
    unbind tensor_split split_with_sizes hsplit vsplit dsplit clone contiguous copy detach alias index_select
    index gather take take_along_dim scatter index_put index_copy index_fill flip fliplr flipud rot90 roll pad
    constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d
    replication_pad3d where masked_fill masked_select masked_scatter squeeze unsqueeze flatten unflatten ravel
    repeat repeat_interleave tile embedding fill zero relu relu6 max min amax amin aminmax argmax argmin sort
    topk kthvalue msort argsort median maximum minimum fmax fmin clamp clamp_min clamp_max abs neg sign sgn eq
    ne gt ge lt le isnan isinf isfinite logical_and logical_or logical_not logical_xor bitwise_and bitwise_or
    bitwise_xor bitwise_not floor ceil round trunc zeros ones full eye arange zeros_like ones_like full_like
    new_zeros new_ones new_full new_tensor tensor as_tensor scalar_tensor tril triu diag diagonal diag_embed
    narrow select unfold as_strided real imag view_as view_as_real view_as_complex conj resolve_conj resolve_neg
    to type float double half bfloat16 type_as int long bool max_pool1d max_pool2d max_pool3d
    adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d max_pool2d_with_indices max_unpool2d
    pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle one_hot meshgrid positive pos
    atleast_1d atleast_2d atleast_3d block_diag cartesian_prod combinations heaviside threshold hardtanh cummax
    cummin unique unique_consecutive from_numpy item shuffle nan_to_num data identity
    """.split()  # noqa: SIM905 - two hundred quoted names are harder to read
)
"""Functions that round nothing: their results are bitwise determined."""

_ELEMENTWISE = frozenset(
    """
    add sub rsub mul div rdiv pow rpow exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square reciprocal sin cos
    tan asin acos atan atan2 arctan2 sinh cosh tanh asinh acosh atanh sigmoid logsigmoid log_sigmoid silu gelu
    mish elu selu celu leaky_relu prelu rrelu hardswish hardsigmoid softplus softsign tanhshrink hardshrink
    softshrink erf erfc erfinv lerp addcmul addcdiv remainder fmod floor_divide frac hypot dropout
    feature_dropout alpha_dropout native_dropout logit sinc xlogy lgamma digamma polygamma logaddexp logaddexp2
    angle polar complex deg2rad rad2deg float_power special_expit expit special_erf linspace logspace copysign
    nextafter ldexp glu
    """.split()  # noqa: SIM905 - two hundred quoted names are harder to read
)
"""Functions that compute each output element from one element of each argument."""
