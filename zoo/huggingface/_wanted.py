"""Which sizes does a model's config tell to whoever makes inputs for it?"""

from __future__ import annotations

import inspect
from typing import Any

_PARTS = {
    "vision": (
        "vision_config", "image_config", "image_model_config", "backbone_config", "encoder", "vision_encoder",
        "detector_config", "keypoint_detector_config",
    ),
    "text": ("text_config", "thinker_config", "decoder", "text_encoder", "semantic_config", "llm_config"),
    "audio": ("audio_config", "audio_encoder_config", "speech_config", "encoder_config", "audio_encoder",
    "codec_config"),
}  # fmt: skip


class Wanted:
    """A model, asked for the parameters of its forward and for sizes."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.config = model.config
        parameters = [
            p
            for p in inspect.signature(model.forward).parameters.values()
            if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        ]
        self.names = [p.name for p in parameters]
        self.required = {p.name for p in parameters if p.default is p.empty}

    def takes(self, *names: str) -> bool:
        """Whether `forward` has one of these parameters."""
        return any(name in self.names for name in names)

    def size(self, part: str, names: tuple[str, ...], default: Any) -> Any:
        """The first of `names` in the part's own config, then in the model's, then anywhere inside."""
        for config in self._configs(part):
            for name in names:
                value = getattr(config, name, None)
                if value is not None and not isinstance(value, bool):
                    return value
        return default

    def own(self, *names: str) -> Any:
        """The first of `names` in the model's own config, else None."""
        return next((v for v in (getattr(self.config, name, None) for name in names) if v), None)

    @property
    def picture(self) -> tuple[int, int]:
        """Height and width."""
        names = ("image_size", "img_size", "input_size", "crop_size", "resolution")
        return square(self.size("vision", names, 64))

    @property
    def channels(self) -> int:
        """Of a picture."""
        return one(self.size("vision", ("num_channels", "in_chans", "in_channels", "input_channels"), 3))

    @property
    def patch(self) -> int:
        """Pixels along a side of a patch."""
        return one(self.size("vision", ("patch_size",), 16))

    def _configs(self, part: str) -> list[Any]:
        found: list[Any] = []

        def walk(config: Any, depth: int) -> None:
            if hasattr(config, "to_dict") and depth < 4 and all(config is not f for f in found):
                found.append(config)
                for value in vars(config).values():
                    walk(value, depth + 1)

        for name in _PARTS[part]:
            walk(getattr(self.config, name, None), 0)
        first = found[:1]
        walk(self.config, 0)
        return [*first, *(c for c in found[len(first) :])]


def square(value: Any) -> tuple[int, int]:
    """Height and width of a size that may be one number."""
    if isinstance(value, dict):
        return value["height"], value["width"]
    return (value[0], value[1]) if isinstance(value, (list, tuple)) and len(value) > 1 else (one(value), one(value))


def one(value: Any) -> int:
    """The first of a list, or the number itself."""
    return int(value[0]) if isinstance(value, (list, tuple)) else int(value)
