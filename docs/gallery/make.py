"""Draws every picture of the gallery and writes its page.  Run it from the repository:

uv run --with transformers python docs/gallery/make.py [NAME ...]
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch

import lens_torch as tl
from lens_viz import draw, write

HERE = Path(__file__).parent
INTRODUCTION = """# Gallery

Drawn by `uv run --with transformers python docs/gallery/make.py`, with random weights. Each picture is made by the line
above it, after

```python
import torch
import lens_torch as tl
from lens_viz import draw, write
```

Green is an input, red an output, grey has parameters, light grey is a buffer, yellow decides an IF, dashed was made
inside the model. A box is a module of one operation, an ellipse any other operation, a frame a module of several.
"""
ENTRIES: list[tuple[str, str, str, str]] = [
    (
        "alexnet",
        "AlexNet",
        "from torchvision.models import AlexNet",
        "draw(tl.get_model_structure(AlexNet(), torch.rand(6, 3, 224, 224)))",
    ),
    (
        "resnet18_depth1",
        "ResNet-18, its parts",
        "from torchvision.models import resnet18",
        "draw(tl.get_model_structure(resnet18(), torch.rand(1, 3, 224, 224)), depth=1, direction='LR')",
    ),
    (
        "resnet18_layer2",
        "ResNet-18, inside its second layer, with a legend",
        "from torchvision.models import resnet18",
        "draw(tl.get_model_structure(resnet18().eval(), torch.rand(1, 3, 224, 224)), module='layer2', legend=True)",
    ),
    (
        "vit",
        "A vision transformer, its twelve equal layers drawn once",
        "from torchvision.models import vit_b_16",
        "draw(tl.get_model_structure(vit_b_16().eval(), torch.rand(1, 3, 224, 224)), fold_repeats=True)",
    ),
    (
        "gpt2",
        "GPT-2, its twelve blocks drawn once",
        "from transformers import GPT2Config, GPT2LMHeadModel",
        "draw(tl.get_model_structure(GPT2LMHeadModel(GPT2Config()).eval(), torch.randint(0, 50257, (1, 16)),"
        " {'use_cache': False}), depth=4, fold_repeats=True)",
    ),
    (
        "figure3_unrolled",
        "The recurrent model of the paper's Figure 3A, unrolled",
        "from models import Figure3",
        "draw(tl.get_model_structure(Figure3(), torch.rand(6, 5)))",
    ),
    (
        "figure3_rolled",
        "The same, rolled",
        "from models import Figure3",
        "draw(tl.get_model_structure(Figure3(), torch.rand(6, 5)), mode='rolled')",
    ),
    (
        "rnn_unrolled",
        "A recurrent network over four steps, unrolled",
        "from models import SimpleRNN",
        "draw(tl.get_model_structure(SimpleRNN(), torch.rand(2, 4, 8)))",
    ),
    (
        "rnn_rolled",
        "The same, rolled",
        "from models import SimpleRNN",
        "draw(tl.get_model_structure(SimpleRNN(), torch.rand(2, 4, 8)), mode='rolled')",
    ),
    (
        "unet",
        "A U-Net, its double convolutions collapsed",
        "from models import UNet",
        "draw(tl.get_model_structure(UNet(), torch.rand(1, 3, 64, 64)), depth=1)",
    ),
    (
        "unet_memory",
        "The same in full, coloured by the memory of its tensors, dark",
        "from models import UNet",
        "draw(tl.get_model_structure(UNet(), torch.rand(1, 3, 64, 64)), color_by='tensor_fsize', theme='dark')",
    ),
    (
        "detection",
        "The head of a detection model, SSDlite, two levels deep",
        "from torchvision.models.detection import ssdlite320_mobilenet_v3_large",
        "draw(tl.get_model_structure(ssdlite320_mobilenet_v3_large(weights_backbone=None).eval(),"
        " ([torch.rand(3, 320, 320)],)), module='head', depth=2, direction='LR')",
    ),
    (
        "if",
        "A model that decides, with the positions of a division's operands",
        "from models import Gate",
        "draw(tl.get_model_structure(Gate(), torch.rand(2, 6)))",
    ),
    (
        "noise_and_buffers",
        "Noise made inside the model, and buffers",
        "from models import NoisyNorm",
        "draw(tl.get_model_structure(NoisyNorm().eval(), torch.rand(1, 3, 16, 16)), show_buffers=True)",
    ),
]


def main(names: list[str]) -> None:
    """Draw the pictures named, or all, and write the page."""
    sys.path.insert(0, str(HERE))
    for name, _, preparation, line in ENTRIES:
        if names and name not in names:
            continue
        space = {"torch": torch, "tl": tl, "draw": draw}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(preparation, space)
            torch.manual_seed(0)
            with torch.no_grad():
                graph = eval(line, space)
        path = write(graph, HERE / f"{name}.svg")
        print(f"{path.name:28} {path.stat().st_size / 1024:7.0f} KB  {graph!r}")
    (HERE / "README.md").write_text("\n".join([INTRODUCTION, *map(section, ENTRIES)]), encoding="utf-8")


def section(entry: tuple[str, str, str, str]) -> str:
    """Return what the page says about a picture."""
    name, title, preparation, line = entry
    code = f'{preparation}\n\ngraph = {line}\nwrite(graph, "{name}.svg")'
    return f"## {title}\n\n```python\n{code}\n```\n\n![{title}]({name}.svg)\n"


if __name__ == "__main__":
    main(sys.argv[1:])
