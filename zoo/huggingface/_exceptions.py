"""What do single architectures ask for beyond the rules?

By the type of a config: its fields, or `part.field` for those of a config inside it.
"""

from __future__ import annotations

from typing import Any

_IMAGE_WORDS = {"<image>": 40, "IMGIMGA": 41, "IMGIMGB": 42, "<|extra_200|>": 43}
_SECTIONS = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}
_HALF_SECTIONS = _SECTIONS | {"mrope_section": [2, 1, 1], "partial_rotary_factor": 0.5}
_FORECAST = {
    "prediction_length": 8,
    "context_length": 16,
    "lags_sequence": [1, 2, 3],
    "num_time_features": 1,
}
_CHUNKS = {"chunk_right_context": 1, "chunk_left_context": 1}

EXCEPTIONS: dict[str, dict[str, Any]] = {
    # Attention and rotary positions.
    "cohere_compass_text": {"rope_parameters": None},
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
    "hunyuan_v1_moe": {"head_dim": 16},
    "hunyuan_vl_text": {"head_dim": 16},
    "ministral": {"head_dim": 16},
    "mistral4": {"qk_head_dim": 32, "head_dim": 16},
    "moonshine": {"encoder_num_key_value_heads": 4, "decoder_num_key_value_heads": 4},
    "nemotron": {"num_key_value_heads": 2},
    "reformer": {"axial_pos_shape": (8, 16), "axial_pos_embds_dim": (32, 32)},
    "sapiens2": {"num_key_value_heads_per_layer": [4, 2], "num_key_value_attention_heads": 2},
    "clvp_encoder": {"projection_dim": 64},
    # Layers of several kinds.
    "bamba": {"attn_layer_indices": [1]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"]},
    "hrm_text": {"num_layers_per_stack": 1, "num_hidden_layers": 8},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "recurrent_gemma": {"num_hidden_layers": 3},
    "zamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "num_hidden_layers": 4},
    "zamba2": {"n_mamba_heads": 8, "num_hidden_layers": 4, "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"]},
    # Experts.
    "deepseek_v2": {"num_experts_per_tok": 2, "moe_intermediate_size": 32},
    "diffusion_gemma_text": {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 32},
    "dots1": {"moe_intermediate_size": 32, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2},
    "qwen3_omni_moe_talker_text": {"shared_expert_intermediate_size": 32},
    "qwen4_exp_text": {"token_budget": 8, "compress_ratio": 4},
    # State spaces.
    "mamba2": {"num_heads": 8, "hidden_size": 64, "head_dim": 16, "n_groups": 2},
    # Pictures.
    "aria": {"projector_patch_to_query_dict": {16: 8}},
    "cvt": {"depth": (1, 2, 2), "embed_dim": (64, 64, 64), "num_heads": (1, 2, 4)},
    "data2vec-vision": {"out_indices": (1, 1, 2, 2)},
    "depth_pro": {"patch_size": 64, "intermediate_hook_ids": (1, 0)},
    "gemma3": {"mm_tokens_per_image": 4},
    "shieldgemma2": {"mm_tokens_per_image": 4},
    "t5gemma2_encoder": {"mm_tokens_per_image": 4},
    "layoutlmv3": {"coordinate_size": 11, "shape_size": 10, "hidden_size": 64},
    "lilt": {"hidden_size": 96, "num_attention_heads": 4},
    "molmo2": {"adapter_config.vision_feature_layer": [-1, -2]},
    "sam": {"vision_config.num_pos_feats": 32},
    "sam_hq": {"vision_config.num_pos_feats": 32},
    "tvp": {"visual_prompt_size": 8},
    "vipllava": {"vision_feature_layers": [-1, -2], "vision_feature_layer": [-1, -2]},
    "vitmatte": {"fusion_hidden_sizes": [64, 32, 16, 8], "convstream_hidden_sizes": [16, 32, 64]},
    "timm_backbone": {"backbone": "resnet18"},
    # Words for codes of a picture.
    "chameleon": {"vocabulary_map": _IMAGE_WORDS},
    "emu3": {"vocabulary_map": _IMAGE_WORDS},
    # Sounds.
    "fun_asr_nano": {"adaptor_config.intermediate_size": 16},
    "mimi": {"upsample_groups": 64},
    "pocket_tts_audio_tokenizer": {"upsample_groups": 64},
    "nemotron3_diarization": _CHUNKS,
    "vibevoice_asr": {"acoustic_tokenizer_chunk_size": 3200},
    # Series.
    "autoformer": _FORECAST,
    "informer": _FORECAST,
    "time_series_transformer": _FORECAST,
    # Others.
    "blt": {"num_hidden_layers": 2},
    "bros": {"hidden_size": 128, "num_attention_heads": 4, "dim_bbox_sinusoid_emb_2d": 32},
    "esm": {"vocab_size": 33, "pad_token_id": 1, "mask_token_id": 32},
    "glm5_next_text": {"index_kpool": 4},
    "xmod": {"default_language": "en_XX"},
}
