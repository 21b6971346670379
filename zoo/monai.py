"""monai's networks for medical images, on small volumes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from zoo._catalogue import Case, Entry

PRELOAD = ("monai", "monai.networks.nets")

_VOLUME = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2}
_PLANE = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2}

_NETS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "UNet": ("UNet", {**_VOLUME, "channels": (4, 8, 16), "strides": (2, 2), "num_res_units": 2}, (1, 1, 16, 16, 16)),
    "AttentionUnet": ("AttentionUnet", {**_VOLUME, "channels": (4, 8, 16), "strides": (2, 2)}, (1, 1, 16, 16, 16)),
    "BasicUNet": ("BasicUNet", {**_VOLUME, "features": (4, 4, 8, 8, 16, 4)}, (1, 1, 32, 32, 32)),
    "BasicUNetPlusPlus": (
        "BasicUNetPlusPlus",
        {**_PLANE, "features": (4, 4, 8, 8, 16, 4), "deep_supervision": True},
        (1, 1, 32, 32),
    ),
    "DynUNet": (
        "DynUNet",
        {
            **_VOLUME,
            "kernel_size": [3, 3, 3],
            "strides": [1, 2, 2],
            "upsample_kernel_size": [2, 2],
            "filters": [4, 8, 16],
            "res_block": True,
        },
        (1, 1, 16, 16, 16),
    ),
    "SegResNet": ("SegResNet", {**_VOLUME, "init_filters": 8}, (1, 1, 16, 16, 16)),
    "SegResNetVAE": (
        "SegResNetVAE",
        {**_VOLUME, "init_filters": 8, "input_image_size": (16, 16, 16), "vae_nz": 8},
        (1, 1, 16, 16, 16),
    ),
    "SegResNetDS": ("SegResNetDS", {**_VOLUME, "init_filters": 8, "dsdepth": 2}, (1, 1, 32, 32, 32)),
    "UNETR": (
        "UNETR",
        {
            **_VOLUME,
            "img_size": (32, 32, 32),
            "feature_size": 4,
            "hidden_size": 24,
            "mlp_dim": 32,
            "num_heads": 4,
        },
        (1, 1, 32, 32, 32),
    ),
    "SwinUNETR": ("SwinUNETR", {**_VOLUME, "feature_size": 12}, (1, 1, 64, 64, 64)),
    "SwinUNETR.v2": ("SwinUNETR", {**_PLANE, "feature_size": 12, "use_v2": True}, (1, 1, 64, 64)),
    "VNet": ("VNet", _VOLUME, (1, 1, 16, 16, 16)),
    "VISTA.SegResNetDS2": ("SegResNetDS2", {**_VOLUME, "init_filters": 8, "dsdepth": 2}, (1, 1, 32, 32, 32)),
    "FlexibleUNet": (
        "FlexibleUNet",
        {"in_channels": 3, "out_channels": 2, "backbone": "efficientnet-b0", "spatial_dims": 2},
        (1, 3, 64, 64),
    ),
    "HighResNet": ("HighResNet", _VOLUME, (1, 1, 8, 8, 8)),
    "DenseNet121": ("DenseNet121", _PLANE, (2, 1, 32, 32)),
    "SENet154": ("SENet154", {"spatial_dims": 2, "in_channels": 3, "num_classes": 2}, (2, 3, 64, 64)),
    "SEResNet50": ("SEResNet50", {"spatial_dims": 2, "in_channels": 3, "num_classes": 2}, (2, 3, 64, 64)),
    "resnet18": ("resnet18", {"spatial_dims": 3, "n_input_channels": 1, "num_classes": 2}, (1, 1, 16, 16, 16)),
    "EfficientNetBN": (
        "EfficientNetBN",
        {"model_name": "efficientnet-b0", "pretrained": False, "spatial_dims": 2, "in_channels": 1, "num_classes": 2},
        (2, 1, 64, 64),
    ),
    "ViT": (
        "ViT",
        {
            "in_channels": 1,
            "img_size": (16, 16, 16),
            "patch_size": (8, 8, 8),
            "hidden_size": 24,
            "mlp_dim": 32,
            "num_layers": 2,
            "num_heads": 4,
            "classification": True,
        },
        (2, 1, 16, 16, 16),
    ),
    "ViTAutoEnc": (
        "ViTAutoEnc",
        {
            "in_channels": 1,
            "img_size": (16, 16, 16),
            "patch_size": (4, 4, 4),
            "hidden_size": 24,
            "mlp_dim": 32,
            "num_layers": 2,
            "num_heads": 4,
        },
        (1, 1, 16, 16, 16),
    ),
    "MaskedAutoEncoderViT": (
        "MaskedAutoEncoderViT",
        {
            "in_channels": 1,
            "img_size": (16, 16, 16),
            "patch_size": (4, 4, 4),
            "hidden_size": 24,
            "mlp_dim": 32,
            "num_layers": 2,
            "num_heads": 4,
            "decoder_hidden_size": 24,
            "decoder_mlp_dim": 32,
            "decoder_num_layers": 1,
            "decoder_num_heads": 4,
        },
        (1, 1, 16, 16, 16),
    ),
    "AutoEncoder": ("AutoEncoder", {**_PLANE, "channels": (4, 8), "strides": (2, 2)}, (2, 1, 16, 16)),
    "VarAutoEncoder": (
        "VarAutoEncoder",
        {
            "spatial_dims": 2,
            "in_shape": (1, 16, 16),
            "out_channels": 1,
            "latent_size": 4,
            "channels": (4, 8),
            "strides": (2, 2),
        },
        (2, 1, 16, 16),
    ),
    "Classifier": (
        "Classifier",
        {"in_shape": (1, 16, 16), "classes": 3, "channels": (4, 8), "strides": (2, 2)},
        (2, 1, 16, 16),
    ),
    "Regressor": (
        "Regressor",
        {"in_shape": (1, 16, 16), "out_shape": 3, "channels": (4, 8), "strides": (2, 2)},
        (2, 1, 16, 16),
    ),
    "Discriminator": (
        "Discriminator",
        {"in_shape": (1, 16, 16), "channels": (4, 8), "strides": (2, 2)},
        (2, 1, 16, 16),
    ),
    "Generator": (
        "Generator",
        {"latent_shape": (4,), "start_shape": (8, 4, 4), "channels": (8, 4), "strides": (2, 2)},
        (2, 4),
    ),
    "GlobalNet": (
        "GlobalNet",
        {"image_size": (16, 16), "spatial_dims": 2, "in_channels": 2, "num_channel_initial": 4, "depth": 2},
        (1, 2, 16, 16),
    ),
    "RegUNet": (
        "RegUNet",
        {"spatial_dims": 2, "in_channels": 2, "num_channel_initial": 4, "depth": 2, "out_channels": 2},
        (1, 2, 16, 16),
    ),
    "LocalNet": (
        "LocalNet",
        {
            "spatial_dims": 2,
            "in_channels": 2,
            "num_channel_initial": 4,
            "extract_levels": (0, 1),
            "out_channels": 2,
            "out_kernel_initializer": "zeros",
            "out_activation": None,
        },
        (1, 2, 16, 16),
    ),
    "VoxelMorphUNet": (
        "VoxelMorphUNet",
        {
            "spatial_dims": 2,
            "in_channels": 2,
            "unet_out_channels": 8,
            "channels": (4, 4, 8, 8, 8, 8),
            "final_conv_channels": (4, 4),
        },
        (1, 2, 16, 16),
    ),
    "MILModel": (
        "MILModel",
        {"num_classes": 2, "mil_mode": "att_trans", "pretrained": False, "backbone": "resnet18"},
        (1, 4, 3, 64, 64),
    ),
    "TorchVisionFCModel": (
        "TorchVisionFCModel",
        {"model_name": "resnet18", "num_classes": 2, "pretrained": False},
        (2, 3, 224, 224),
    ),
    "HoVerNet": ("HoVerNet", {"mode": "fast", "out_classes": 3}, (1, 3, 256, 256)),
    "DAF3D": ("DAF3D", {"in_channels": 1, "out_channels": 2, "visual_output": False}, (1, 1, 16, 32, 32)),
    "DiNTS": ("TopologyInstance", {}, (1, 1, 32, 32, 32)),
    "DiffusionModelUNet": (
        "DiffusionModelUNet",
        {
            "spatial_dims": 2,
            "in_channels": 1,
            "out_channels": 1,
            "channels": (8, 8),
            "attention_levels": (False, True),
            "norm_num_groups": 4,
            "num_res_blocks": 1,
            "num_head_channels": 4,
        },
        (1, 1, 16, 16),
    ),
    "AutoencoderKL": (
        "AutoencoderKL",
        {
            "spatial_dims": 2,
            "in_channels": 1,
            "out_channels": 1,
            "channels": (8, 8),
            "latent_channels": 4,
            "attention_levels": (False, True),
            "norm_num_groups": 4,
            "num_res_blocks": 1,
        },
        (1, 1, 16, 16),
    ),
    "VQVAE": (
        "VQVAE",
        {
            **_PLANE,
            "out_channels": 1,
            "channels": (8, 8),
            "num_res_layers": 1,
            "num_res_channels": (8, 8),
            "downsample_parameters": ((2, 4, 1, 1), (2, 4, 1, 1)),
            "upsample_parameters": ((2, 4, 1, 1, 0), (2, 4, 1, 1, 0)),
            "num_embeddings": 16,
            "embedding_dim": 8,
        },
        (1, 1, 16, 16),
    ),
    "PatchDiscriminator": (
        "PatchDiscriminator",
        {"spatial_dims": 2, "channels": 4, "in_channels": 1, "num_layers_d": 2},
        (1, 1, 32, 32),
    ),
    "FullyConnectedNet": (
        "FullyConnectedNet",
        {"in_channels": 6, "out_channels": 3, "hidden_channels": [8, 8], "dropout": 0.1},
        (2, 6),
    ),
    "NetAdapter": ("NetAdapter", {}, (2, 3, 224, 224)),
}
"""For each entry the class, its options and the shape of the image."""

_IN_TRAINING = "UNet DynUNet SegResNetDS SwinUNETR ViT VarAutoEncoder BasicUNetPlusPlus VQVAE SegResNetVAE"


def entries() -> Iterator[Entry]:
    """All of them in eval mode, then some in training."""
    for name in _NETS:
        yield _entry(name, partial(_net, name))
    for name in _IN_TRAINING.split():
        yield _entry(f"{name}.train", partial(_net, name), mode="train")


def _entry(name: str, build: partial[Case], **more: Any) -> Entry:
    return Entry(f"monai/{name}", "monai", "monai", build, **more)


def _net(name: str) -> Case:
    import torch
    from monai.networks import nets

    class_name, options, shape = _NETS[name]
    image = torch.rand(*shape)
    if name == "DiNTS":
        space = nets.TopologyInstance(channel_mul=0.2, num_blocks=6, num_depths=3, use_downsample=True, device="cpu")
        return nets.DiNTS(space, in_channels=1, num_classes=2, use_downsample=True), (image,), {}
    if name == "NetAdapter":
        import torchvision

        return nets.NetAdapter(torchvision.models.resnet18(weights=None), num_classes=2, dim=2), (image,), {}
    more = (torch.tensor([3]),) if name == "DiffusionModelUNet" else ()
    return getattr(nets, class_name)(**options), (image, *more), {}
