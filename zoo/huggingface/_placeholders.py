"""How many places for pictures or sounds does a text need?

A multimodal model writes the features of a picture over the tokens that stand for it, and there must be exactly as
many. How many there are depends on patches, merging, pooling; so the model is asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zoo.huggingface._wanted import Wanted

_MODALITIES = (
    # How features are made, what it takes at least, the names of the token, its number among the types of tokens.
    ("get_image_features", ("pixel_values",), ("image_token_id", "image_token_index", "img_context_token_id"), 1),
    ("get_audio_features", ("input_features", "input_values"), ("audio_token_id", "audio_token_index"), 3),
    ("get_video_features", ("pixel_values_videos",), ("video_token_id", "video_token_index"), 2),
)


_KNOWN = {"musicflamingo": 16, "pi0": 16, "glm_image": 16}
"""Features of each row where the model cannot be asked: it looks for the places first, or at several rows at once."""


def placed(w: Wanted, given: dict[str, Any]) -> dict[str, Any]:
    """The inputs, with a place in the text for every feature, and masks of the same length."""
    text = given.get("input_ids")
    if text is None:
        return given
    rows = list(text)
    kinds = [torch.zeros_like(row) for row in rows]
    for maker, sources, names, kind in _MODALITIES:
        words = getattr(w.model, "vocabulary_mapping", None)
        token = w.size("vision", names, getattr(words, names[0], None))
        owner = next((m for m in w.model.modules() if hasattr(m, maker)), None)
        if token is None or owner is None or not any(name in given for name in sources):
            continue
        known = _KNOWN.get(w.config.model_type)
        n = feature_count(getattr(owner, maker), given) // len(rows) if known is None else known
        rows = [torch.cat([row[:2], row.new_full((n,), token), row[2:]]) for row in rows]
        kinds = [torch.cat([k[:2], k.new_full((n,), kind), k[2:]]) for k in kinds]
    text = torch.stack(rows)
    if text.shape == given["input_ids"].shape:
        return given
    given = given | {"input_ids": text}
    if w.takes("mm_token_type_ids"):
        given["mm_token_type_ids"] = torch.stack(kinds)
    if "attention_mask" in given:
        given["attention_mask"] = torch.ones_like(text)
    return given


def feature_count(maker: Any, given: Mapping[str, Any]) -> int:
    """How many features the model makes of these inputs."""
    names = inspect.signature(maker).parameters
    with torch.no_grad():
        made = maker(**{name: value for name, value in given.items() if name in names})
    pooled = getattr(made, "pooler_output", made)
    return _rows(made.last_hidden_state if pooled is None else pooled)


def _rows(made: Any) -> int:
    if isinstance(made, Tensor):
        return made.numel() // made.shape[-1]
    return sum(_rows(part) for part in made)
