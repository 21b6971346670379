"""What should a model have answered?

Labels for a forward with a loss, by the kind of head that the name of the class tells.
"""

from __future__ import annotations

from typing import Any

import torch

_LABELS = 2


def labels_for(model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments that hold the labels of these inputs."""
    name = type(model).__name__
    first = next(iter(inputs.values()))
    n = first.shape[0]
    if name.endswith("ObjectDetection"):
        return {"labels": [_boxes() for _ in range(n)]}
    if name.endswith(("UniversalSegmentation", "InstanceSegmentation")):
        height, width = first.shape[-2:]
        masks = [(torch.rand(_LABELS, height, width) > 0.5).float() for _ in range(n)]
        return {"mask_labels": masks, "class_labels": [torch.arange(_LABELS) for _ in range(n)]}
    if name.endswith("SemanticSegmentation"):
        return {"labels": torch.randint(0, _LABELS, (n, *first.shape[-2:]))}
    if name.endswith("CTC"):
        return {"labels": torch.randint(1, 16, (n, 2))}
    if name.endswith("Classification") and "Token" not in name:
        return {"labels": torch.arange(n) % _LABELS}
    return {"labels": inputs.get("decoder_input_ids", inputs.get("input_ids")).clone()}


def _boxes() -> dict[str, torch.Tensor]:
    """Two objects: their classes, and their boxes by centre and size in parts of the picture."""
    return {"class_labels": torch.tensor([0, 1]), "boxes": torch.tensor([[0.3, 0.3, 0.2, 0.2], [0.6, 0.6, 0.3, 0.4]])}
