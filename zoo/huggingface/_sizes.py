"""Which small value does a size field of a config get?

The idea: every width is the same number, so that fields that must agree across a config and its parts agree without
anyone knowing how.  A rule is a pattern on the field's name and the value for it; the first rule that fits decides.
A whole number that no rule knows and that is large is taken for a width.  Sequences keep their length.
"""

from __future__ import annotations

import re

WIDTH = 64
HEADS = 4
HEAD_WIDTH = 16
LAYERS = 2
VOCABULARY = 128
IMAGE = 64
PATCH = 16

KEEP: object = object()
"""Marks fields that stay as they are."""

_RULES: tuple[tuple[str, object], ...] = (
    # Not sizes, or sizes that something outside the config fixes.
    (
        r"id2label|label2id|chunk_size_feed_forward|.*(sampling|sample|frame)_rate|.*theta.*|.*temperature.*|.*_period"
        r"|.*_(cost|coefficient|factor|ratio|ratios|multiplier|rate|rates|reduction|divisor|timescale|ignore_index)"
        r"|.*kernel.*|.*stride.*|.*dilation.*|.*padding.*|.*downsampl.*|.*upsampl.*|.*scale|.*scales|.*_pattern"
        r"|num_channels|in_chans|(num_)?input_channels|audio_channels|channels|seed|hop_length|quantiles|n_langs"
        r"|.*(feature_layer|ignore_value|mask_value|max_depth|min_depth|.*_alpha|.*_gamma)|freq_size|durations"
        r"|.*mlp_ratio|.*expand_ratios?|query_dim|.*_interval|.*_frequency|.*merge_size|temporal_patch_size|bin_config.*"
        r"|.*_period|.*_offset|tubelet_size|num_codebooks|num_quantizers|n_codebooks|.*_num_points|.*n_points"
        r"|pos_att_type|num_labels|.*iterations|.*_iters|horizon_length|.*quantile_len|pool_scales|target_bandwidths",
        KEEP,
    ),
    # How deep.
    (
        r"(num_|n_)?(encoder_|decoder_|hidden_|local_|.*_attention_)?layers?|depth|num_hidden_layers|.*num_hidden_layers"
        r"|.*num_layers|.*_num_blocks|num_blocks|.*(encoder|decoder|spatial|temporal|auxiliary|global|dense|dec)_layers"
        r"|[lxr]_layers|.*resampler_depth|num_layers_per_stack|.*_num_flows|num_self_attends_per_block|max_window_layers"
        r"|num_encoder_blocks_unused|.*postnet_layers|.*predictor_layers|.*_add_layers|first_k_dense_replace|.*adapter_layers",
        LAYERS,
    ),
    # Heads and what must divide into them.
    (r".*(num_key_value_heads|num_kv_heads|kv_n_heads|num_key_value_groups|num_query_groups|linear_num_key_heads)", 2),
    (r"mamba_n_heads|mamba_num_heads", 2 * WIDTH // HEAD_WIDTH),
    (r".*heads(_per_stage)?|n_head|num_attention_heads|.*_n_heads|.*per_ngram", HEADS),
    (r"qk_head_dim", 2 * HEAD_WIDTH),
    (
        r".*head_dim|.*dim_head|.*(d_head|d_kv|kv_channels|attention_head_size|headdim)|rotary_dim|query_pre_attn_scalar"
        r"|.*_qk_nope_head_dim|.*state_size|mamba_d_state|ssm_state_size|.*dt_rank|key_dim|.*head_size",
        HEAD_WIDTH,
    ),
    # Experts.
    (r"(num_|n_|moe_num_)?(shared_experts|expert_group|groups?)|n_group|moe_num_shared_experts|num_shared_experts", 1),
    (r"topk_group", 1),
    (r".*(experts_per_tok|experts_per_token|moe_topk|moe_k|moe_top_k)", 2),
    (r".*(num_experts|routed_experts|local_experts|expert_num)", 4),
    (r"expert_capacity", 8),
    # Vocabularies, codebooks, labels.
    (r".*vocab.*|num_embeddings|codebook_size|num_embeds", VOCABULARY),
    (r"type_vocab_sizes|num_classes|num_.*_labels|num_codevectors.*", 16),
    # Positions.
    (r"max_source_positions", 32),
    (r".*(max_position_embeddings|n_positions|max_seq_len|n_ctx|max_.*_positions|context_length|max_length)", 128),
    (r".*position_embeddings?|.*max_.*len.*|num_position_embeddings|block_size|position_embedding_size", 128),
    (r".*window(_size|_len)?|attention_window|.*chunk_size|.*chunk_length|local_attention|local_radius", 8),
    (r".*index_topk", 8),
    # Pictures and sounds.
    (r".*(image_size|img_size|crop_size|resolution)", IMAGE),
    (r"num_frames|frames_per_clip", 4),
    (
        r".*mel_bins|mel_dim|input_feat_per_channel|.*_input_feat_size|input_feat_size|feature_projection_input_dim",
        WIDTH,
    ),
    # Sets of learned queries.
    (
        r"num_queries|num_query_tokens|.*num_latents|.*n_latents|two_stage_num_proposals|num_denoising|num_detection_tokens",
        8,
    ),
    (r"group_detr|num_maskmem|num_parallel_samples", 2),
    (r"mask_time_length|mask_feature_length", 2),
    (
        r".*(ffn_dim|d_ff|dim_ff|intermediate_size|intermediate_dim|d_inner|dff|mlp_dim|feedforward.*|linear_units)",
        2 * WIDTH,
    ),
    (r".*lora_rank|laurel_rank", HEAD_WIDTH),
)

_COMPILED = tuple((re.compile(pattern), value) for pattern, value in _RULES)

TOKEN = re.compile(r".*(token_id|token_index|_id|_ids|token_ids|token)$|(pad|bos|eos|sep|cls|mask|unk)_index$")
"""Names of special tokens."""

_LARGE = 48
"""What nobody knows and is at least this large is taken for a width."""


def small_value(name: str, value: int) -> int:
    """The small value for the field `name`, which is `value` by default; never larger than the default."""
    for pattern, small in _COMPILED:
        if pattern.fullmatch(name):
            if small == HEADS and value == 3:
                return 2
            return value if small is KEEP else min(value, int(small))  # type: ignore[call-overload]
    return WIDTH if value >= _LARGE else value


def small_patch(size: int) -> int:
    """Patches of a Vision Transformer become PATCH pixels wide, those of a pyramid stay small."""
    return PATCH if size >= 10 else size
