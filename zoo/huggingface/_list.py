"""Which architectures does the installed transformers have?

    python -m zoo.huggingface._list > zoo/huggingface/architectures.txt

Writes one line for each type of config: family, type, classes.  The first class is the bare model, or what stands for
it; the others are its heads.  The catalogue reads that file, so that names can be listed without importing anything;
it is written again when a newer transformers brings more.
"""

from __future__ import annotations

from typing import Any

_HEADS = (
    "CAUSAL_LM", "SEQ_TO_SEQ_CAUSAL_LM", "MASKED_LM", "IMAGE_CLASSIFICATION", "OBJECT_DETECTION",
    "SEMANTIC_SEGMENTATION", "UNIVERSAL_SEGMENTATION", "DEPTH_ESTIMATION", "MASKED_IMAGE_MODELING",
    "ZERO_SHOT_OBJECT_DETECTION", "CTC", "VIDEO_CLASSIFICATION", "AUDIO_CLASSIFICATION", "SPEECH_SEQ_2_SEQ",
    "IMAGE_TEXT_TO_TEXT", "TEXT_TO_WAVEFORM", "TEXT_TO_SPECTROGRAM", "TIME_SERIES_PREDICTION",
    "SEQUENCE_CLASSIFICATION", "TOKEN_CLASSIFICATION", "QUESTION_ANSWERING", "MULTIPLE_CHOICE",
    "NEXT_SENTENCE_PREDICTION", "PRETRAINING",
)  # fmt: skip
_FAMILIES = (
    (
        "multimodal",
        ("MULTIMODAL_LM", "IMAGE_TEXT_TO_TEXT", "VISUAL_QUESTION_ANSWERING", "ZERO_SHOT_IMAGE_CLASSIFICATION"),
    ),
    ("encoder-decoder", ("SEQ_TO_SEQ_CAUSAL_LM",)),
    (
        "audio",
        (
            "CTC", "AUDIO_CLASSIFICATION", "SPEECH_SEQ_2_SEQ", "TEXT_TO_WAVEFORM", "TEXT_TO_SPECTROGRAM", "RNNT", "TDT",
        ),
    ),
    (
        "vision",
        (
            "IMAGE", "IMAGE_CLASSIFICATION", "OBJECT_DETECTION", "SEMANTIC_SEGMENTATION", "UNIVERSAL_SEGMENTATION",
            "DEPTH_ESTIMATION", "BACKBONE", "MASK_GENERATION", "KEYPOINT_DETECTION", "KEYPOINT_MATCHING",
            "VIDEO_CLASSIFICATION", "ZERO_SHOT_OBJECT_DETECTION", "TABLE_RECOGNITION", "TEXT_RECOGNITION",
            "IMAGE_TO_IMAGE",
        ),
    ),
    ("series", ("TIME_SERIES_PREDICTION", "TIME_SERIES_REGRESSION", "TIME_SERIES_CLASSIFICATION")),
    ("text", ("CAUSAL_LM", "MASKED_LM", "SEQUENCE_CLASSIFICATION", "TEXT_ENCODING")),
)  # fmt: skip
_STATE_SPACES = (
    "mamba", "bamba", "jamba", "zamba", "falcon_h1", "rwkv", "xlstm", "recurrent_gemma", "granitemoehybrid",
    "nemotron_h", "lfm2", "qwen3_next", "kimi_linear", "bailing_hybrid", "olmo_hybrid", "minimax",
)  # fmt: skip
_EXPERTS = (
    "moe", "mixtral", "deepseek_v", "dots1", "switch_transformers", "glm4_moe", "ernie4_5_moe", "gpt_oss",
    "llama4_text", "longcat", "dbrx", "kimi_k2", "aria_text", "jetmoe", "hunyuan_v1_moe", "hy_v", "solar_open",
    "afmoe", "mistral4",
)  # fmt: skip


def main() -> None:
    """Prints the lines."""
    from transformers.models.auto import modeling_auto
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    mappings = {
        name.removeprefix("MODEL_FOR_").removesuffix("_MAPPING_NAMES"): getattr(modeling_auto, name)
        for name in dir(modeling_auto)
        if name.startswith("MODEL_FOR_") and name.endswith("_MAPPING_NAMES")
    }
    for model_type in CONFIG_MAPPING_NAMES:
        bare = _names(modeling_auto.MODEL_MAPPING_NAMES.get(model_type))
        rest = [task for task in mappings if task not in _HEADS]
        heads = [name for task in (*_HEADS, *rest) for name in _names(mappings[task].get(model_type))]
        classes = list(dict.fromkeys([*bare, *heads]))
        if classes:
            print(_family(model_type, mappings), model_type, *classes)


def _names(found: Any) -> list[str]:
    return [] if found is None else [found] if isinstance(found, str) else list(found)


def _family(model_type: str, mappings: dict[str, Any]) -> str:
    if any(model_type.startswith(name) for name in _STATE_SPACES):
        return "state-space"
    if any(name in model_type for name in _EXPERTS) and not model_type.endswith(("_vision", "_vl", "encoder")):
        return "mixture-of-experts"
    for family, tasks in _FAMILIES:
        if any(model_type in mappings[task] for task in tasks):
            return family
    for word, family in (("vision", "vision"), ("video", "vision"), ("audio", "audio"), ("text", "text")):
        if word in model_type:
            return family
    return "other"


if __name__ == "__main__":
    main()
