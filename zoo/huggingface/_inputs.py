"""What does one feed a model that one has never seen?

`inputs_for(model)` reads the names of the parameters of `forward`, which transformers uses alike in all its models, and
makes a small value for each that the model needs: token ids, pictures, sounds, masks, boxes.  Sizes come from the
config and the configs inside it.  Where a text has places for pictures or sounds, the model's own encoder is asked
how many features it makes, and the text gets as many of the special tokens (`zoo.huggingface._placeholders`).

Terms: a picture is *packed* when the model takes its patches as rows, with their grid (`image_grid_thw`) beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo.huggingface._placeholders import placed
from zoo.huggingface._special import SPECIAL
from zoo.huggingface._wanted import Wanted

BATCH = 2
TOKENS = 12
CHOICES = 3
FIRST_ORDINARY_TOKEN = 64
GRID = 4
"""Patches along each side of a packed picture."""
FRAMES = 64
"""Columns of a spectrogram; as many as it has rows, so that either order of the axes fits."""
SAMPLES = 1920


def inputs_for(model: Any) -> dict[str, Any]:
    """Keyword arguments for one forward of `model`."""
    w = Wanted(model)
    given = {name: PROVIDERS[name](w) for name in w.names if name in PROVIDERS}
    given |= SPECIAL.get(w.config.model_type, lambda w, given: {})(w, given)
    given |= SPECIAL.get(type(model).__name__, lambda w, given: {})(w, given)
    given = placed(w, {name: value for name, value in given.items() if value is not None})
    if type(model).__name__.endswith("ForMultipleChoice"):
        given = {name: value.unsqueeze(1).repeat_interleave(CHOICES, dim=1) for name, value in given.items()}
    return given


def ids(w: Wanted, length: int = TOKENS) -> Tensor:
    """Ordinary tokens."""
    highest = w.size("text", ("vocab_size",), 128)
    return torch.randint(min(FIRST_ORDINARY_TOKEN, highest // 2), highest, (BATCH, length))


def pixels(w: Wanted) -> Tensor:
    """Pictures as the model's config describes them; frames where it is made for videos."""
    if w.takes("image_grid_thw", "grid_thw"):
        return packed(w)
    channels = w.channels
    if w.takes("spatial_shapes"):
        return torch.randn(BATCH, GRID * GRID, channels * w.patch * w.patch)
    height, width = w.picture
    frames = w.own("num_frames", "frames_per_clip")
    if frames:
        return torch.randn(BATCH, frames, channels, height, width)
    return torch.randn(BATCH, channels, height, width)


def packed(w: Wanted) -> Tensor:
    """Two pictures as rows of patches."""
    depth = w.size("vision", ("temporal_patch_size", "patch_temporal"), 1)
    return torch.randn(BATCH * GRID * GRID, w.channels * depth * w.patch * w.patch)


def grid(w: Wanted) -> Tensor:
    """Frames, rows and columns of patches of each packed picture."""
    return torch.tensor([[1, GRID, GRID]] * BATCH)


def clip(w: Wanted) -> Tensor | None:
    """A video; only for models that take no pictures."""
    if w.takes("pixel_values", "input_values") and "pixel_values_videos" not in w.required:
        return None
    frames = w.size("vision", ("num_frames", "frames_per_clip"), 4)
    return torch.randn(BATCH, frames, w.channels, *w.picture)


def waves(w: Wanted) -> Tensor:
    """Sound as samples, with an axis of channels for codecs."""
    codec = w.size("audio", ("audio_channels", "hop_length", "upsampling_ratios", "downsampling_ratios"), None)
    return torch.randn(BATCH, SAMPLES) if codec is None else torch.randn(BATCH, 1, SAMPLES)


def mel(w: Wanted) -> Tensor:
    """Sound as a spectrogram."""
    return torch.randn(BATCH, FRAMES, FRAMES)


def boxes(w: Wanted) -> Tensor:
    """One box a token, corners in order."""
    corners = torch.randint(0, 50, (BATCH, TOKENS, 2))
    return torch.cat([corners, corners + torch.randint(1, 50, (BATCH, TOKENS, 2))], dim=2)


def ones(*shape: int) -> Callable[[Wanted], Tensor]:
    """A mask that hides nothing."""
    return lambda w: torch.ones(BATCH, *shape, dtype=torch.long)


def series(w: Wanted) -> Tensor:
    """A time series of some channels."""
    return torch.randn(BATCH, w.size("text", ("context_length",), 32), w.size("text", ("num_input_channels",), 1))


PROVIDERS: dict[str, Callable[[Wanted], Any]] = {
    "input_ids": ids,
    "attention_mask": lambda w: torch.ones(BATCH, TOKENS, dtype=torch.long) if w.takes("input_ids") else None,
    "decoder_input_ids": lambda w: ids(w, TOKENS - 4),
    "pixel_values": pixels,
    "pixel_values_videos": clip,
    "hidden_states": lambda w: packed(w) if w.takes("grid_thw") else None,
    "image_grid_thw": grid,
    "grid_thw": grid,
    "merge_sizes": lambda w: torch.tensor([2] * BATCH),
    "image_merge_sizes": lambda w: torch.tensor([2] * BATCH),
    "spatial_shapes": lambda w: torch.tensor([[GRID, GRID]] * BATCH),
    "pixel_attention_mask": lambda w: ones(GRID * GRID)(w) if w.takes("spatial_shapes") else None,
    "image_sizes": lambda w: torch.tensor([w.picture] * BATCH),
    "input_values": waves,
    "input_features": mel,
    "input_features_mask": ones(FRAMES),
    "feature_attention_mask": ones(FRAMES),
    "bbox": boxes,
    "past_values": series,
    "qformer_input_ids": ids,
}
"""By the name of the parameter: what to give for it whenever the model has it; None leaves it out."""
