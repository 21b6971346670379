"""Which arguments cannot change a result, and what proves it?

A parent that makes no difference is an error, unless an entry of the table below says that this argument of this
function cannot matter, and its proof holds for the values of this very call.  A proof looks at actual values: that the
other factor is zero everywhere, that the mask lets nothing through, that the written region covers everything.  No
entry holds by name alone but one: what may crash the process (`_domains.CRASHES`).

Terms.  A *case* is one argument of one call with everything that the call was given and gave.  *Poison* is NaN and
infinities, extremes or inverted bits put in place of a value: when not even that shows, the value is not read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from msgspec import Struct
from torch import Tensor

from lens_trace import Path
from lens_validate._domains import CRASHES, trusts
from lens_validate._perturb import poisons


class Case:
    """One argument of one call.

    Attributes:
        name: Canonical name of the function.
        path: Where the argument sits.
        value: The argument.
        args: All positional arguments.
        kwargs: All keyword arguments.
        tensors: All tensor arguments by path.
        outputs: What the call returned.
        unchanged: Whether the call gives the same when the argument is replaced by this.
        is_part: Whether only the part that one writer of the argument wrote is replaced.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        args: list[Any],
        kwargs: dict[str, Any],
        tensors: dict[Path, Tensor],
        outputs: Sequence[Tensor],
        unchanged: Callable[[Tensor], bool],
        *,
        is_part: bool = False,
    ) -> None:
        self.name = name
        self.path = path
        self.value = tensors[path]
        self.args = args
        self.kwargs = kwargs
        self.tensors = tensors
        self.outputs = outputs
        self.unchanged = unchanged
        self.is_part = is_part

    def given(self, position: int, name: str, default: Any = None) -> Any:
        """Returns an argument by position or name."""
        return self.args[position] if position < len(self.args) else self.kwargs.get(name, default)

    def is_at(self, position: int, *names: str) -> bool:
        """Whether the argument is this one."""
        return self.path[0] == position or self.path[0] in names

    @property
    def others(self) -> list[Tensor]:
        """The other tensor arguments."""
        return [tensor for path, tensor in self.tensors.items() if path != self.path]

    def poison_is_unread(self) -> bool:
        """Whether no poison in this argument shows in the result."""
        return all(self.unchanged(poison) for poison in poisons(self.value))


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


