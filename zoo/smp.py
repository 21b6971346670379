"""segmentation-models-pytorch: every decoder, on encoders of different kinds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from zoo._catalogue import Case, Entry

PRELOAD = ("segmentation_models_pytorch",)
_LIBRARY = "segmentation_models_pytorch"

_DECODERS = "Unet UnetPlusPlus MAnet Linknet FPN PSPNet PAN DeepLabV3 DeepLabV3Plus UPerNet Segformer DPT"
_ENCODERS = """
resnet18 vgg11 densenet121 efficientnet-b0 mobilenet_v2 mit_b0 mobileone_s0 tu-efficientnet_lite0 se_resnet50
timm-regnetx_002 xception dpn68 tu-convnext_atto resnext50_32x4d timm-resnest14d timm-gernet_s timm-skresnet18
"""


def entries() -> Iterator[Entry]:
    """Decoders on one encoder, in both modes, then encoders under one decoder."""
    for name in _DECODERS.split():
        yield _entry(name, partial(_segmenter, name))
        yield _entry(f"{name}.train", partial(_segmenter, name), mode="train")
    yield _entry("Unet.classifying", partial(_segmenter, "Unet", aux_params={"classes": 4, "dropout": 0.5}))
    yield _entry("Unet.attention", partial(_segmenter, "Unet", decoder_attention_type="scse"))
    for encoder in _ENCODERS.split()[1:]:
        yield _entry(f"Unet.{encoder}", partial(_segmenter, "Unet", encoder))


def _entry(name: str, build: partial[Case], **more: Any) -> Entry:
    return Entry(f"smp/{name}", "segmentation-models-pytorch", _LIBRARY, build, **more)


def _segmenter(name: str, encoder: str = "resnet18", **options: Any) -> Case:
    import segmentation_models_pytorch
    import torch

    if name == "DPT":
        encoder, options = "tu-vit_tiny_patch16_224", {"dynamic_img_size": True, **options}
    model = getattr(segmentation_models_pytorch, name)(
        encoder_name=encoder, encoder_weights=None, in_channels=3, classes=3, **options
    )
    width = 128 if name == "PAN" else 64
    return model, (torch.rand(2, 3, width, width),), {}
