"""What a notebook, and a prompt, show for a report."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lens_trace import nothing, trace
from lens_validate import validate


def _report(**options: Any) -> Any:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    return validate(trace(model, torch.rand(2, 4), **options), model)


def test_a_valid_report_shows_its_verdict_and_folds_the_rest() -> None:
    html = _report()._repr_html_()
    for text in ("Sequential", ">valid<", "4 passed", "plain forward", "all operations"):
        assert text in html
    assert html.index("<details>") < html.index("linear")


def test_what_is_not_proven_is_shown_first_with_its_reason() -> None:
    html = _report(keep=nothing)._repr_html_()
    assert ">not valid<" in html
    assert html.index("was not kept") < html.index("<details>")


def test_operations_can_be_called_by_names_of_another_package() -> None:
    html = _report().as_html({1: "linear_1_2:1"})
    assert "linear_1_2:1" in html


def test_texts_become_no_markup() -> None:
    report = _report()
    assert "<script" not in report.as_html({1: "<script>"})
    assert "&lt;script&gt;" in report.as_html({1: "<script>"})


def test_a_prompt_shows_the_text_and_not_a_thousand_records() -> None:
    report = _report()
    assert repr(report) == str(report)