def _is_zero(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() > 0 and not bool((value != 0).any())
    return isinstance(value, (int, float, complex)) and value == 0


def _is_constant(value: Tensor) -> bool:
    flat = value.reshape(-1)
    return flat.numel() > 0 and bool((flat == flat[0]).all())


def _rows_are_equal(value: Tensor, dimension: int) -> bool:
    return value.shape[dimension] > 0 and bool((value == value.narrow(dimension, 0, 1)).all())


def _nothing_to_read(case: Case) -> bool:
    return case.value.numel() == 0


def _nothing_to_show(case: Case) -> bool:
    if case.name in _SHAPED_BY_VALUES or (case.name in _SUBSCRIPTED and case.path[0] != 0):
        return False
    return bool(case.outputs) and all(output.numel() == 0 for output in case.outputs)


_SUBSCRIPTED = frozenset({"getitem", "index", "masked_select", "repeat_interleave", "where"})
_SHAPED_BY_VALUES = frozenset({"nonzero", "unique", "argwhere", "unique_consecutive"})


def _is_not_taken(case: Case) -> bool:
    # The part of the argument that this parent wrote is not among the elements that the function takes.
    return case.is_part and case.poison_is_unread()


def _only_shape_is_read(case: Case) -> bool:
    return case.poison_is_unread()


def _is_uninitialised(case: Case) -> bool:
    return True  # the result has no values to compare: only its shape came from the argument


def _is_written_over(case: Case) -> bool:
    return (case.is_at(0, "input", "self") or case.path[0] == "out") and case.poison_is_unread()


def _is_out(case: Case) -> bool:
    return case.path[0] == "out" and case.poison_is_unread()


def _where_takes_the_other(case: Case) -> bool:
    condition = case.given(0, "condition")
    if not isinstance(condition, Tensor):
        return False
    if case.is_at(1, "input", "self"):
        return not bool(condition.any())
    return case.is_at(2, "other") and bool(condition.all())


def _where_chooses_between_equals(case: Case) -> bool:
    if not case.is_at(0, "condition") or len(case.args) + len(case.kwargs) < 3:
        return False
    return _are_equal(case.given(1, "input"), case.given(2, "other"))


def _are_equal(left: Any, right: Any) -> bool:
    if not isinstance(left, Tensor) and not isinstance(right, Tensor):
        return bool(left == right)
    pair = [torch.as_tensor(x) for x in (left, right)]
    return bool(((pair[0] == pair[1]) | ((pair[0] != pair[0]) & (pair[1] != pair[1]))).all())


def _fills_with_what_is_there(case: Case) -> bool:
    return case.is_at(1, "mask") and _are_equal(case.given(0, "input"), case.given(2, "value"))


def _mask_selects_nothing(case: Case) -> bool:
    mask = case.given(1, "mask")
    return (
        not case.is_at(0, "input") and not case.is_at(1, "mask") and isinstance(mask, Tensor) and not bool(mask.any())
    )


def _subscript_selects_nothing(case: Case) -> bool:
    if not case.is_at(2, "value", "values"):
        return False
    subscript = case.given(1, "indices")
    parts: list[Any] = list(cast("Any", subscript)) if isinstance(subscript, (tuple, list)) else [subscript]
    return (
        any(isinstance(p, Tensor) and (not bool(p.any()) if p.dtype is torch.bool else p.numel() == 0) for p in parts)
        or case.args[0][tuple(parts) if isinstance(subscript, (tuple, list)) else subscript].numel() == 0
    )


def _writes_what_is_there(case: Case) -> bool:
    # Wherever it writes, the memory holds this very value already.
    if not case.is_at(1, "indices", "mask") and not case.is_at(2, "index"):
        return False
    target = case.given(0, "input")
    value = (
        case.given(2, "value") if case.is_at(1, "indices", "mask") else case.given(3, "src", case.kwargs.get("value"))
    )
    if not isinstance(target, Tensor) or not _is_constant(target):
        return False
    return _are_equal(target.reshape(-1)[0], value)


def _reads_from_equals(case: Case) -> bool:
    source = case.given(0, "input", case.kwargs.get("weight"))
    if case.path[0] == 0 or not isinstance(source, Tensor) or case.value.is_floating_point():
        return False
    if case.name in ("embedding", "embedding_bag"):
        return _rows_are_equal(source, 0)
    dimension = case.given(1, "dim")
    if case.name in ("index_select", "gather") and isinstance(dimension, int):
        return _rows_are_equal(source, dimension)
    return _is_constant(source)


def _adds_zero_there(case: Case) -> bool:
    return case.is_at(2, "index") and _is_zero(case.given(3, "src", case.kwargs.get("source")))


def _other_factor_is_zero(case: Case) -> bool:
    others = case.others
    if any(_is_zero(other) for other in others):
        return True
    return case.name in ("mul", "bitwise_and", "logical_and") and any(
        _is_zero(a) for a in case.args if not isinstance(a, bool)
    )


def _numerator_is_zero(case: Case) -> bool:
    if case.name in ("rdiv", "reciprocal"):
        return case.is_at(0, "input") and _is_zero(case.given(1, "other"))
    return case.is_at(1, "other") and _is_zero(case.given(0, "input"))


def _scaled_by_zero(case: Case) -> bool:
    # Normalisation with a weight of zero gives its bias, whatever it normalises.
    weights = {
        "batch_norm": (1, (0, 3, 4)),
        "layer_norm": (2, (0,)),
        "group_norm": (2, (0,)),
        "instance_norm": (1, (0, 3, 4)),
        "rms_norm": (2, (0,)),
        "native_layer_norm": (2, (0,)),
    }
    position, exempt = weights[case.name]
    return case.path[0] in (*exempt, "input") and _is_zero(case.given(position, "weight"))


def _coefficient_is_zero(case: Case) -> bool:
    if case.name in ("add", "sub", "rsub"):
        scaled = 0 if case.name == "rsub" else 1
        return case.is_at(scaled, "other") and case.kwargs.get("alpha", 1) == 0
    if case.name in ("addmm", "addmv", "baddbmm", "addbmm", "addr"):
        if case.is_at(0, "input"):
            return case.kwargs.get("beta", 1) == 0
        return case.kwargs.get("alpha", 1) == 0 or any(
            _is_zero(o) for p, o in case.tensors.items() if p not in ((0,), case.path)
        )
    if case.name in ("addcmul", "addcdiv"):
        if case.is_at(0, "input"):
            return False
        other = case.given(1, "tensor1") if case.is_at(2, "tensor2") else case.given(2, "tensor2")
        return case.kwargs.get("value", 1) == 0 or (
            _is_zero(other) and (case.name == "addcmul" or case.is_at(2, "tensor2"))
        )
    weight = case.given(2, "weight")
    return case.name == "lerp" and (
        (case.is_at(1, "end") and _is_zero(weight))
        or (case.is_at(0, "input") and _are_equal(weight, 1.0))
        or (case.is_at(2, "weight") and _are_equal(case.given(0, "input"), case.given(1, "end")))
    )


def _one_power(case: Case) -> bool:
    if case.is_at(0, "input", "self"):
        exponent = case.given(1, "exponent")
        return _is_zero(exponent)
    return _are_equal(case.given(0, "input"), 1)


def _other_is_infinite(case: Case) -> bool:
    return any(o.is_floating_point() and o.numel() > 0 and bool(torch.isinf(o).all()) for o in case.others)


def _other_dominates(case: Case) -> bool:
    upper = case.name in ("maximum", "fmax", "max", "clamp_min")
    for other in case.others:
        if other.is_floating_point():
            limit = math.inf if upper else -math.inf
        else:
            limits = torch.iinfo(other.dtype)
            limit = limits.max if upper else limits.min
        if other.numel() and bool((other == limit).all()):
            return True
    return False


def _bounds_are_equal(case: Case) -> bool:
    low, high = case.given(1, "min"), case.given(2, "max")
    if case.is_at(1, "min"):
        return (
            high is not None
            and case.unchanged(torch.full_like(case.value, _lowest(case.value)))
            and _are_equal(case.outputs[0], high)
        )
    return case.is_at(0, "input") and low is not None and high is not None and _are_equal(low, high)


def _lowest(value: Tensor) -> float:
    return torch.finfo(value.dtype).min if value.is_floating_point() else torch.iinfo(value.dtype).min


def _is_one_candidate(case: Case) -> bool:
    # A softmax over one element is 1, an argmax over one is 0, whatever the element is.
    dimension = case.given(1, "dim")
    if not case.is_at(0, "input") or isinstance(dimension, Tensor):
        return False
    if dimension is None:
        return case.value.numel() == 1
    return case.value.dim() == 0 or case.value.size(int(dimension)) == 1


def _normalises_one_element(case: Case) -> bool:
    if not case.is_at(0, "input"):
        return False
    if case.name == "group_norm":
        return case.value.numel() == case.value.shape[0] * int(case.given(1, "num_groups"))
    return math.prod(case.given(1, "normalized_shape")) == 1


def _attends_to_equals(case: Case) -> bool:
    value = case.given(2, "value")
    return not case.is_at(2, "value") and isinstance(value, Tensor) and _rows_are_equal(value, -2)


def _all_dropped(case: Case) -> bool:
    return case.is_at(0, "input") and all(_is_zero(output) for output in case.outputs)


def _other_is_all(wanted: bool) -> Callable[[Case], bool]:
    def proof(case: Case) -> bool:
        return any(o.numel() > 0 and bool(((o != 0) == wanted).all()) for o in case.others)

    return proof


def _never_at_zero(case: Case) -> bool:
    return case.is_at(1, "values") and not bool((case.given(0, "input") == 0).any())


def _is_below_spacing(case: Case) -> bool:
    # What is added cannot move any element of the sum to the next number of its dtype, not at ten times its size.
    output = case.outputs[0]
    if not output.is_floating_point() or case.value.dtype.is_complex:
        return False
    smallest = output.abs().min()
    if not bool(torch.isfinite(output).all()) or not float(smallest) > 0:
        return False
    spacing = float(
        torch.nextafter(smallest, torch.full_like(smallest, math.inf)).to(torch.float64) - smallest.to(torch.float64)
    )
    scale = abs(case.kwargs.get("alpha", 1)) if case.is_at(1, "other") else 1.0
    return 10 * float(case.value.abs().max()) * scale < spacing / 2


def _statistics_forgotten(case: Case) -> bool:
    momentum = case.given(6, "momentum")
    training = case.given(5, "training", case.kwargs.get("use_input_stats"))
    return case.path[0] in (3, 4, "running_mean", "running_var") and bool(training) and momentum in (1, 1.0, 0, 0.0)


def _may_crash(case: Case) -> bool:
    return trusts(case.name, case.path)


_LIKE = "zeros_like ones_like full_like rand_like randn_like randint_like new_zeros new_ones new_full new_tensor"
_SHAPED = (
    _LIKE
    + " expand_as view_as reshape_as type_as to resize_as _shape_as_tensor broadcast_tensors meshgrid normal bernoulli"
)
_WRITERS = """copy fill zero normal uniform random bernoulli exponential cauchy log_normal geometric setitem index_put
index_copy index_fill scatter masked_fill masked_scatter fill_diagonal set resize_as data.__set__ set_data
select_scatter slice_scatter diagonal_scatter _index_put_impl eye zeros_ trunc_normal constant randint"""
_PRODUCTS = """mul matmul mm bmm mv dot vdot inner outer ger linear conv1d conv2d conv3d convolution _convolution
conv_transpose1d conv_transpose2d conv_transpose3d einsum bilinear tensordot kron logical_and bitwise_and cross
multi_dot chain_matmul conv_tbc cosine_similarity scaled_dot_product_attention deform_conv2d prelu _grouped_mm"""


_TAKERS = """getitem setitem select narrow split split_with_sizes chunk unbind tensor_split index_select index gather
take take_along_dim masked_select diagonal unfold as_strided view expand slice_scatter index_put scatter copy fill zero
masked_fill tril triu diag slice identity data set_data cat stack where"""


def _named(text: str) -> frozenset[str]:
    return frozenset(text.split())


_INDEXED = _named("embedding embedding_bag index_select gather take take_along_dim getitem index _unsafe_index")
_NORMALISATIONS = _named("batch_norm layer_norm group_norm instance_norm rms_norm native_layer_norm")

EXEMPTIONS: tuple[Exemption, ...] = (
    Exemption(frozenset(), "trusted arguments", CRASHES, _may_crash),
    Exemption(frozenset(), "any", "the argument has no elements", _nothing_to_read),
    Exemption(frozenset(), "any", "the result has no elements", _nothing_to_show),
    Exemption(_named(_TAKERS), "part of input", "the part that it wrote is not taken", _is_not_taken),
    Exemption(_named("empty_like new_empty new_empty_strided"), "input", "only its shape is read", _is_uninitialised),
    Exemption(_named(_SHAPED), "input or other", "only its shape and dtype are read", _only_shape_is_read),
    Exemption(_named(_WRITERS), "input", "fully overwritten", _is_written_over),
    Exemption(frozenset(), "out", "fully overwritten", _is_out),
    Exemption(_named("where"), "input or other", "masked: the condition never takes it", _where_takes_the_other),
    Exemption(_named("where"), "condition", "both choices are equal", _where_chooses_between_equals),
    Exemption(_named("masked_fill"), "mask", "it fills in what is there already", _fills_with_what_is_there),
    Exemption(_named("masked_fill masked_scatter"), "value", "masked: nothing is selected", _mask_selects_nothing),
    Exemption(_named("setitem index_put"), "value", "masked: nothing is selected", _subscript_selects_nothing),
    Exemption(
        _named("setitem index_put scatter index_fill index_copy masked_fill"),
        "index",
        "it writes what is there already",
        _writes_what_is_there,
    ),
    Exemption(_INDEXED, "index", "everything that can be indexed is equal", _reads_from_equals),
    Exemption(_named("index_add scatter_add scatter_reduce"), "index", "what is added is zero", _adds_zero_there),
    Exemption(_named(_PRODUCTS), "either", "multiplied by zero", _other_factor_is_zero),
    Exemption(_named("div rdiv floor_divide remainder fmod"), "divisor", "zero divided by it", _numerator_is_zero),
    Exemption(_NORMALISATIONS, "input or statistics", "multiplied by a weight of zero", _scaled_by_zero),
    Exemption(
        _named("add sub rsub addmm addmv baddbmm addbmm addr addcmul addcdiv lerp"),
        "scaled operand",
        "multiplied by a coefficient of zero",
        _coefficient_is_zero,
    ),
    Exemption(_named("pow float_power"), "base or exponent", "a power that is always one", _one_power),
    Exemption(_named("add sub rsub logaddexp"), "either", "the other operand is infinite", _other_is_infinite),
    Exemption(
        _named("maximum minimum fmax fmin max min clamp_min clamp_max"),
        "either",
        "the other always wins",
        _other_dominates,
    ),
    Exemption(_named("clamp"), "input or min", "clamped to one value", _bounds_are_equal),
    Exemption(
        _named("softmax log_softmax argmax argmin argsort softmin cummax cummin normalize"),
        "input",
        "saturated: there is one candidate only",
        _is_one_candidate,
    ),
    Exemption(
        _named("layer_norm native_layer_norm group_norm"),
        "input",
        "it normalises single elements",
        _normalises_one_element,
    ),
    Exemption(
        _named("scaled_dot_product_attention"),
        "query, key or mask",
        "all values attended to are equal",
        _attends_to_equals,
    ),
    Exemption(
        _named("dropout feature_dropout alpha_dropout native_dropout"),
        "input",
        "every element was dropped",
        _all_dropped,
    ),
    Exemption(
        _named("logical_or bitwise_or"), "either", "saturated: the other is true everywhere", _other_is_all(True)
    ),
    Exemption(_named("heaviside"), "values", "read only where the input is zero, which is nowhere", _never_at_zero),
    Exemption(_named("add sub rsub"), "small operand", "below the spacing of the result", _is_below_spacing),
    Exemption(
        _named("batch_norm instance_norm native_batch_norm"),
        "running statistics",
        "in training with a momentum of 0 or 1 the result does not read them",
        _statistics_forgotten,
    ),
)
"""Every reason why a parent may make no difference."""
