"""Each exemption holds where it is true, and not where it is nearly true."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
from torch.nn.attention.flex_attention import flex_attention

from lens_trace import trace
from lens_validate import validate
from lens_validate._case import Case
from lens_validate._exempt import EXEMPTIONS
from lens_validate._proofs import other_factor_is_zero
from tests.lens_validate.small_models import Function

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
ZERO = torch.zeros(3, 4)

CASES: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "mul": (lambda x: x * ZERO, "multiplied by zero"),
    "matmul": (lambda x: x @ ZERO.t(), "multiplied by zero"),
    "linear": (lambda x: F.linear(x, torch.zeros(2, 4)), "multiplied by zero"),
    "where": (lambda x: torch.where(torch.ones(3, 4) > 2, x, ZERO), "masked"),
    "where_equal": (lambda x: torch.where(x > 0, ZERO, ZERO), "both choices are equal"),
    "zero_": (lambda x: (x + 1).zero_(), "fully overwritten"),
    "copy_": (lambda x: torch.ones_like(x).copy_(x), "fully overwritten"),
    "zeros_like": (lambda x: torch.zeros_like(x), "only its shape"),
    "expand_as": (lambda x: torch.ones(1, 4).expand_as(x), "only its shape"),
    "softmax": (lambda x: x[:, :1].softmax(-1), "one candidate"),
    "layer_norm": (lambda x: F.layer_norm(x[:, :1], (1,)), "single elements"),
    "norm_weight": (lambda x: F.layer_norm(x, (4,), torch.zeros(4)), "weight of zero"),
    "pow": (lambda x: x**0, "always one"),
    "add_alpha": (lambda x: torch.add(ZERO, x, alpha=0), "coefficient of zero"),
    "infinite": (lambda x: x + torch.full((3, 4), -float("inf")), "infinite"),
    "maximum": (lambda x: torch.maximum(x, torch.full((3, 4), float("inf"))), "always wins"),
    "clamp": (lambda x: x.clamp(1.0, 1.0), "clamped to one value"),
    "spacing": (lambda x: torch.full((3, 4), 1e20) + x, "below the spacing"),
    "dropout": (lambda x: F.dropout(x, 1.0), "dropped"),
    "gather": (lambda x: ZERO[(x > 0).long()], "everything that can be indexed is equal"),
    "setitem": (lambda x: _fill_where_zero(x), "what is there already"),
    "gather_one": (lambda x: x[:, :1].gather(1, (x[:, :1] > 9).long()), "one index only"),
    "scatter_one": (lambda x: torch.zeros(3, 1).scatter(1, (x[:, :1] > 9).long(), 1.0), "one index only"),
    "getitem_one": (lambda x: x.T[:, None][..., (x[0] > 9).long(), torch.arange(2).repeat(2)], "one index only"),
    "equal_rows": (lambda x: ROWS[(x[:, 0] > 0).long(), torch.arange(3)], "everything that can be indexed is equal"),
    "equal_columns": (lambda x: ROWS.T[torch.arange(3), (x[:, 0] > 0).long()], "that can be indexed is equal"),
    "write_again": (lambda x: _write_rows(x, (x[0, 0] > 9).long(), 0, 1), "no valid index changes it"),
    "write_equal": (lambda x: _write_rows(x, (x[:, 0] > 9).long()), "what is there already"),
    "or": (lambda x: (x > 0) | torch.ones(3, 4, dtype=torch.bool), "true everywhere"),
    "empty": (lambda x: x[:0] * 2, "no elements"),
    "sdpa": (lambda x: F.scaled_dot_product_attention(x, ZERO + x * 2, torch.ones(3, 4)), "attended to are equal"),
    "attend_nearly": (
        lambda x: F.scaled_dot_product_attention(x, x * 2, 1 + x.clamp(-1, 1) * 1e-8 + torch.eye(3, 4) * 1.2e-7),
        "attended to are equal",
    ),
    "attend_to_itself": (lambda x: F.scaled_dot_product_attention(x, x * 2, x * 3, torch.eye(3) > 0), "one candidate"),
    "one_bin": (lambda x: x.histc(1, 0, 0), "one bin counts everything"),
    "one_class": (lambda x: F.one_hot((x > 9).long(), 1), "one class only"),
    "new": (lambda x: x.new(3, 4).fill_(2) + x, "fully overwritten"),
    "new_size": (lambda x: x.new(torch.Size([3, 4])).copy_(x), "fully overwritten"),
    "whole": (lambda x: (x * 9).long() % 1 + x, "whole numbers divided by one"),
    "divided": (lambda x: ZERO / x, "zero divided"),
    "foreach": (lambda x: _zeroed(x * 2, x * 3), "fully overwritten"),
    "no mean": (lambda x: x[:, :0].mean() + x, "NaN everywhere"),
    "no mean in a product": (lambda x: x @ x[:, :0].mean(1, keepdim=True).expand(3, 4).t(), "NaN everywhere"),
    "custom": (lambda x: _custom(x, torch.zeros(3, 4)), "fully overwritten"),
    "observed": (lambda x: _observed(x, 1, 1), "fully overwritten"),
    "observed twice": (lambda x: _observed(x, 1, 2), "on or off"),
    "observed twice and not rounded": (lambda x: _observed(x, 0, 2), "on or off"),
    "grouped queries": (
        lambda x: F.scaled_dot_product_attention(
            x.expand(1, 4, 3, 4) * 2, x.expand(1, 2, 3, 4), torch.ones(1, 2, 3, 4), enable_gqa=True
        ),
        "attended to are equal",
    ),
}


RARE = torch.zeros(10_000).index_fill(0, torch.tensor([7]), 1.0)


def _observed(x: Tensor, is_quantised: int, times: int) -> Tensor:
    """Follows the range of its values, and rounds them to it."""
    low, high = torch.tensor(float("inf")), torch.tensor(-float("inf"))
    scale, zero = torch.ones(1), torch.zeros(1, dtype=torch.int32)
    for _ in range(times):
        switches = torch.tensor(1), torch.tensor(is_quantised)
        x = torch.fused_moving_avg_obs_fake_quant(x, *switches, low, high, scale, zero, 0.5, 0, 255, 0)
    return x


def _looked_up(mask: Tensor) -> Tensor:
    """Reads a mask element by element under vmap, as attention masks are made."""
    with TransformGetItemToIndex():
        return torch.vmap(lambda index: mask[index])(torch.arange(3))


def _zeroed(x: Tensor, y: Tensor) -> Tensor:
    torch._foreach_zero_([x, y])  # pyright: ignore[reportPrivateUsage] - nothing public writes lists
    return x + y + 1


@torch.library.custom_op("lens_tests::twice_into", mutates_args=("out",))
def _twice_into(x: Tensor, out: Tensor) -> None:
    out.copy_(x * 2)


def _custom(x: Tensor, out: Tensor) -> Tensor:
    _twice_into(x, out)
    return out + 1


def _fill_where_zero(x: Tensor) -> Tensor:
    target = torch.zeros(3, 4)
    target[x > 0] = 0.0
    return target + 1


ROWS = torch.arange(4.0).expand(2, 4).clone()


def _write_rows(x: Tensor, *rows: Tensor | int) -> Tensor:
    """Writes ones into the first column, in some rows."""
    target = torch.zeros(2, 4)
    target[:, 0] = 1.0 if isinstance(rows[0], Tensor) and rows[0].dim() else 0.0
    target[rows if len(rows) > 1 else rows[0], 0] = 1.0
    return target + x.sum()


@pytest.mark.parametrize("name", CASES)
def test_an_argument_that_cannot_matter_is_exempt_with_its_reason(name: str) -> None:
    function, reason = CASES[name]
    report = validate(trace(Function(function), X, seed=1))
    assert report, str(report)
    reasons = [edge.reason for entry in report.operations for edge in entry.edges if edge.verdict == "exempt"]
    assert any(reason in found for found in reasons), reasons


NEARLY: dict[str, Callable[[Tensor], Tensor]] = {
    "one factor is not zero": lambda x: x * torch.tensor([0.0, 0.0, 0.0, 1e-3]),
    "the mask lets one through": lambda x: torch.where(torch.arange(12).view(3, 4) == 5, x, ZERO),
    "two candidates": lambda x: x[:, :2].softmax(-1),
    "clamped between two values": lambda x: x.clamp(1.0, 1.5),
    "far away comparison": lambda x: (x > 1e4).float() + 1,
    "finite in truth": lambda x: torch.isfinite(x) & (x != x + 1),
    "attention of tiny values": lambda x: F.scaled_dot_product_attention(x * 1e-30, x * 1e-29, x * 1e-28),
    "a count below another": lambda x: (x > 9).sum() > torch.tensor(6),
    "two indices": lambda x: x[:, :2].gather(1, (x[:, :1] > 0).long()),
    "equal along another dimension": lambda x: ROWS[torch.arange(2), (x[0, :2] > 0).long()],
    "a mask that must fit": lambda x: x[:2][x[:2, 0] > -9],
    "a size that must fit": lambda x: x.view((x[0, 0] < 9).long() * 3, 4),
    "a write elsewhere": lambda x: _write_rows(x, (x[0, :3] > 9).long()),
    "only a slice is kept": lambda x: x[1:2, 2:3] + 1,
    "a count": lambda x: (x != 0).sum() + torch.count_nonzero(x),
    "one mean that is none": lambda x: ZERO.index_fill(0, torch.tensor([1]), float("nan")) + x,
    "a resize that keeps the first": lambda x: (x * 1).resize_(4, 4)[:3] + 1,
    "places of a sparse tensor": lambda x: x.relu().to_sparse().coalesce().indices() + 1,
    "lengths of rows": lambda x: x.relu().to_sparse_csr().crow_indices() + 1,
    "places in rows": lambda x: x.relu().to_sparse_csr().col_indices() + 1,
    "attention of values some roundings apart": lambda x: F.scaled_dot_product_attention(
        x, x * 2, 1 + torch.eye(3, 4) * 1e-5
    ),
    "any and all": lambda x: (x > 9).any() | (x < 9).all(),
}


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta state")
@pytest.mark.parametrize("name", NEARLY)
def test_an_argument_that_matters_a_little_is_shown_to_matter(name: str) -> None:
    report = validate(trace(Function(NEARLY[name]), X))
    assert report, str(report)
    by_name = {edge.verdict for entry in report.operations for edge in entry.edges if edge.parent == 0}
    assert by_name == {"passed"}


def _can_be_indexed(dtype: torch.dtype) -> bool:
    try:
        RARE.to(dtype)[torch.zeros(1, dtype=torch.long)]
    except RuntimeError:  # torch 2.6 cannot index uint16
        return False
    return True


LOOKED_UP = [torch.float32, torch.int64, torch.bool, torch.uint16, torch.bfloat16]


@pytest.mark.parametrize("dtype", list(filter(_can_be_indexed, LOOKED_UP)))
def test_an_index_matters_where_only_a_rare_value_would_show_it(dtype: torch.dtype) -> None:
    table = RARE.to(dtype)
    report = validate(trace(Function(lambda x: table[(x[:, 0] > 0).long()]), X))
    assert report, str(report)
    looked_up = [entry for entry in report.operations if entry.name == "__getitem__"][-1]
    assert [edge.verdict for edge in looked_up.edges if edge.path == (1,)] == ["passed"]


@pytest.mark.parametrize(("limit", "verdict"), [(9, "exempt"), (0, "passed")])
def test_an_index_in_a_transform_matters_unless_all_is_equal(limit: float, verdict: str) -> None:
    report = validate(trace(Function(lambda x: _looked_up(x[:, 0] < limit)), X))
    looked_up = next(entry for entry in report.operations if entry.name == "custom_function_call")
    assert {edge.verdict for edge in looked_up.edges if edge.path[0] == 2} == {verdict}


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_the_blocks_of_a_mask_do_not_matter_where_its_function_is_read() -> None:
    model = Function(lambda x: flex_attention(x.view(1, 1, 3, 4), x.view(1, 1, 3, 4) * 2, x.view(1, 1, 3, 4) + 1))
    report = validate(trace(model, X))
    attention = next(entry for entry in report.operations if entry.name == "flex_attention")
    assert attention.verdict == "passed", str(report)
    assert {edge.verdict for edge in attention.edges if edge.path[0] == 4} == {"exempt"}
    assert {edge.verdict for edge in attention.edges if edge.path[0] != 4} == {"passed"}


def test_every_row_of_the_table_has_a_reason_and_a_proof() -> None:
    assert all(row.reason and row.argument and callable(row.proof) for row in EXEMPTIONS)
    assert len({(row.functions, row.argument, row.reason) for row in EXEMPTIONS}) == len(EXEMPTIONS)


def test_no_exemption_without_a_proof() -> None:
    """A function that ignores its argument is caught, although everything replays."""
    import lens_trace

    @lens_trace.operation
    def ignore(x: Tensor, y: Tensor) -> Tensor:
        return x + 1

    report = validate(trace(Function(lambda x: ignore(x, x * 2)), X))
    assert not report
    assert "does not matter" in report.having("failed")[0].reason


def test_a_bias_of_zero_is_no_factor() -> None:
    """The proof looks at the weight: a layer without bias to speak of is not one that multiplies by zero."""
    x, weight, bias = torch.ones(2, 3), torch.ones(4, 3), torch.zeros(4)
    tensors = {(0,): x, (1,): weight, (2,): bias}
    case = Case("linear", (0,), [x, weight, bias], {}, tensors, [x @ weight.t()], lambda _: True)
    assert not other_factor_is_zero(case)
    case = Case("linear", (0,), [x, weight * 0, bias], {}, tensors, [x @ weight.t()], lambda _: True)
    assert other_factor_is_zero(case)
