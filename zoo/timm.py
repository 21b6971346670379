"""timm: the smallest model of every architecture, and every other one on request.

`zoo/timm.txt` lists all names; it is written by `zoo/_timm_names.py`, which also found how small an image the smallest
ones take and how many million parameters they have. How small an image another one takes is found when it is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from zoo._catalogue import Case, Entry

PRELOAD = ("timm",)

_IN_TRAINING = """
convnext_zepto_rms csatv2 efficientnet_lite0 mixer_s16_224 nf_regnet_b0 resnest14d resnetblur18 test_vit
test_efficientnet test_resnet tresnet_m
"""
"""Some once more with dropout, stochastic depth and batch statistics."""


def entries() -> Iterator[Entry]:
    """All of them: the smallest of each architecture by their size, some once more in training, then the others."""
    lines = [line.split() for line in Path(__file__).with_suffix(".txt").read_text().splitlines()]
    smallest = {line[0]: (int(line[1]), line[2], float(line[3])) for line in lines if len(line) == 4}
    for name, (width, how, _) in sorted(smallest.items(), key=lambda item: item[1][2]):
        yield _entry(name, partial(_image_model, name, width, how), notes=f"{width} pixels")
    for name in _IN_TRAINING.split():
        width, how, _ = smallest[name]
        yield _entry(f"{name}.train", partial(_image_model, name, width, how), mode="train", notes=f"{width} pixels")
    for name, *found in lines:
        if not found:
            yield _entry(name, partial(_image_model, name), on_request=True)


def _entry(name: str, build: partial[Case], **more: object) -> Entry:
    family = "timm smallest of each architecture" if not more.get("on_request") else "timm others"
    return Entry(f"timm/{name}", family, "timm", build, **more)  # pyright: ignore[reportArgumentType]


def library_names() -> set[str]:
    """What the installed timm has."""
    import timm

    return {f"timm/{name}" for name in timm.list_models()}


def _image_model(name: str, width: int | None = None, how: str = "own") -> Case:
    import timm
    import torch

    from zoo._timm_names import small_image

    if width is None:
        width, how = small_image(name)
    model = timm.create_model(name, **({"img_size": width} if how == "given" else {}))
    return model, (torch.rand(2, 3, width, width),), {}
