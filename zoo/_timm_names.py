"""Which models has timm, which are the smallest of their architecture, and how small an image do they take?

    uv run --group zoo python -m zoo._timm_names > zoo/timm.txt

Everything is built and run on the meta device, which takes no memory and computes nothing.  One line a model: its name,
and for the smallest of each architecture the width of the image and how it is told (`given`: the model is built for it;
`any`: it takes what comes; `own`: only what it is made for).  An architecture is a module and class of timm with the
first word of the name; the last column is the size in millions of parameters.
"""

from __future__ import annotations

import re
from typing import Any

_WIDTHS = (64, 56, 96, 128)


def main() -> None:
    """Prints the table; takes some minutes."""
    import timm
    from timm.models import _registry

    smallest: dict[tuple[str, str, str], tuple[int, str]] = {}
    names = timm.list_models()
    for name in names:
        model = _on_meta(name)
        key = (_registry._model_to_module[name], type(model).__name__, architecture(name))
        found = (sum(p.numel() for p in model.parameters()), name)
        smallest[key] = min(smallest.get(key, found), found)
    chosen = {name: size for size, name in smallest.values()}
    for name in names:
        print(name, *((*small_image(name), f"{chosen[name] / 1e6:.1f}") if name in chosen else ()))


def architecture(name: str) -> str:
    """The first word of a name without the number of layers: `resnet` of `resnet18_x`."""
    words = name.split("_")
    first = "_".join(words[:2]) if words[0] in ("test", "legacy", "tf") else words[0]
    return first if re.search(r"v\d$", first) else re.sub(r"(?<=[a-z])\d+[a-z]*$", "", first)


def small_image(name: str) -> tuple[int, str]:
    """The smallest width that works, and how it is told."""
    for width in _WIDTHS:
        for how, options in (("given", {"img_size": width}), ("any", {})):
            if _works(name, width, options):
                return width, how
    return _on_meta(name).pretrained_cfg["input_size"][-1], "own"


def _works(name: str, width: int, options: dict[str, Any]) -> bool:
    import torch

    try:
        with torch.no_grad():
            model = _on_meta(name, **options).eval()
            model(torch.empty(2, 3, width, width, device="meta"))
    except Exception:  # whatever a model raises says that it does not take this
        return False
    return True


def _on_meta(name: str, **options: Any) -> Any:
    import timm
    import torch

    with torch.device("meta"):
        return timm.create_model(name, **options)


if __name__ == "__main__":
    main()
