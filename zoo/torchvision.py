"""Every model of torchvision: `python -m zoo missing` compares these lists with what the library has.

Images are 64 pixels wide where the architecture allows it, so that a model takes seconds.  Detectors tell four classes
apart instead of 91, so that random weights detect something, and report eight findings an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from zoo._catalogue import Case, Entry

PRELOAD = ("torchvision",)

_CLASSIFICATION = """
alexnet convnext_base convnext_large convnext_small convnext_tiny densenet121 densenet161 densenet169 densenet201
efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6
efficientnet_b7 efficientnet_v2_l efficientnet_v2_m efficientnet_v2_s googlenet inception_v3 maxvit_t mnasnet0_5
mnasnet0_75 mnasnet1_0 mnasnet1_3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_16gf regnet_x_1_6gf
regnet_x_32gf regnet_x_3_2gf regnet_x_400mf regnet_x_800mf regnet_x_8gf regnet_y_128gf regnet_y_16gf regnet_y_1_6gf
regnet_y_32gf regnet_y_3_2gf regnet_y_400mf regnet_y_800mf regnet_y_8gf resnet101 resnet152 resnet18 resnet34 resnet50
resnext101_32x8d resnext101_64x4d resnext50_32x4d wide_resnet101_2 wide_resnet50_2 shufflenet_v2_x0_5
shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 swin_b swin_s swin_t swin_v2_b
swin_v2_s swin_v2_t vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn vit_b_16 vit_b_32 vit_h_14 vit_l_16
vit_l_32
"""
_IN_TRAINING = """
alexnet convnext_tiny densenet121 efficientnet_b0 efficientnet_v2_s googlenet inception_v3 maxvit_t mnasnet0_5
mobilenet_v2 mobilenet_v3_small regnet_y_400mf resnet18 shufflenet_v2_x0_5 squeezenet1_1 swin_t swin_v2_t vgg11_bn
vit_b_32
"""
"""One of each family once more, with dropout, stochastic depth, batch statistics and auxiliary heads."""
_IMAGE = {"inception_v3": 299, "maxvit_t": 224, "alexnet": 224, "vit_h_14": 56}
"""Widths that an architecture needs; others see 64 pixels."""
_OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False},
    "vit_b_16": {"image_size": 64},
    "vit_b_32": {"image_size": 64},
    "vit_l_16": {"image_size": 64},
    "vit_l_32": {"image_size": 64},
    "vit_h_14": {"image_size": 56},
}
_SEGMENTATION = """
deeplabv3_mobilenet_v3_large deeplabv3_resnet101 deeplabv3_resnet50 fcn_resnet101 fcn_resnet50
lraspp_mobilenet_v3_large
"""
_DETECTION = """
fasterrcnn_mobilenet_v3_large_320_fpn fasterrcnn_mobilenet_v3_large_fpn fasterrcnn_resnet50_fpn
fasterrcnn_resnet50_fpn_v2 fcos_resnet50_fpn keypointrcnn_resnet50_fpn maskrcnn_resnet50_fpn maskrcnn_resnet50_fpn_v2
retinanet_resnet50_fpn retinanet_resnet50_fpn_v2 ssd300_vgg16 ssdlite320_mobilenet_v3_large
"""
_VIDEO: dict[str, tuple[int, int]] = {
    "mc3_18": (8, 56),
    "r2plus1d_18": (8, 56),
    "r3d_18": (8, 56),
    "mvit_v1_b": (16, 224),
    "mvit_v2_s": (16, 224),
    "s3d": (16, 224),
    "swin3d_b": (8, 64),
    "swin3d_s": (8, 64),
    "swin3d_t": (8, 64),
}
"""Frames and width of each video model."""
_QUANTIZED = """
quantized_googlenet quantized_inception_v3 quantized_mobilenet_v2 quantized_mobilenet_v3_large quantized_resnet18
quantized_resnet50 quantized_resnext101_32x8d quantized_resnext101_64x4d quantized_shufflenet_v2_x0_5
quantized_shufflenet_v2_x1_0 quantized_shufflenet_v2_x1_5 quantized_shufflenet_v2_x2_0
"""
_FLOW = "raft_large raft_small"


def entries() -> Iterator[Entry]:
    """All of them, families of images first."""
    yield from _each("classification", _CLASSIFICATION, _classifier)
    yield from _each("classification", _IN_TRAINING, _classifier, is_training=True)
    yield from _each("segmentation", _SEGMENTATION, _segmenter)
    yield from _each("segmentation", _SEGMENTATION, _segmenter, is_training=True)
    yield from _each("detection", _DETECTION, _detector)
    yield from _each("detection", _DETECTION, _detector_in_training, is_training=True)
    yield from _each("optical flow", _FLOW, _flow)
    yield from _each("video", " ".join(_VIDEO), _video)
    for name in _QUANTIZED.split():
        yield Entry(f"torchvision/{name}", "torchvision quantized", "torchvision", partial(_quantized, name, True))
        note = "the quantisable model before it is quantised"
        plain = partial(_quantized, name, False)
        yield Entry(f"torchvision/{name}.float", "torchvision quantized", "torchvision", plain, notes=note)


def _each(family: str, names: str, build: Any, *, is_training: bool = False) -> Iterator[Entry]:
    for name in names.split():
        yield Entry(
            f"torchvision/{name}" + (".train" if is_training else ""),
            f"torchvision {family}",
            "torchvision",
            partial(build, name),
            "train" if is_training else "eval",
        )


def library_names() -> set[str]:
    """What the installed torchvision has."""
    import torchvision

    return {f"torchvision/{name}" for name in torchvision.models.list_models()}


def _model(name: str, **options: Any) -> Any:
    import torchvision

    return torchvision.models.get_model(name, weights=None, **options)


def _images(*shape: int) -> Any:
    import torch

    return torch.rand(*shape)


def _classifier(name: str) -> Case:
    width = _IMAGE.get(name, 64)
    return _model(name, **_OPTIONS.get(name, {})), (_images(2, 3, width, width),), {}


def _segmenter(name: str) -> Case:
    options = {} if name.startswith("lraspp") else {"aux_loss": True}
    return _model(name, weights_backbone=None, num_classes=5, **options), (_images(2, 3, 64, 64),), {}


def _detector(name: str) -> Case:
    options = {} if name.startswith("ssd") else {"min_size": 96, "max_size": 128}
    options["box_detections_per_img" if "rcnn" in name else "detections_per_img"] = 8
    model = _model(name, weights_backbone=None, num_classes=5, **options)
    return model, ([_images(3, 96, 128), _images(3, 96, 96)],), {}


def _detector_in_training(name: str) -> Case:
    import torch

    model, (images,), _ = _detector(name)
    targets = []
    for image in images:
        height, width = image.shape[-2:]
        target = {
            "boxes": torch.tensor([[5.0, 5.0, 60.0, 70.0], [30.0, 20.0, 90.0, 90.0]]),
            "labels": torch.tensor([1, 3]),
        }
        if name.startswith("maskrcnn"):
            target["masks"] = torch.zeros(2, height, width, dtype=torch.uint8)
            target["masks"][:, 10:60, 10:50] = 1
        if name.startswith("keypointrcnn"):
            target["labels"] = torch.tensor([1, 1])
            target["keypoints"] = torch.cat([torch.rand(2, 17, 2) * 50 + 10, torch.ones(2, 17, 1)], dim=2)
        targets.append(target)
    return model, (images, targets), {}


def _flow(name: str) -> Case:
    return _model(name), (_images(1, 3, 128, 128), _images(1, 3, 128, 128)), {"num_flow_updates": 3}


def _video(name: str) -> Case:
    frames, width = _VIDEO[name]
    return _model(name), (_images(1, 3, frames, width, width),), {}


def _quantized(name: str, is_quantized: bool) -> Case:
    options = {"init_weights": False} if name.endswith(("googlenet", "inception_v3")) else {}
    width = 299 if name.endswith("inception_v3") else 64
    return _model(name, quantize=is_quantized, **options), (_images(2, 3, width, width),), {}
