"""`show_model_graph`: a picture without keeping anything."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import lens_torch as tl


class Loop(nn.Module):
    """The paper's Figure 3: one linear layer, three times."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = self.step(x).sin()
        return x


X = torch.ones(1, 3)


def test_the_graph_can_be_rendered_without_a_system_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    picture = tl.show_model_graph(Loop(), X)
    assert b"<svg" in picture.pipe(format="svg")


def test_a_notebook_gets_an_image() -> None:
    bundle = tl.show_model_graph(Loop(), X)._repr_mimebundle_()
    assert "<svg" in bundle["image/svg+xml"]


@pytest.mark.parametrize(("mode", "label"), [("unrolled", "linear_1_2:2"), ("rolled", "linear_1_2 (x3)")])
def test_both_modes_label_as_the_paper_does(mode: str, label: str) -> None:
    assert label in tl.show_model_graph(Loop(), X, mode=mode).source  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", ["svg", "pdf", "png", "gv"])
def test_the_ending_decides_the_format(ending: str, tmp_path: Path) -> None:
    out = tmp_path / f"loop.{ending}"
    tl.show_model_graph(Loop(), X, outpath=out)
    start = {"svg": b"<", "pdf": b"%PDF", "png": b"\x89PNG", "gv": b""}[ending]
    assert out.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [out]


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="unrolled"):
        tl.show_model_graph(Loop(), X, mode="spiral")  # type: ignore[arg-type]
