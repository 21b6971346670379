"""What do single architectures ask for beyond the rules?

By the type of a config: its fields, or `part.field` for those of a config inside it.
"""

from __future__ import annotations

from typing import Any

_IMAGE_WORDS = {"<image>": 40} | {
    "IMGIMG" + "".join(chr(ord("A") + int(digit)) for digit in str(code)) + "Z": 41 + code % 20 for code in range(128)
}
_VISUAL_WORDS = {"<image>": 40, "<|extra_200|>": 60} | {
    f"<|visual token {code:06d}|>": 61 + code % 60 for code in range(128)
}
_INTRACLASS = {"reduce_channel": [1, 1, 0], "return_channel": [1, 1, 0]} | {
    f"{name}_{ratio}ratio": [list(shape), [1, 1], [n // 2 for n in shape]]
    for name, (up, across) in {
        "vertical_long_to_small_conv": (1, 0),
        "horizontal_small_to_long_conv": (0, 1),
        "symmetric_conv_long": (1, 1),
    }.items()
    for ratio, n in {"long": 7, "mid": 5, "short": 3}.items()
    for shape in [(n if up else 1, n if across else 1)]
}
_DETECTOR = {"intraclass_block_config": _INTRACLASS, "kernel_list": [3, 2, 2], "scale_factor_list": [1, 2, 4, 8]}
_SECTIONS = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}
_HALF_SECTIONS = _SECTIONS | {"mrope_section": [2, 1, 1], "partial_rotary_factor": 0.5}
_HYBRID = {"layers_block_type": ["linear_attention", "hybrid", "hybrid"], "num_hidden_layers": 3}
_FORECAST = {
    "prediction_length": 8,
    "context_length": 16,
    "lags_sequence": [1, 2, 3],
    "num_time_features": 1,
    "feature_size": 6,
}
_PINPOINTS = [[64, 128], [128, 64], [128, 128]]
_BY_LAYER = {kind: {"rope_type": "default", "rope_theta": 1e4} for kind in ("full_attention", "sliding_attention")}
_FOUR = [1, 2, 3, 4]
_FOUR_STAGES = [f"stage{i}" for i in _FOUR]
_HIERA = {
    "hidden_size": 16,
    "embed_dim_per_stage": [16, 32, 64, 128],
    "num_attention_heads_per_stage": [1, 2, 4, 8],
    "window_size_per_stage": [4, 4, 4, 4],
    "window_positional_embedding_background_size": [4, 4],
    "global_attention_blocks": [3],
    "blocks_per_stage": [1, 1, 2, 1],
}
_PYRAMID = {"backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]]}
_WINDOWS = {"n_window": 50, "n_window_infer": 800}
_PICTURES_OF_64 = {"img_size": [64, 64], "depth": 2}
_CHUNKS = {"chunk_right_context": 1, "chunk_left_context": 1}

AS_IT_IS = frozenset(
    {
        "uvdoc",
        "pp_ocrv6_small_det",
        "pp_ocrv5_mobile_det",
        "slanet",
        "efficientloftr",
        "superpoint",
        "pp_ocrv5_mobile_rec",
    }
)
"""Small networks of convolutions, whose many lists of channels must fit each other."""

EXCEPTIONS: dict[str, dict[str, Any]] = {
    # Attention and rotary positions.
    "dots3_note_text": {"num_key_value_heads": 4},
    "ernie4_5_vl_moe_text": {
        "rope_parameters": {"rope_theta": 10000.0, "mrope_section": [3, 3, 2], "rope_type": "default"}
    },
    "glm4v_moe_text": {"rope_parameters": _HALF_SECTIONS},
    "glm4v_text": {"rope_parameters": _SECTIONS},
    "glm_image_text": {"rope_parameters": _SECTIONS},
    "glm_ocr_text": {"rope_parameters": _SECTIONS},
    "qwen2_5_vl_text": {"rope_parameters": _SECTIONS},
    "qwen2_vl_text": {"rope_parameters": _SECTIONS},
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16, "num_experts": 4, "moe_topk": 2},
    "ministral": {"head_dim": 16},
    "moonshine_streaming": {"num_key_value_heads": 4},
    "moonshine": {"encoder_num_key_value_heads": 4, "decoder_num_key_value_heads": 4},
    "nemotron": {"num_key_value_heads": 2},
    "reformer": {"axial_pos_shape": (8, 16), "axial_pos_embds_dim": (32, 32)},
    "sapiens2": {"num_key_value_heads_per_layer": [4, 2], "num_key_value_attention_heads": 2},
    "cohere_compass_text": {"rope_parameters": _BY_LAYER},
    "clvp_encoder": {"hidden_size": 128, "projection_dim": 64},
    "hunyuan_vl_text": {"head_dim": 16, "rope_parameters": _SECTIONS | {"mrope_section": [2, 2, 2, 2]}},
    "mistral4": {
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e4,
            "partial_rotary_factor": 0.5,
            "llama_4_scaling_beta": 0.1,
            "original_max_position_embeddings": 64,
        }
    },
    "dbrx": {"attn_config.rope_theta": 10000.0, "attn_config.clip_qkv": 8.0},
    "step3p5": {"sliding_window": 8},
    "blt": {"num_hidden_layers": 2},  # its cache asks for it, the default config lacks it
    # Layers of several kinds.
    "deepseek_ocr2_text": {"mlp_layer_types": ["dense", "sparse"], "num_experts_per_tok": 2},
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "gemma4_unified_text": {"num_kv_shared_layers": 0},
    "mistral_large4_text": {"kv_source_layers": None},
    "bamba": {"attn_layer_indices": [1]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"]},
    "hrm_text": {"num_layers_per_stack": 1, "num_hidden_layers": 8},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "recurrent_gemma": {"num_hidden_layers": 3},
    # Experts.
    "deepseek_v2": {"num_experts_per_tok": 2, "moe_intermediate_size": 32},
    "diffusion_gemma_text": {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 32},
    "dots1": {"moe_intermediate_size": 32, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "qwen3_omni_moe_talker_text": {"shared_expert_intermediate_size": 32},
    "qwen4_exp_text": {
        "indexer_budget": 8,
        "indexer_compress_ratio": 4,
        "indexer_n_heads": 4,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 16,
    },
    # State spaces.
    "mamba2": {"num_heads": 8, "hidden_size": 64, "head_dim": 16, "n_groups": 2},
    "xlstm": {"hidden_size": 128, "embedding_dim": 128},
    "zamba": _HYBRID | {"attention_hidden_size": 128, "attention_head_dim": 32},
    "zamba2": _HYBRID
    | {"hybrid_layer_ids": [1, 2], "attention_hidden_size": 128, "attention_head_dim": 32, "n_mamba_heads": 8},
    # Pictures.
    "align_vision_model": {
        "width_coefficient": 1.0,
        "depth_coefficient": 0.5,
        "hidden_dim": 2,
        "initializer_range": 0.2,
    },
    "efficientloftr": {"initializer_range": 0.2},
    "efficientnet": {"width_coefficient": 0.25, "depth_coefficient": 0.5, "hidden_dim": 320},
    "clap_audio_model": {"window_size": 2, "hidden_size": 512},
    "donut-swin": {"window_size": 2},
    "maskformer-swin": {"window_size": 2},
    "swin": {"window_size": 2},
    "cvt": {"depth": (1, 2, 3), "embed_dim": (64, 64, 64), "num_heads": (1, 2, 4)},
    "exaone4_5_vision": {"window_size": 32},
    "qwen2_5_vl_vision": {"window_size": 32},
    "qwen2_5_omni_vision_encoder": {"window_size": 32},
    "fast_vlm": {"vision_config.hidden_size": 3072},
    "lw_detr": {"projector_scale_factors": [1.0], "num_feature_levels": 1},
    "sam": {"vision_config.num_pos_feats": 32, "prompt_encoder_config.image_embedding_size": 4},
    "sam_hq": {"vision_config.num_pos_feats": 32, "prompt_encoder_config.image_embedding_size": 4},
    "sam2_hiera_det_model": _HIERA,
    "sam2_vision_model": _PYRAMID | {"backbone_channel_list": [128, 64, 32, 16]},
    "sam3_vision_model": _PYRAMID,
    "slanet": {"max_text_length": 4},
    "seggpt": {"image_size": (128, 64)},
    # Pictures and text.
    "blip-2": {"image_token_index": 40},
    "instructblip": {"image_token_index": 40},
    "instructblipvideo": {"video_token_index": 40, "image_token_index": 40},
    "llama4_vision_model": {"intermediate_size": 256},
    "llava_next": {"image_grid_pinpoints": _PINPOINTS},
    "llava_next_video": {"image_grid_pinpoints": _PINPOINTS},
    "llava_onevision": {"image_grid_pinpoints": _PINPOINTS},
    "nemotron_h_omni": {"image_token_id": 40},
    "emu3_vqgan": {"hidden_size": 256},
    "perception_lm": {
        "vision_config.architecture": "vit_pe_core_tiny_patch16_384",
        "vision_config.model_args": {"embed_dim": 192, "img_size": [64, 64]},
    },
    "pe_audio_video_encoder": {"video_config.vision_config.model_args": _PICTURES_OF_64},
    "pe_video": {"video_config.vision_config.model_args": _PICTURES_OF_64},
    "pe_video_encoder": {"vision_config.model_args": _PICTURES_OF_64},
    "emu3": {"vocabulary_map": _VISUAL_WORDS},
    "paddleocr_vl_text": {"rope_parameters": _SECTIONS},
    "qwen2_5_omni_text": {"rope_parameters": _SECTIONS},
    "unlimited_ocr_sam_vision_model": {"downsample_channels": [64, 64]},
    "voxtral": {"audio_token_id": 40},
    "edgetam_vision_model": {
        "backbone_channel_list": [1024, 512, 256, 64],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    },
    "omdet-turbo": {
        "backbone_config.backbone": "swin_tiny_patch4_window7_224",
        "backbone_config.out_indices": [1, 2, 3],
        "encoder_in_channels": [192, 384, 768],
    },
    "pp_ocrv5_server_det": _DETECTOR,
    "uvdoc": {"backbone_config.out_indices": [1, 2, 3, 4, 5, 6]},
    "superglue": {"hidden_size": 256, "keypoint_encoder_sizes": [32, 64]},
    "muse_glimmer": {"vision_config.out_hidden_size": 256, "out_hidden_size": 256},
    "muse_spark": {"vision_config.out_hidden_size": 256, "out_hidden_size": 256},
    "deepseek_vl_hybrid": {"high_res_vision_config.global_attn_indexes": [0]},
    "mllama_vision_model": {"intermediate_layers_indices": [0, 1], "vision_output_dim": 192},
    "pix2struct_vision_model": {"patch_embed_hidden_size": 768},
    "tvp": {"visual_prompt_size": 8},
    "dpt": {"num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3]},
    "beit": {"num_hidden_layers": 4, "out_indices": _FOUR, "out_features": _FOUR_STAGES},
    "t5gemma2_text": {"dropout_rate": 0.0},
    "qwen2_5_omni_thinker": {"vision_start_token_id": 50},
    "qwen3_omni_moe_thinker": {"vision_start_token_id": 50},
    "qwen3_omni_moe_talker": {"spatial_merge_size": 2},
    "shieldgemma2": {"mm_tokens_per_image": 4, "yes_token_index": 41, "no_token_index": 42},
    "aria": {"projector_patch_to_query_dict": {16: 8}},
    "data2vec-vision": {"out_indices": (1, 1, 2, 2)},
    "depth_pro": {"patch_size": 64, "intermediate_hook_ids": (1, 0)},
    "gemma3": {"mm_tokens_per_image": 4},
    "t5gemma2_encoder": {"mm_tokens_per_image": 4},
    "layoutlmv3": {"coordinate_size": 11, "shape_size": 10, "hidden_size": 64},
    "lilt": {"hidden_size": 96, "num_attention_heads": 4},
    "molmo2": {"adapter_config.vision_feature_layer": [-1, -2]},
    "vipllava": {"vision_feature_layers": [-1, -2], "vision_feature_layer": [-1, -2]},
    "vitmatte": {"fusion_hidden_sizes": [64, 32, 16, 8], "convstream_hidden_sizes": [16, 32, 64]},
    "timm_backbone": {"backbone": "resnet18"},
    # Words for codes of a picture.
    "chameleon": {"vocabulary_map": _IMAGE_WORDS},
    # Sounds.
    "qwen3_asr_encoder": _WINDOWS,
    "qwen3_omni_moe_audio_encoder": _WINDOWS,
    "fun_asr_nano_encoder": {"num_stacked_frames": 1},
    "granite_speech": {"window_size": 10},
    "granite_speech_plus": {"window_size": 10},
    "mimi_decoder": {"upsample_groups": 64},
    "pocket_tts_audio_tokenizer_decoder": {"upsample_groups": 64},
    "fun_asr_nano": {"adaptor_config.intermediate_size": 16},
    "mimi": {"upsample_groups": 64},
    "pocket_tts_audio_tokenizer": {"upsample_groups": 64},
    "nemotron3_diarization": _CHUNKS,
    "xcodec": {"codebook_dim": 128},
    "xcodec2": {"quantization_dim": 128},
    "neucodec": {"quantization_dim": 128},
    "vibevoice_acoustic_tokenizer": {"num_filters": 4},
    "vibevoice_acoustic_tokenizer_decoder": {"num_filters": 4},
    "vibevoice_acoustic_tokenizer_encoder": {"num_filters": 4},
    "vibevoice_asr": {"acoustic_tokenizer_chunk_size": 3200},
    # Series.
    "autoformer": _FORECAST,
    "informer": _FORECAST,
    "time_series_transformer": _FORECAST,
    # Others.
    "bros": {
        "hidden_size": 128,
        "dim_bbox_sinusoid_emb_2d": 32,
        "dim_bbox_sinusoid_emb_1d": 4,
        "dim_bbox_projection": 32,
    },
    "esm": {"vocab_size": 33, "pad_token_id": 1, "mask_token_id": 32},
    "glm5_next_text": {"index_kpool": 4},
    "xmod": {"default_language": "en_XX"},
}
