"""When can other values of an argument really not change the result?

Each function here looks at the actual values of one call and proves one reason; `lens_validate._exempt` says which
proofs are tried for which functions and arguments.  None of them believes a name alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from lens_validate._case import Case
from lens_validate._domains import trusts
from lens_validate._equal import are_equal, is_zero


def nothing_to_read(case: Case) -> bool:
    return case.value.numel() == 0


def nothing_to_show(case: Case) -> bool:
    if case.name in _SHAPED_BY_VALUES or (case.name in _SUBSCRIPTED and case.path[0] != 0):
        return False
    return bool(case.outputs) and all(output.numel() == 0 for output in case.outputs)


_SUBSCRIPTED = frozenset({"getitem", "index", "masked_select", "repeat_interleave", "where"})
_SHAPED_BY_VALUES = frozenset({"nonzero", "unique", "argwhere", "unique_consecutive"})


def is_not_taken(case: Case) -> bool:
    # The part of the argument that this parent wrote is not among the elements that the function takes.
    return case.is_part and case.poison_is_unread()


def only_shape_is_read(case: Case) -> bool:
    return case.poison_is_unread()


def is_written_over(case: Case) -> bool:
    return (case.is_at(0, "input", "self") or case.path[0] == "out") and case.poison_is_unread()


def is_out(case: Case) -> bool:
    return case.path[0] == "out" and case.poison_is_unread()


def is_custom_target(case: Case) -> bool:
    return case.is_custom_target and case.poison_is_unread()


_FACTORS: dict[str, tuple[tuple[str, ...], dict[int, tuple[int, ...]]]] = {
    **dict.fromkeys(
        ("linear", "conv1d", "conv2d", "conv3d", "convolution", "_convolution", "conv_tbc", "conv_transpose1d",
         "conv_transpose2d", "conv_transpose3d"),
        (("input", "weight"), {0: (1,), 1: (0,)}),
    ),
    "deform_conv2d": (("input", "offset", "weight"), {0: (2,), 2: (0,)}),
    "bilinear": (("input1", "input2", "weight"), {0: (1, 2), 1: (0, 2), 2: (0, 1)}),
    "scaled_dot_product_attention": (
        ("query", "key", "value", "attn_mask"), {0: (1, 2), 1: (0, 2), 2: (), 3: (2,)},
    ),
    "prelu": (("input", "weight"), {1: (0,)}),
}  # fmt: skip
"""Products with more arguments than factors: the names of the arguments, and which ones each is multiplied by."""


def other_factor_is_zero(case: Case) -> bool:
    if case.name in _FACTORS:
        names, partners = _FACTORS[case.name]
        at = case.path[0]
        position = at if isinstance(at, int) else names.index(at) if at in names else -1
        return any(is_zero(case.given(other, names[other])) for other in partners.get(position, ()))
    if any(is_zero(other) for other in case.others):
        return True
    return case.name in ("mul", "bitwise_and", "logical_and") and any(
        is_zero(a) for a in case.args if not isinstance(a, bool)
    )


def divisor_is_one(case: Case) -> bool:
    # What is left of a whole number after dividing by one is zero.
    divisor = case.given(1, "other")
    if not case.is_at(0, "input") or case.value.is_floating_point() or isinstance(divisor, float):
        return False
    return are_equal(abs(divisor), 1)


def numerator_is_zero(case: Case) -> bool:
    if case.name in ("rdiv", "reciprocal"):
        return case.is_at(0, "input") and is_zero(case.given(1, "other"))
    return case.is_at(1, "other") and is_zero(case.given(0, "input"))


def scaled_by_zero(case: Case) -> bool:
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
    return case.path[0] in (*exempt, "input") and is_zero(case.given(position, "weight"))


def coefficient_is_zero(case: Case) -> bool:
    if case.name in ("add", "sub", "rsub"):
        scaled = 0 if case.name == "rsub" else 1
        return case.is_at(scaled, "other") and case.kwargs.get("alpha", 1) == 0
    if case.name in ("addmm", "addmv", "baddbmm", "addbmm", "addr"):
        if case.is_at(0, "input"):
            return case.kwargs.get("beta", 1) == 0
        return case.kwargs.get("alpha", 1) == 0 or any(
            is_zero(o) for p, o in case.tensors.items() if p not in ((0,), case.path)
        )
    if case.name in ("addcmul", "addcdiv"):
        if case.is_at(0, "input"):
            return False
        other = case.given(1, "tensor1") if case.is_at(2, "tensor2") else case.given(2, "tensor2")
        return case.kwargs.get("value", 1) == 0 or (
            is_zero(other) and (case.name == "addcmul" or case.is_at(2, "tensor2"))
        )
    weight = case.given(2, "weight")
    return case.name == "lerp" and (
        (case.is_at(1, "end") and is_zero(weight))
        or (case.is_at(0, "input") and are_equal(weight, 1.0))
        or (case.is_at(2, "weight") and are_equal(case.given(0, "input"), case.given(1, "end")))
    )


def one_power(case: Case) -> bool:
    if case.is_at(0, "input", "self"):
        exponent = case.given(1, "exponent")
        return is_zero(exponent)
    return are_equal(case.given(0, "input"), 1)


def other_is_infinite(case: Case) -> bool:
    return any(o.is_floating_point() and o.numel() > 0 and bool(torch.isinf(o).all()) for o in case.others)


def others_are_not_numbers(case: Case) -> bool:
    # With ones in place of all that is a number nothing can become NaN but where a NaN takes part, and that stays NaN
    # whatever stands beside it.
    if not all(output.is_floating_point() and bool(torch.isnan(output).all()) for output in case.outputs):
        return False
    changes = {p: torch.where(torch.isnan(t), t, 1) for p, t in case.tensors.items() if t.is_floating_point()}
    changes[case.path] = torch.ones_like(case.value)
    return all(bool(torch.isnan(output).all()) for output in case.rerun(changes))


def other_dominates(case: Case) -> bool:
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


def bounds_are_equal(case: Case) -> bool:
    low, high = case.given(1, "min"), case.given(2, "max")
    if case.is_at(1, "min"):
        return (
            high is not None
            and case.unchanged(torch.full_like(case.value, lowest(case.value)))
            and are_equal(case.outputs[0], high)
        )
    return case.is_at(0, "input") and low is not None and high is not None and are_equal(low, high)


def lowest(value: Tensor) -> float:
    return torch.finfo(value.dtype).min if value.is_floating_point() else torch.iinfo(value.dtype).min


def is_one_candidate(case: Case) -> bool:
    # A softmax over one element is 1, an argmax over one is 0, whatever the element is.
    dimension = case.given(1, "dim")
    if not case.is_at(0, "input") or isinstance(dimension, Tensor):
        return False
    if dimension is None:
        return case.value.numel() == 1
    return case.value.dim() == 0 or case.value.size(int(dimension)) == 1


def normalises_one_element(case: Case) -> bool:
    if not case.is_at(0, "input"):
        return False
    if case.name == "group_norm":
        return case.value.numel() == case.value.shape[0] * int(case.given(1, "num_groups"))
    return math.prod(case.given(1, "normalized_shape")) == 1


def attends_to_equals(case: Case) -> bool:
    """Whether no weights of attention could change the result by more than it may differ from its replay.

    Each element of the result is a mean, by weights that are not negative and sum to one, of the values attended to,
    and so lies between the least and the largest of them.  What may pass for the result is an interval around it: when
    the least and the largest both pass, every mean does.  No bound is needed but that of the comparison itself.
    """
    value, output = case.given(2, "value"), case.outputs[0]
    if case.is_at(2, "value") or not isinstance(value, Tensor) or not value.shape[-2]:
        return False
    groups = output.shape[-3] // value.shape[-3] if output.dim() > 2 and case.kwargs.get("enable_gqa") else 1
    ends = (value.amin(-2, keepdim=True), value.amax(-2, keepdim=True))
    repeated = [end.repeat_interleave(groups, -3) if groups > 1 else end for end in ends]
    return all(case.matches(end.to(output.dtype).expand_as(output).contiguous()) for end in repeated)


def attends_to_one(case: Case) -> bool:
    # Each query may see one key at most, whose weight is then 1.
    if not case.is_at(0, "query") and not case.is_at(1, "key"):
        return False
    mask = case.given(3, "attn_mask")
    if not isinstance(mask, Tensor):
        return False
    seen = mask if mask.dtype is torch.bool else mask > torch.finfo(mask.dtype).min / 2
    return bool((seen.sum(-1) <= 1).all())


def is_one_bin(case: Case) -> bool:
    # One bin from the least to the largest value counts them all.
    return case.is_at(0, "input") and case.given(1, "bins") == 1 and case.given(2, "min") == case.given(3, "max")


def is_one_class(case: Case) -> bool:
    return case.given(1, "num_classes") == 1


def all_dropped(case: Case) -> bool:
    return case.is_at(0, "input") and all(is_zero(output) for output in case.outputs)


def other_is_all(wanted: bool) -> Callable[[Case], bool]:
    def proof(case: Case) -> bool:
        return any(o.numel() > 0 and bool(((o != 0) == wanted).all()) for o in case.others)

    return proof


def never_at_zero(case: Case) -> bool:
    return case.is_at(1, "values") and not bool((case.given(0, "input") == 0).any())


def is_below_spacing(case: Case) -> bool:
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


def statistics_forgotten(case: Case) -> bool:
    momentum = case.given(6, "momentum")
    training = case.given(5, "training", case.kwargs.get("use_input_stats"))
    return case.path[0] in (3, 4, "running_mean", "running_var") and bool(training) and momentum in (1, 1.0, 0, 0.0)


def is_scale_written_over(case: Case) -> bool:
    # A fused observer that quantises computes both from the range that it saw, whatever they were.
    return (case.is_at(5, "scale") or case.is_at(6, "zero_point")) and case.poison_is_unread()


def switch_changes_nothing(case: Case) -> bool:
    # A fused observer reads its switches as on or off: when neither changes anything, nothing can.
    is_switch = case.is_at(1, "observer_on") or case.is_at(2, "fake_quant_on")
    return is_switch and all(case.unchanged(torch.full_like(case.value, state)) for state in (0, 1))


def is_block_mask_unread(case: Case) -> bool:
    return case.is_at(4, "block_mask") and case.poison_is_unread()


def may_crash(case: Case) -> bool:
    return trusts(case.name, case.path)
