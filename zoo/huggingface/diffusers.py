"""The U-Nets, transformers, autoencoders and adapters of diffusers, from tiny configs.

Each row says what the class is made with and what it is given: shapes of random numbers, or words for which
`zoo.huggingface._diffusion` makes the values.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from zoo._catalogue import Case, Entry

PRELOAD = (
    "diffusers",
    "diffusers.models.unets",
    "diffusers.models.transformers",
    "diffusers.models.autoencoders",
    "diffusers.models.controlnets",
    "diffusers.models.adapter",
)

Row = tuple[dict[str, Any], dict[str, Any]]

_BLOCKS = {"block_out_channels": (16, 32), "norm_num_groups": 8, "layers_per_block": 1}
_CROSS_2D = {
    **_BLOCKS,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 32,
}
_CROSS_3D = {
    **_BLOCKS,
    "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
    "cross_attention_dim": 32,
    "attention_head_dim": 8,
}
_CODER = {
    **_BLOCKS,
    "down_block_types": ("DownEncoderBlock2D", "DownEncoderBlock2D"),
    "up_block_types": ("UpDecoderBlock2D", "UpDecoderBlock2D"),
}
_HEADS = {"num_attention_heads": 2, "attention_head_dim": 16}
_PICTURE, _SMALL_VIDEO = (2, 4, 16, 16), (1, 4, 3, 8, 8)
_NOISE = {"sample": _PICTURE, "timestep": "time", "encoder_hidden_states": (2, 6, 32)}

UNETS: dict[str, Row] = {
    "UNet2DModel": (
        _BLOCKS
        | {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")},
        {"sample": (2, 3, 16, 16), "timestep": "time"},
    ),
    "UNet2DConditionModel": (_CROSS_2D, _NOISE),
    "UNet1DModel": (
        {"block_out_channels": (32, 32, 64), "sample_size": 64, "extra_in_channels": 64},
        {"sample": (2, 2, 64), "timestep": "time"},
    ),
    "UNet3DConditionModel": (
        _CROSS_3D,
        _NOISE | {"sample": (1, 4, 4, 16, 16), "encoder_hidden_states": (1, 6, 32), "timestep": "time1"},
    ),
    "UNetMotionModel": (
        _BLOCKS
        | {
            "down_block_types": ("CrossAttnDownBlockMotion", "DownBlockMotion"),
            "up_block_types": ("UpBlockMotion", "CrossAttnUpBlockMotion"),
            "cross_attention_dim": 32,
            "num_attention_heads": 2,
            "motion_num_attention_heads": 2,
            "motion_max_seq_length": 4,
        },
        {"sample": (1, 4, 4, 16, 16), "timestep": "time1", "encoder_hidden_states": (4, 6, 32)},
    ),
    "UNetSpatioTemporalConditionModel": (
        {
            "block_out_channels": (32, 64),
            "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
            "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
            "layers_per_block": 1,
            "cross_attention_dim": 32,
            "num_attention_heads": (2, 4),
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 24,
            "num_frames": 4,
        },
        {
            "sample": (1, 4, 8, 16, 16),
            "timestep": "time1",
            "encoder_hidden_states": (1, 1, 32),
            "added_time_ids": (1, 3),
        },
    ),
    "I2VGenXLUNet": (
        _CROSS_3D | {"num_attention_heads": 2},
        {
            "sample": (1, 4, 4, 16, 16),
            "timestep": "time1",
            "fps": "time1",
            "image_latents": (1, 4, 4, 16, 16),
            "image_embeddings": (1, 32),
            "encoder_hidden_states": (1, 6, 32),
        },
    ),
    "Kandinsky3UNet": (
        {
            "time_embedding_dim": 16,
            "groups": 4,
            "attention_head_dim": 8,
            "layers_per_block": 2,
            "block_out_channels": (16, 32),
            "cross_attention_dim": 16,
            "encoder_hid_dim": 32,
        },
        _NOISE | {"encoder_attention_mask": "mask6"},
    ),
    "StableCascadeUNet": (
        {
            "in_channels": 4,
            "out_channels": 4,
            "timestep_ratio_embedding_dim": 16,
            "conditioning_dim": 32,
            "block_out_channels": (32, 32),
            "num_attention_heads": (2, 2),
            "down_num_layers_per_block": (1, 2),
            "up_num_layers_per_block": (2, 1),
            "clip_text_pooled_in_channels": 32,
        },
        {"sample": _PICTURE, "timestep_ratio": "part", "clip_text_pooled": (2, 1, 32)},
    ),
    "UVit2DModel": (
        {
            "hidden_size": 32,
            "cond_embed_dim": 32,
            "micro_cond_encode_dim": 2,
            "micro_cond_embed_dim": 10,
            "encoder_hidden_size": 32,
            "vocab_size": 32,
            "codebook_size": 32,
            "in_channels": 32,
            "block_out_channels": 32,
            "num_res_blocks": 1,
            "block_num_heads": 2,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "sample_size": 4,
        },
        {
            "input_ids": "codes",
            "encoder_hidden_states": (2, 6, 32),
            "pooled_text_emb": (2, 32),
            "micro_conds": (2, 5),
        },
    ),
    "ControlNetModel": (
        {k: v for k, v in _CROSS_2D.items() if k != "up_block_types"}
        | {"conditioning_embedding_out_channels": (8, 16)},
        _NOISE | {"controlnet_cond": (2, 3, 32, 32)},
    ),
    "T2IAdapter": ({"channels": [16, 32], "num_res_blocks": 1, "downscale_factor": 2}, {"x": (2, 3, 32, 32)}),
}

_FLUX = {"in_channels": 4, "num_layers": 1, "num_single_layers": 1, **_HEADS, "joint_attention_dim": 32}
_FLUX_INPUTS = {
    "hidden_states": (2, 16, 4),
    "encoder_hidden_states": (2, 6, 32),
    "timestep": "part",
    "img_ids": "places16",
    "txt_ids": "places6",
}
_DIT = {**_HEADS, "num_layers": 2, "in_channels": 4, "sample_size": 8, "patch_size": 2}

TRANSFORMERS: dict[str, Row] = {
    "DiTTransformer2DModel": (
        _DIT | {"norm_num_groups": 8, "num_embeds_ada_norm": 16},
        {"hidden_states": (2, 4, 8, 8), "timestep": "time", "class_labels": "classes"},
    ),
    "PixArtTransformer2DModel": (
        _DIT | {"cross_attention_dim": 32, "caption_channels": 32, "use_additional_conditions": False},
        {
            "hidden_states": (2, 4, 8, 8),
            "encoder_hidden_states": (2, 6, 32),
            "timestep": "time",
            "added_cond_kwargs": "nothing added",
        },
    ),
    "SD3Transformer2DModel": (
        _DIT
        | {"joint_attention_dim": 32, "caption_projection_dim": 32, "pooled_projection_dim": 32, "out_channels": 4}
        | {"pos_embed_max_size": 8, "dual_attention_layers": (0,), "qk_norm": "rms_norm"},
        {
            "hidden_states": (2, 4, 8, 8),
            "encoder_hidden_states": (2, 6, 32),
            "pooled_projections": (2, 32),
            "timestep": "time",
        },
    ),
    "AuraFlowTransformer2DModel": (
        {"sample_size": 8, "num_mmdit_layers": 1, "num_single_dit_layers": 1, **_HEADS}
        | {"joint_attention_dim": 32, "caption_projection_dim": 32, "pos_embed_max_size": 16},
        {"hidden_states": (2, 4, 8, 8), "encoder_hidden_states": (2, 6, 32), "timestep": "part"},
    ),
    "FluxTransformer2DModel": (
        _FLUX | {"pooled_projection_dim": 32, "axes_dims_rope": (4, 4, 8), "guidance_embeds": True},
        _FLUX_INPUTS | {"pooled_projections": (2, 32), "guidance": "part"},
    ),
    "FluxControlNetModel": (
        _FLUX | {"pooled_projection_dim": 32, "axes_dims_rope": (4, 4, 8)},
        _FLUX_INPUTS | {"pooled_projections": (2, 32), "controlnet_cond": (2, 16, 4)},
    ),
    "ChromaTransformer2DModel": (
        _FLUX
        | {"axes_dims_rope": (4, 4, 8), "approximator_num_channels": 8, "approximator_hidden_dim": 16}
        | {"approximator_layers": 1},
        _FLUX_INPUTS,
    ),
    "SanaTransformer2DModel": (
        {"in_channels": 4, "out_channels": 4, **_HEADS, "num_layers": 2, "num_cross_attention_heads": 2}
        | {"cross_attention_head_dim": 16, "cross_attention_dim": 32, "caption_channels": 32, "sample_size": 8},
        {"hidden_states": (2, 4, 8, 8), "encoder_hidden_states": (2, 6, 32), "timestep": "time"},
    ),
    "CogView3PlusTransformer2DModel": (
        {"in_channels": 4, "out_channels": 4, **_HEADS, "num_layers": 2, "text_embed_dim": 32, "time_embed_dim": 16}
        | {"condition_dim": 8, "pos_embed_max_size": 8, "sample_size": 8},
        {"hidden_states": (2, 4, 8, 8), "encoder_hidden_states": (2, 6, 32), "timestep": "time"}
        | dict.fromkeys(("original_size", "target_size", "crop_coords"), (2, 2)),
    ),
    "CogView4Transformer2DModel": (
        {"in_channels": 4, "out_channels": 4, **_HEADS, "num_layers": 2, "text_embed_dim": 32, "time_embed_dim": 16}
        | {"condition_dim": 8, "pos_embed_max_size": 8, "sample_size": 8, "rope_axes_dim": (8, 8)},
        {"hidden_states": (2, 4, 8, 8), "encoder_hidden_states": (2, 6, 32), "timestep": "time"}
        | dict.fromkeys(("original_size", "target_size", "crop_coords"), (2, 2)),
    ),
    "CogVideoXTransformer3DModel": (
        {"in_channels": 4, "out_channels": 4, **_HEADS, "num_layers": 2, "text_embed_dim": 32, "time_embed_dim": 8}
        | {"sample_width": 8, "sample_height": 8, "sample_frames": 9, "max_text_seq_length": 6},
        {"hidden_states": (1, 3, 4, 8, 8), "encoder_hidden_states": (1, 6, 32), "timestep": "time1"},
    ),
    "HunyuanDiT2DModel": (
        {**_HEADS, "in_channels": 4, "patch_size": 2, "sample_size": 8, "hidden_size": 32, "num_layers": 2}
        | {"cross_attention_dim": 32, "cross_attention_dim_t5": 32, "pooled_projection_dim": 16, "text_len": 6}
        | {"text_len_t5": 6, "use_style_cond_and_image_meta_size": False},
        {
            "hidden_states": (2, 4, 8, 8),
            "timestep": "part",
            "encoder_hidden_states": (2, 6, 32),
            "text_embedding_mask": "mask6",
            "encoder_hidden_states_t5": (2, 6, 32),
            "text_embedding_mask_t5": "mask6",
            "image_rotary_emb": "rotation16x16",
        },
    ),
    "HunyuanVideoTransformer3DModel": (
        {"in_channels": 4, "out_channels": 4, **_HEADS, "num_layers": 1, "num_single_layers": 1, "text_embed_dim": 32}
        | {"num_refiner_layers": 1, "pooled_projection_dim": 16, "rope_axes_dim": (4, 4, 8)},
        {
            "hidden_states": _SMALL_VIDEO,
            "timestep": "time1",
            "encoder_hidden_states": (1, 6, 32),
            "encoder_attention_mask": "mask1x6",
            "pooled_projections": (1, 16),
            "guidance": "time1",
        },
    ),
    "LTXVideoTransformer3DModel": (
        {"in_channels": 4, "out_channels": 4, **_HEADS, "cross_attention_dim": 32, "num_layers": 2}
        | {"caption_channels": 32},
        {
            "hidden_states": (2, 32, 4),
            "encoder_hidden_states": (2, 6, 32),
            "timestep": "time",
            "encoder_attention_mask": "mask6",
            "num_frames": "two",
            "height": "four",
            "width": "four",
        },
    ),
    "LatteTransformer3DModel": (
        _DIT
        | {"cross_attention_dim": 32, "caption_channels": 32, "video_length": 3, "out_channels": 4}
        | {"num_embeds_ada_norm": 16, "norm_type": "ada_norm_single", "norm_elementwise_affine": False},
        {"hidden_states": _SMALL_VIDEO, "timestep": "time1", "encoder_hidden_states": (1, 6, 32)},
    ),
    "Lumina2Transformer2DModel": (
        {"sample_size": 8, "in_channels": 4, "hidden_size": 32, "num_layers": 2, "num_refiner_layers": 1}
        | {"num_attention_heads": 2, "num_kv_heads": 1, "multiple_of": 16, "axes_dim_rope": (4, 4, 8)}
        | {"axes_lens": (32, 32, 32), "cap_feat_dim": 32},
        {
            "hidden_states": (2, 4, 8, 8),
            "timestep": "part",
            "encoder_hidden_states": (2, 6, 32),
            "encoder_attention_mask": "true6",
        },
    ),
    "MochiTransformer3DModel": (
        {**_HEADS, "in_channels": 4, "num_layers": 2, "pooled_projection_dim": 16, "text_embed_dim": 32}
        | {"time_embed_dim": 8, "max_sequence_length": 6},
        {
            "hidden_states": _SMALL_VIDEO,
            "encoder_hidden_states": (1, 6, 32),
            "timestep": "time1",
            "encoder_attention_mask": "true1x6",
        },
    ),
    "PriorTransformer": (
        {**_HEADS, "num_layers": 2, "embedding_dim": 16, "num_embeddings": 6},
        {
            "hidden_states": (2, 16),
            "timestep": "time",
            "proj_embedding": (2, 16),
            "encoder_hidden_states": (2, 6, 16),
        },
    ),
    "QwenImageTransformer2DModel": (
        {"in_channels": 4, "out_channels": 1, "num_layers": 2, **_HEADS, "joint_attention_dim": 32}
        | {"axes_dims_rope": (4, 4, 8)},
        {
            "hidden_states": (2, 16, 4),
            "encoder_hidden_states": (2, 6, 32),
            "encoder_hidden_states_mask": "mask6",
            "timestep": "part",
            "img_shapes": "shapes",
        },
    ),
    "StableAudioDiTModel": (
        {"sample_size": 16, "in_channels": 4, "out_channels": 4, "num_layers": 2, **_HEADS}
        | {"num_key_value_attention_heads": 2, "cross_attention_dim": 32, "time_proj_dim": 8}
        | {"global_states_input_dim": 32, "cross_attention_input_dim": 32},
        {
            "hidden_states": (2, 4, 16),
            "timestep": "part",
            "encoder_hidden_states": (2, 6, 32),
            "global_hidden_states": (2, 1, 32),
            "rotary_embedding": "rotation17x8",
        },
    ),
    "Transformer2DModel": (
        {**_HEADS, "in_channels": 32, "norm_num_groups": 8, "cross_attention_dim": 32},
        {"hidden_states": (2, 32, 8, 8), "encoder_hidden_states": (2, 6, 32)},
    ),
    "TransformerTemporalModel": (
        {**_HEADS, "in_channels": 32, "norm_num_groups": 8},
        {"hidden_states": (4, 32, 4, 4), "num_frames": "two"},
    ),
    "WanTransformer3DModel": (
        {**_HEADS, "in_channels": 4, "out_channels": 4, "text_dim": 32, "freq_dim": 32, "ffn_dim": 32, "num_layers": 2}
        | {"rope_max_seq_len": 32},
        {"hidden_states": _SMALL_VIDEO, "timestep": "time1", "encoder_hidden_states": (1, 6, 32)},
    ),
    "T5FilmDecoder": (
        {"input_dims": 16, "targets_length": 8, "d_model": 32, "num_layers": 2, "num_heads": 2, "d_kv": 16, "d_ff": 32},
        {"encodings_and_masks": "encoded", "decoder_input_tokens": (2, 8, 16), "decoder_noise_time": "part"},
    ),
}

_VIDEO = {"sample": (1, 3, 5, 16, 16)}
AUTOENCODERS: dict[str, Row] = {
    "AutoencoderKL": (_CODER, {"sample": (2, 3, 16, 16)}),
    "AutoencoderKLFlux2": (_CODER, {"sample": (2, 3, 16, 16)}),
    "AsymmetricAutoencoderKL": (
        {"down_block_out_channels": (16, 32), "up_block_out_channels": (16, 32), "norm_num_groups": 8}
        | {k: v for k, v in _CODER.items() if k.endswith("types")},
        {"sample": (2, 3, 16, 16), "mask": (2, 1, 16, 16)},
    ),
    "AutoencoderKLTemporalDecoder": (
        {"block_out_channels": (32, 32), "down_block_types": ("DownEncoderBlock2D", "DownEncoderBlock2D")},
        {"sample": (2, 3, 16, 16), "num_frames": "two"},
    ),
    "AutoencoderDC": (
        {"latent_channels": 4, "attention_head_dim": 8}
        | {
            "encoder_block_types": ("ResBlock", "EfficientViTBlock"),
            "decoder_block_types": ("ResBlock", "EfficientViTBlock"),
        }
        | dict.fromkeys(("encoder_block_out_channels", "decoder_block_out_channels"), (16, 16))
        | dict.fromkeys(("encoder_layers_per_block", "decoder_layers_per_block"), (1, 1))
        | dict.fromkeys(("encoder_qkv_multiscales", "decoder_qkv_multiscales"), ((), (5,))),
        {"sample": (2, 3, 16, 16)},
    ),
    "AutoencoderKLCogVideoX": (
        {"block_out_channels": (16, 16, 16, 16), "latent_channels": 4, "layers_per_block": 1, "norm_num_groups": 4},
        _VIDEO,
    ),
    "AutoencoderKLHunyuanVideo": (
        {"block_out_channels": (16, 16, 16, 16), "latent_channels": 4, "layers_per_block": 1, "norm_num_groups": 4},
        _VIDEO,
    ),
    "AutoencoderKLMagvit": (
        {"block_out_channels": [16, 16, 16, 16], "latent_channels": 4, "layers_per_block": 1, "norm_num_groups": 4},
        _VIDEO,
    ),
    "AutoencoderKLWan": ({"base_dim": 4, "num_res_blocks": 1, "dim_mult": [1, 1, 2, 2]}, _VIDEO),
    "AutoencoderKLQwenImage": ({"base_dim": 4, "num_res_blocks": 1, "dim_mult": [1, 1, 2, 2]}, _VIDEO),
    "AutoencoderOobleck": (
        {"encoder_hidden_size": 8, "downsampling_ratios": [2, 4], "channel_multiples": [1, 2], "decoder_channels": 8}
        | {"decoder_input_channels": 4},
        {"sample": (1, 2, 64)},
    ),
    "AutoencoderTiny": (
        dict.fromkeys(("encoder_block_out_channels", "decoder_block_out_channels"), (16, 16))
        | {"num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)},
        {"sample": (2, 3, 16, 16)},
    ),
    "VQModel": (_CODER | {"num_vq_embeddings": 32}, {"sample": (2, 3, 16, 16)}),
}

_KINDS = {"U-Nets": UNETS, "transformers": TRANSFORMERS, "autoencoders": AUTOENCODERS}


def entries() -> Iterator[Entry]:
    """All of them; U-Nets and autoencoders also in training mode."""
    for kind, rows in _KINDS.items():
        for name, (sizes, inputs) in rows.items():
            build = partial(_built, name, sizes, inputs)
            yield Entry(f"diffusers/{name}", f"diffusers {kind}", "diffusers", build)
    for name in ("UNet2DConditionModel", "AutoencoderKL"):
        rows = UNETS if name in UNETS else AUTOENCODERS
        yield Entry(
            f"diffusers/{name}.train", "diffusers training", "diffusers", partial(_built, name, *rows[name]), "train"
        )


def _built(name: str, sizes: dict[str, Any], inputs: dict[str, Any]) -> Case:
    from zoo.huggingface._diffusion import build

    return build(name, sizes, inputs)
