"""Which models want inputs that no rule can guess?

By the type of the model's config or the name of its class: what to add to, or put in place of, what the rules made.
An input that is None is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo.huggingface._wanted import Wanted

Given = dict[str, Any]
Special = Callable[[Wanted, Given], Given]


def _normal(*shape: int) -> Tensor:
    return torch.randn(*shape)


def _whole(high: int, *shape: int) -> Tensor:
    return torch.randint(0, high, shape)


def _ones(*shape: int) -> Tensor:
    return torch.ones(*shape, dtype=torch.long)


def _fixed(**values: Callable[[], Any]) -> Special:
    """Values that depend on nothing."""
    return lambda w, given: {name: make() for name, make in values.items()}


def _without(*names: str) -> Special:
    return lambda w, given: dict.fromkeys(names)


def _several_pictures(w: Wanted, given: Given) -> Given:
    """One picture for each text, with an axis that counts the pictures of a text."""
    return {"pixel_values": given["pixel_values"].unsqueeze(1)}


def _first_cameras(w: Wanted, given: Given) -> Given:
    """One picture for each text, and a mask of the pictures that there are."""
    return _several_pictures(w, given) | {"pixel_attention_mask": torch.ones(2, 1, dtype=torch.bool)}


def _codes(w: Wanted, given: Given) -> Given:
    """Codes of each codebook, one row for each, and what they are conditioned on."""
    return {
        "input_ids": _whole(64, 2 * w.config.num_codebooks, 12),
        "encoder_hidden_states": _normal(2, 6, w.config.hidden_size),
    }


def _merged_patches(w: Wanted, given: Given) -> Given:
    """Two pictures as squares of patches, each the place of one token."""
    side = w.size("vision", ("spatial_merge_size",), 2) * w.patch
    return {"pixel_values": _normal(8, side, side, 3), "image_grid_thw": torch.tensor([[1, 2, 2]] * 2)}


def _patches_with_places(w: Wanted, given: Given) -> Given:
    """Patches as rows that begin with the row and the column that they come from."""
    places = torch.stack([torch.arange(16.0) // 4, torch.arange(16.0) % 4], dim=1).expand(2, 16, 2)
    return {"flattened_patches": torch.cat([places, _normal(2, 16, 3 * 16 * 16)], dim=2)}


def _pooled_patches(w: Wanted, given: Given) -> Given:
    """Patches of one crop for each text, and which of them go into each of its four tokens."""
    return {
        "pixel_values": _normal(2, 128, 3 * w.patch**2),
        "image_token_pooling": torch.arange(32).view(8, 4),
        "image_grids": torch.tensor([[2, 2, 0, 0]] * 2),
        "image_num_crops": _ones(2),
    }


def _row_of_patches(w: Wanted, given: Given) -> Given:
    """The patches of two pictures side by side, with rows and columns of each."""
    return {"pixel_values": _normal(1, 3, w.patch, 32 * w.patch), "target_sizes": torch.tensor([[4, 4]] * 2)}


def _hundred_frames(w: Wanted, given: Given) -> Given:
    return {"input_features": _normal(2, 64, 100), "input_features_mask": _ones(2, 100)}


def _latents(w: Wanted, given: Given) -> Given:
    return {"latents": _normal(2, w.config.hidden_size, 8)}


def _forecast(w: Wanted, given: Given) -> Given:
    """Past and future of a series, with features of time."""
    past = w.config.context_length + max(w.config.lags_sequence)
    future = w.config.prediction_length
    return {
        "past_values": _normal(2, past),
        "past_time_features": _normal(2, past, 1),
        "past_observed_mask": torch.ones(2, past),
        "future_values": _normal(2, future),
        "future_time_features": _normal(2, future, 1),
    }


def _trajectory(w: Wanted, given: Given) -> Given:
    return {
        "states": _normal(2, 5, w.config.state_dim),
        "actions": _normal(2, 5, w.config.act_dim),
        "rewards": _normal(2, 5, 1),
        "returns_to_go": _normal(2, 5, 1),
        "timesteps": _whole(16, 2, 5),
        "attention_mask": _ones(2, 5),
    }


def _packed_alone(w: Wanted, given: Given) -> Given:
    """Patches of pictures of their own sizes, with the position of each."""
    n, side = 16, 4
    places = torch.stack([torch.arange(n) % side, torch.arange(n) // side], dim=1).expand(2, n, 2).contiguous()
    name = "image_position_ids" if w.takes("image_position_ids") else "pixel_position_ids"
    return {"pixel_values": torch.rand(2, n, 3 * w.patch * w.patch), name: places}


def _prompt_picture(w: Wanted, given: Given) -> Given:
    return {name: _normal(2, 3, 64, 64) for name in ("pixel_values", "prompt_pixel_values", "prompt_masks")}


def _words_for_classes(w: Wanted, given: Given) -> Given:
    return {
        "classes_input_ids": _whole(100, 3, 8),
        "classes_attention_mask": _ones(3, 8),
        "tasks_input_ids": _whole(100, 2, 8),
        "tasks_attention_mask": _ones(2, 8),
        "classes_structure": torch.tensor([2, 1]),
    }


def _places_for_picture(w: Wanted, given: Given) -> Given:
    """A mask of the text that says where the features of the picture go."""
    n = w.config.latent_query_num
    mask = torch.zeros(2, n + 8, dtype=torch.long)
    mask[:, 2 : 2 + n] = 1
    return {"input_ids": _whole(100, 2, n + 8), "image_embeds_position_mask": mask, "attention_mask": _ones(2, n + 8)}


SPECIAL: dict[str, Special] = {
    # Series and trajectories.
    "autoformer": _forecast,
    "informer": _forecast,
    "time_series_transformer": _forecast,
    "timesfm": _fixed(
        past_values=lambda: _normal(2, 128), past_values_padding=lambda: torch.zeros(2, 128), freq=lambda: _ones(2, 1)
    ),
    "timesfm2_5": _fixed(past_values=lambda: _normal(2, 128), past_values_padding=lambda: torch.zeros(2, 128)),
    "patchtst": _fixed(past_values=lambda: _normal(2, 32, 1)),
    "decision_transformer": _trajectory,
    # Pictures.
    "efficientloftr": _fixed(pixel_values=lambda: _normal(1, 2, 3, 64, 64)),
    "lightglue": _fixed(pixel_values=lambda: _normal(1, 2, 3, 64, 64)),
    "superglue": _fixed(pixel_values=lambda: _normal(1, 2, 3, 64, 64)),
    "superpoint": _fixed(pixel_values=lambda: torch.rand(1, 3, 64, 64)),
    "depth_pro": _fixed(pixel_values=lambda: _normal(1, 3, 256, 256)),
    "seggpt": _prompt_picture,
    "deepseek_ocr2": _without("pixel_values"),
    "omdet-turbo": _words_for_classes,
    "oneformer": lambda w, given: {"task_inputs": _whole(100, 2, w.config.task_seq_len)},
    "gemma4_vision": _packed_alone,
    "pp_ocrv5_mobile_rec": _fixed(pixel_values=lambda: _normal(2, 3, 96, 160)),
    "pp_ocrv5_server_rec": _fixed(pixel_values=lambda: _normal(2, 3, 96, 160)),
    "pp_ocrv6_small_rec": _fixed(pixel_values=lambda: _normal(2, 3, 96, 160)),
    "pp_ocrv6_tiny_rec": _fixed(pixel_values=lambda: _normal(2, 3, 96, 160)),
    "perceiver": lambda w, given: {"inputs": _normal(2, 16, w.config.d_model)},
    # Pictures and text.
    "colmodernvbert": _several_pictures,
    "idefics": lambda w, given: _several_pictures(w, given) | {"image_attention_mask": _ones(2, 12, 1)},
    "idefics2": _several_pictures,
    "idefics3": _several_pictures,
    "modernvbert": _several_pictures,
    "smolvlm": _several_pictures,
    "ultravbert": _several_pictures,
    "chameleon": _without("image_sizes"),
    "fuyu": _fixed(pixel_values=lambda: _normal(2, 16, 768)),
    "gemma4": _without("pixel_values", "input_features", "input_features_mask"),
    "gemma4_unified": _without("pixel_values", "input_features", "input_features_mask"),
    "embedding_gemma2": _without("pixel_values", "input_features", "input_features_mask"),
    "instructblipvideo": _fixed(pixel_values=lambda: _normal(2, 4, 3, 64, 64)),
    "kimi_k25": _fixed(pixel_values=lambda: _normal(32, 3, 16, 16)),
    "kimi_k25_vision": _fixed(pixel_values=lambda: _normal(32, 3, 16, 16)),
    "llava": _without("image_sizes"),
    "llava_next": _fixed(pixel_values=lambda: _normal(2, 3, 3, 64, 64)),
    "llava_next_video": _fixed(pixel_values=lambda: _normal(2, 3, 3, 64, 64)),
    "llava_onevision": _fixed(pixel_values=lambda: _normal(2, 3, 3, 64, 64)),
    "paddleocr_vl": _fixed(pixel_values=lambda: _normal(32, 3, 16, 16)),
    "granite_docling": _first_cameras,
    "inkling2": _merged_patches,
    "inkling2_vision": _merged_patches,
    "colqwen2": lambda w, given: {"pixel_values": given["pixel_values"].unflatten(0, (2, -1))},
    "glm_image": _fixed(image_grid_thw=lambda: torch.tensor([[1, 4, 4]] * 3)),
    "xclip": _fixed(pixel_values=lambda: _normal(2, 4, 3, 64, 64)),
    "molmo2": _pooled_patches,
    "inkling_mm_model": lambda w, given: {
        "pixel_values": _normal(8, w.size("vision", ("temporal_patch_size",), 2), w.patch, w.patch, 3)
    },
    "nemotron_h_omni": _fixed(pixel_values=lambda: _normal(32, 768), image_grid_hw=lambda: torch.tensor([[4, 4]] * 2)),
    "minicpm_ocr_vision": _row_of_patches,
    "minicpmv4_7_vision": _row_of_patches,
    "tvp": lambda w, given: {
        "input_ids": _whole(100, 1, 12),
        "attention_mask": _ones(1, 12),
        "pixel_values": _normal(1, 4, 3, 64, 64),
    },
    "pe_audio_video_encoder": _fixed(pixel_values_videos=lambda: _normal(2, 4, 3, 64, 64)),
    "perception_lm": _several_pictures,
    "pe_video": _fixed(pixel_values_videos=lambda: _normal(2, 4, 3, 64, 64)),
    "pe_video_encoder": _fixed(pixel_values_videos=lambda: _normal(2, 4, 3, 64, 64)),
    "neomme": _fixed(pixel_values=lambda: _normal(32, 768)),
    "t5gemma2": _without("pixel_values"),
    "kosmos-2": _places_for_picture,
    "lxmert": lambda w, given: {
        "visual_feats": _normal(2, 5, w.config.visual_feat_dim),
        "visual_pos": torch.rand(2, 5, w.config.visual_pos_dim),
    },
    "deepseek_vl_hybrid": _fixed(high_res_pixel_values=lambda: _normal(2, 3, 64, 64)),
    "mllama": _fixed(
        pixel_values=lambda: _normal(2, 1, 4, 3, 64, 64),
        aspect_ratio_ids=lambda: _ones(2, 1),
        aspect_ratio_mask=lambda: _ones(2, 1, 4),
    ),
    "pi0": lambda w, given: _first_cameras(w, given) | {"action_embeds": _normal(2, 4, 64)},
    "blip_2_qformer": lambda w, given: {
        "query_embeds": _normal(2, 8, w.config.hidden_size),
        "encoder_hidden_states": _normal(2, 9, w.config.encoder_hidden_size),
    },
    # Sounds.
    "qwen3_asr": _hundred_frames,
    "qwen3_asr_encoder": _hundred_frames,
    "granite_speech": _without("input_features_mask"),
    "granite_speech_plus": _without("input_features_mask"),
    "granite_speech5_ctc": _fixed(input_features=lambda: _normal(2, 64, 256)),
    "granite_speech5_encoder": _fixed(input_features=lambda: _normal(2, 64, 256)),
    "MusicgenModel": _codes,
    "MusicgenMelodyModel": _codes,
    "mimi_decoder": _latents,
    "pocket_tts_audio_tokenizer_decoder": _latents,
    "vibevoice_acoustic_tokenizer": _fixed(input_values=lambda: _normal(2, 1, 3200)),
    "vibevoice_acoustic_tokenizer_decoder": _fixed(hidden_states=lambda: _normal(2, 64, 4)),
    "vibevoice_asr": _fixed(input_values=lambda: _normal(2, 1, 6400)),
    "nemotron3_5_transcribe_word_timestamp": lambda w, given: {"inputs_embeds": _normal(2, 12, w.config.hidden_size)},
    "audio-spectrogram-transformer": lambda w, given: {
        "input_values": _normal(2, w.config.max_length, w.config.num_mel_bins)
    },
    "clap": _fixed(input_features=lambda: _normal(2, 1, 64, 64), is_longer=lambda: torch.tensor([[True], [False]])),
    "clvp": lambda w, given: {"input_features": _normal(2, w.config.decoder_config.feature_size, 16)},
    "gemma3n_audio": lambda w, given: {
        "audio_mel": _normal(2, 32, w.config.input_feat_size),
        "audio_mel_mask": torch.zeros(2, 32, dtype=torch.bool),
    },
    "csm": _without("input_values"),
    "kyutai_speech_to_text": _fixed(input_ids=lambda: _whole(100, 2, 12, 33)),
    "qwen2_audio": _without("input_features", "feature_attention_mask"),
    "voxtral_realtime": _fixed(input_ids=lambda: _whole(100, 2, 8), attention_mask=lambda: _ones(2, 8)),
    "xcodec2": lambda w, given: {"input_features": _normal(2, 6, 64), "input_features_mask": None},
    "neucodec": lambda w, given: {"input_features": _normal(2, 6, 64), "input_features_mask": None},
    "vibevoice": _without("input_values"),
    "moss_transcribe_diarize": _without("input_features", "input_features_mask"),
    "seamless_m4t": lambda w, given: {"input_ids": None, "attention_mask": None},
    "seamless_m4t_v2": lambda w, given: {"input_ids": None, "attention_mask": None},
    "speecht5": _fixed(input_values=lambda: _normal(2, 12, 64), decoder_input_values=lambda: _normal(2, 8, 64)),
    "speech-encoder-decoder": _without("input_features"),
    "pop2piano": _without("input_ids", "attention_mask"),
    "pix2struct": _patches_with_places,
    "dots3_note": _without("input_features"),
    "muse_glimmer_assistant": lambda w, given: {
        "noise_embeds": _normal(2, 4, w.config.hidden_size),
        "context_hidden_states": _normal(2, 6, w.config.hidden_size * len(w.config.target_layer_ids)),
    },
    "dia": lambda w, given: {"decoder_input_ids": _whole(100, 2, 8, w.config.decoder_config.num_channels)},
    "vibevoice_acoustic_tokenizer_encoder": lambda w, given: {"hidden_states": _normal(2, 1, 3200)},
    # One prompt with marked words.
    "jev": _fixed(
        input_ids=lambda: _whole(100, 1, 12),
        attention_mask=lambda: _ones(1, 12),
        marks=lambda: torch.tensor([[3, 6, 9]]),
        num_options=lambda: torch.tensor([[3, 2, 3]]),
        question_type_ids=lambda: torch.tensor([[0, 0, 0]]),
    ),
}
