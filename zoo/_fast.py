"""Which models run in CI?

About sixty that are quick and together cover every fault that the zoo has found, each with what it is there for.
"""

from __future__ import annotations

FAST: dict[str, str] = {
    "torchvision/alexnet": "the paper's Figure 1",
    "torchvision/resnet18": "residual blocks, a ReLU that is called twice",
}
"""Name of each model, and what it covers."""
