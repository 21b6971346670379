"""Every model of torchvision."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from zoo._catalogue import Case, Entry

PRELOAD = ("torchvision",)

_CLASSIFICATION = """
alexnet resnet18
"""


def entries() -> Iterator[Entry]:
    """All of them."""
    for name in _CLASSIFICATION.split():
        yield Entry(f"torchvision/{name}", "torchvision classification", "torchvision", partial(_classifier, name))


def _classifier(name: str) -> Case:
    import torch
    import torchvision

    return torchvision.models.get_model(name, weights=None), (torch.rand(2, 3, 224, 224),), {}
