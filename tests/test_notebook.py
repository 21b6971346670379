"""What does a new user see in a notebook?

A notebook is executed from its first cell to its last by a kernel of its own, as Jupyter would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = {
    "setup": """
import torch
from torch import nn
import lens_torch as tl

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.step = nn.Linear(4, 4)
        self.head = nn.Sequential(nn.Linear(4, 2), nn.ReLU())
    def forward(self, x):
        for _ in range(2):
            x = torch.tanh(self.step(x))
        return self.head(x)

model, x = Net(), torch.rand(3, 4)
history = tl.get_model_activations(model, x)
""",
    "history": "history",
    "layer": 'history["linear_2"]',
    "recurrent layer": 'history["linear_1"]',
    "pass": 'history["linear_1:2"]',
    "module": 'history.modules["head"]',
    "module call": "history.module_calls[0]",
    "table": "history.tables.layers",
    "proof": "tl.prove_activations(model, x, progress=True)",
    "report": "tl.prove_activations(model, x).report",
    "picture": "tl.show_model_graph(model, x)",
}
SHOWN = {
    "history": ["Net", "recurrent (up to 2 passes)", "linear_1_2", "step (Linear)"],
    "layer": ["linear_2_4", "layer 4 of 6", "head.0 (Linear)", "3x2", "tensor("],
    "recurrent layer": ["linear_1_2", "2 passes", "linear_1_2:2", "saved"],
    "pass": ["linear_1_2:2 (pass 2 of 2)", "step (Linear)"],
    "module": ["head", "Sequential", "head.1", "ReLU"],
    "module call": ["step:2", "calls inside"],
    "table": ["layer_label", "linear_1_2"],
    "proof": ["Net", "valid", "linear_1_2:1", "plain forward"],
    "report": ["Net", "valid", "plain forward"],
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text.strip()) for text in CELLS.values()])
    folder = tmp_path_factory.mktemp("notebook")
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    assert list(Path(folder).iterdir()) == [], "a notebook leaves no files behind"
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_cell_returns_is_shown_as_html(name: str, outputs: dict[str, list[Any]]) -> None:
    (output,) = outputs[name]
    html = output["data"]["text/html"]
    assert [text for text in SHOWN[name] if text not in html] == []
    assert html.count("<div") == html.count("</div>")
    assert html.count("<table") == html.count("</table>")


def test_a_graph_is_shown_as_a_picture(outputs: dict[str, list[Any]]) -> None:
    (output,) = outputs["picture"]
    assert "linear_1_2" in output["data"]["image/svg+xml"]


def test_short_runs_show_no_bar_and_nothing_is_printed(outputs: dict[str, list[Any]]) -> None:
    assert [output["output_type"] for cell in outputs.values() for output in cell].count("stream") == 0
