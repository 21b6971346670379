"""Which arguments cannot change a result, and what proves it?

A parent that makes no difference is an error, unless an entry of the table below says that this argument of this
function cannot matter, and its proof holds for the values of this very call.  A proof looks at actual values: that the
other factor is zero everywhere, that the mask lets nothing through, that the written region covers everything.  No
entry holds by name alone but one: what may crash the process (`_domains.CRASHES`).

Terms.  A *case* is one argument of one call with everything that the call was given and gave.  *Poison* is NaN and
infinities, extremes or inverted bits put in place of a value: when not even that shows, the value is not read.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from lens_validate import _proofs as proofs
from lens_validate import _proofs_of_places as places
from lens_validate._case import Case
from lens_validate._domains import CRASHES


class Exemption(Struct, frozen=True):
    """One row of the table."""

    functions: frozenset[str]
    """Canonical names; empty for every function."""
    argument: str
    """Which argument, for the reader; the proof checks it."""
    reason: str
    """What the report says."""
    proof: Callable[[Case], bool]
    """Whether this holds for the values of this case."""


def find_exemption(case: Case) -> str | None:
    """Returns the reason why an argument cannot matter in this call, or None when nothing proves it."""
    for row in EXEMPTIONS:
        if row.functions and case.name not in row.functions:
            continue
        try:
            if row.proof(case):
                return row.reason
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
            continue  # the proof does not apply to arguments of this shape
    return None


# -- proofs -----------------------------------------------------------------------------------------------------


_LIKE = "new zeros_like ones_like full_like rand_like randn_like randint_like new_zeros new_ones new_full new_tensor"
_SHAPED = (
    _LIKE
    + " expand_as view_as reshape_as type_as to resize_as _shape_as_tensor broadcast_tensors meshgrid normal bernoulli"
)
_WRITERS = """copy fill zero normal uniform random bernoulli exponential cauchy log_normal geometric setitem index_put
index_copy index_fill scatter masked_fill masked_scatter fill_diagonal set resize_as data.__set__ set_data
select_scatter slice_scatter diagonal_scatter _index_put_impl eye zeros_ trunc_normal constant randint
scatter_reduce index_reduce _foreach_zero _foreach_copy"""
_PRODUCTS = """mul matmul mm bmm mv dot vdot inner outer ger linear conv1d conv2d conv3d convolution _convolution
conv_transpose1d conv_transpose2d conv_transpose3d einsum bilinear tensordot kron logical_and bitwise_and cross
multi_dot chain_matmul conv_tbc cosine_similarity scaled_dot_product_attention deform_conv2d prelu _grouped_mm"""


_TAKERS = """getitem setitem select narrow split split_with_sizes chunk unbind tensor_split index_select index gather
take take_along_dim masked_select diagonal unfold as_strided view expand slice_scatter index_put scatter copy fill zero
masked_fill tril triu diag slice identity data set_data cat stack where"""


def _named(text: str) -> frozenset[str]:
    return frozenset(text.split())


_READ_BY_INDEX = "embedding index_select gather take take_along_dim getitem index _unsafe_index"
_WRITTEN_BY_INDEX = "scatter scatter_add scatter_reduce index_add index_copy index_fill setitem index_put put"
_INDEXED = _named(_READ_BY_INDEX + " embedding_bag")
_OBSERVERS = _named("fused_moving_avg_obs_fake_quant _fused_moving_avg_obs_fq_helper")
_NORMALISATIONS = _named("batch_norm layer_norm group_norm instance_norm rms_norm native_layer_norm")

EXEMPTIONS: tuple[Exemption, ...] = (
    Exemption(frozenset(), "trusted arguments", CRASHES, proofs.may_crash),
    Exemption(frozenset(), "any", "the argument has no elements", proofs.nothing_to_read),
    Exemption(frozenset(), "any", "the result has no elements", proofs.nothing_to_show),
    Exemption(_named(_TAKERS), "part of input", "the part that it wrote is not taken", proofs.is_not_taken),
    Exemption(
        _named("empty_like new_empty new_empty_strided"), "input", "only its shape is read", proofs.only_shape_is_read
    ),
    Exemption(_named(_SHAPED), "input or other", "only its shape and dtype are read", proofs.only_shape_is_read),
    Exemption(_named(_WRITERS), "input", "fully overwritten", proofs.is_written_over),
    Exemption(frozenset(), "out", "fully overwritten", proofs.is_out),
    Exemption(frozenset(), "what a custom operation wrote", "fully overwritten", proofs.is_custom_target),
    Exemption(_named("where"), "input or other", "masked: the condition never takes it", places.where_takes_the_other),
    Exemption(_named("where"), "condition", "both choices are equal", places.where_chooses_between_equals),
    Exemption(_named("masked_fill"), "mask", "it fills in what is there already", places.fills_with_what_is_there),
    Exemption(
        _named("masked_fill masked_scatter"), "value", "masked: nothing is selected", places.mask_selects_nothing
    ),
    Exemption(_named("setitem index_put"), "value", "masked: nothing is selected", places.subscript_selects_nothing),
    Exemption(
        _named("setitem index_put scatter index_fill index_copy masked_fill"),
        "index",
        "it writes what is there already",
        places.writes_what_is_there,
    ),
    Exemption(
        _named(_READ_BY_INDEX + " " + _WRITTEN_BY_INDEX), "index", "there is one index only", places.is_one_index
    ),
    Exemption(_INDEXED, "index", "everything that can be indexed is equal", places.reads_from_equals),
    Exemption(
        _named(_READ_BY_INDEX), "index", "everything that can be indexed is equal", places.every_index_reads_the_same
    ),
    Exemption(
        _named("custom_function_call"),
        "index",
        "everything that can be indexed is equal",
        places.transform_reads_from_equals,
    ),
    Exemption(_named(_WRITTEN_BY_INDEX), "index", "no valid index changes it", places.no_index_changes_anything),
    Exemption(_named("setitem"), "index", "it writes what is there already", places.every_index_writes_what_is_there),
    Exemption(_named("index_add scatter_add scatter_reduce"), "index", "what is added is zero", places.adds_zero_there),
    Exemption(_named(_PRODUCTS), "either", "multiplied by zero", proofs.other_factor_is_zero),
    Exemption(
        _named("div rdiv floor_divide remainder fmod"), "divisor", "zero divided by it", proofs.numerator_is_zero
    ),
    Exemption(_named("remainder fmod"), "dividend", "whole numbers divided by one", proofs.divisor_is_one),
    Exemption(_NORMALISATIONS, "input or statistics", "multiplied by a weight of zero", proofs.scaled_by_zero),
    Exemption(
        _named("add sub rsub addmm addmv baddbmm addbmm addr addcmul addcdiv lerp"),
        "scaled operand",
        "multiplied by a coefficient of zero",
        proofs.coefficient_is_zero,
    ),
    Exemption(_named("pow float_power"), "base or exponent", "a power that is always one", proofs.one_power),
    Exemption(_named("add sub rsub logaddexp"), "either", "the other operand is infinite", proofs.other_is_infinite),
    Exemption(
        _named("add sub rsub mul div rdiv matmul mm bmm mv dot linear addmm baddbmm conv1d conv2d conv3d"),
        "either",
        "the others make it NaN everywhere",
        proofs.others_are_not_numbers,
    ),
    Exemption(
        _named("maximum minimum fmax fmin max min clamp_min clamp_max"),
        "either",
        "the other always wins",
        proofs.other_dominates,
    ),
    Exemption(_named("clamp"), "input or min", "clamped to one value", proofs.bounds_are_equal),
    Exemption(
        _named("softmax log_softmax argmax argmin argsort softmin cummax cummin normalize"),
        "input",
        "saturated: there is one candidate only",
        proofs.is_one_candidate,
    ),
    Exemption(
        _named("layer_norm native_layer_norm group_norm"),
        "input",
        "it normalises single elements",
        proofs.normalises_one_element,
    ),
    Exemption(
        _named("scaled_dot_product_attention"),
        "query, key or mask",
        "all values attended to are equal",
        proofs.attends_to_equals,
    ),
    Exemption(
        _named("scaled_dot_product_attention"),
        "query or key",
        "saturated: there is one candidate only",
        proofs.attends_to_one,
    ),
    Exemption(_named("histc"), "input", "one bin counts everything", proofs.is_one_bin),
    Exemption(_named("one_hot"), "classes", "there is one class only", proofs.is_one_class),
    Exemption(
        _named("dropout feature_dropout alpha_dropout native_dropout"),
        "input",
        "every element was dropped",
        proofs.all_dropped,
    ),
    Exemption(
        _named("logical_or bitwise_or"), "either", "saturated: the other is true everywhere", proofs.other_is_all(True)
    ),
    Exemption(
        _named("heaviside"), "values", "read only where the input is zero, which is nowhere", proofs.never_at_zero
    ),
    Exemption(_named("add sub rsub"), "small operand", "below the spacing of the result", proofs.is_below_spacing),
    Exemption(_OBSERVERS, "scale or zero point", "fully overwritten", proofs.is_scale_written_over),
    Exemption(_OBSERVERS, "switches", "on or off, the result is the same", proofs.switch_changes_nothing),
    Exemption(
        _named("flex_attention"),
        "block mask",
        "without being compiled it reads the mask's function, not its blocks",
        proofs.is_block_mask_unread,
    ),
    Exemption(
        _named("batch_norm instance_norm native_batch_norm"),
        "running statistics",
        "in training with a momentum of 0 or 1 the result does not read them",
        proofs.statistics_forgotten,
    ),
)
"""Every reason why a parent may make no difference."""
