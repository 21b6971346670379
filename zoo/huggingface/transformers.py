"""Every architecture of transformers that can be built from a tiny config.

The bare model of each type of config that transformers knows runs in a sweep; so do the heads in `FAMOUS`, some of them
with labels in training mode, some with eager attention beside the default, some with a cache of earlier tokens.  All
the other heads run on request.  The list itself is `architectures.txt`, see `zoo.huggingface._list`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from zoo._catalogue import Case, Entry

PRELOAD = (
    "transformers",
    "transformers.modeling_utils",
    "transformers.masking_utils",
    "transformers.modeling_layers",
    "transformers.integrations.sdpa_attention",
    "transformers.models.auto.modeling_auto",
)

FAMOUS = """
GPT2LMHeadModel LlamaForCausalLM MistralForCausalLM MixtralForCausalLM Qwen2ForCausalLM Qwen3ForCausalLM
Gemma2ForCausalLM Phi3ForCausalLM GPTNeoXForCausalLM BloomForCausalLM OPTForCausalLM FalconForCausalLM
MambaForCausalLM Mamba2ForCausalLM RwkvForCausalLM JambaForCausalLM DeepseekV3ForCausalLM XLNetLMHeadModel
BertForMaskedLM RobertaForMaskedLM DebertaV2ForMaskedLM ElectraForPreTraining BertForSequenceClassification
BertForTokenClassification DistilBertForQuestionAnswering BertForMultipleChoice BertForPreTraining
T5ForConditionalGeneration BartForConditionalGeneration PegasusForConditionalGeneration MarianMTModel
MBartForConditionalGeneration ProphetNetForConditionalGeneration LEDForConditionalGeneration
ViTForImageClassification SwinForImageClassification ConvNextForImageClassification ResNetForImageClassification
ViTMAEForPreTraining BeitForSemanticSegmentation SegformerForSemanticSegmentation DPTForDepthEstimation
DetrForObjectDetection DeformableDetrForObjectDetection RTDetrForObjectDetection YolosForObjectDetection
Mask2FormerForUniversalSegmentation MaskFormerForInstanceSegmentation OneFormerForUniversalSegmentation
GroundingDinoForObjectDetection OwlViTForObjectDetection VideoMAEForVideoClassification
WhisperForConditionalGeneration Wav2Vec2ForCTC HubertForCTC Wav2Vec2ForPreTraining Speech2TextForConditionalGeneration
SpeechT5ForTextToSpeech ASTForAudioClassification VitsModel
LlavaForConditionalGeneration Blip2ForConditionalGeneration Qwen2VLForConditionalGeneration
PaliGemmaForConditionalGeneration Gemma3ForConditionalGeneration ViltForQuestionAnswering
TimeSeriesTransformerForPrediction PatchTSTForPrediction
"""
"""Heads that run in every sweep."""

TRAINED = """
GPT2LMHeadModel LlamaForCausalLM MixtralForCausalLM BertForMaskedLM BertForSequenceClassification
T5ForConditionalGeneration ViTForImageClassification SegformerForSemanticSegmentation Wav2Vec2ForCTC
DetrForObjectDetection DeformableDetrForObjectDetection RTDetrForObjectDetection YolosForObjectDetection
Mask2FormerForUniversalSegmentation MaskFormerForInstanceSegmentation
"""
"""Heads that also run in training mode, with labels and their loss."""

EAGER = """
BertModel RobertaModel DistilBertModel GPT2Model LlamaModel Qwen2Model MixtralModel Gemma2Model BartModel T5Model
WhisperModel Wav2Vec2Model ViTModel DeiTModel Dinov2Model CLIPModel SiglipModel BlipModel DetrModel VideoMAEModel
"""
"""Models that also run with eager attention; the default is torch's scaled_dot_product_attention where there is one."""

CACHED = "GPT2LMHeadModel LlamaForCausalLM BartForConditionalGeneration FalconForCausalLM"
"""Models that also run one step with a cache of the steps before."""


WHY_NOT = {
    "BarkModel": "only generates: no forward of its own",
    "GlmImageVQVAE": "only encodes: no forward of its own",
    "Qwen2_5OmniForConditionalGeneration": "only generates: no forward of its own",
    "Qwen3OmniMoeForConditionalGeneration": "its talker reads a field that its config lacks",
    "EdgeTamVideoModel": "takes the session of a video that its processor keeps",
    "Sam2VideoModel": "takes the session of a video that its processor keeps",
    "Sam3TrackerVideoModel": "takes the session of a video that its processor keeps",
    "Sam3VideoModel": "takes the session of a video that its processor keeps",
    "Gemma4AssistantForCausalLM": "transformers' default config is refused by its own check",
    "Gemma4UnifiedAssistantForCausalLM": "reads the keys and values of another model, which its config must fit",
    "VoxtralRealtimeTextModel": "listed by transformers, which does not have it",
    "LayoutLMv2Model": "needs detectron2, which is not installed",
    "DinatModel": "needs natten, which is not installed",
    "HiggsAudioV2TokenizerModel": "two encoders of sound, whose lengths differ at this size",
    "Gemma3nModel": "ids of pictures and sounds beyond a small vocabulary",
    "Granite4VisionModel": "transformers' default config lacks the layers that it projects",
    "EdgeTamModel": "lists of channels of a backbone of timm, which do not shrink with the rest",
    "OmDetTurboForObjectDetection": "reads a projection that it makes only where two of its widths differ",
    "PPDocLayoutV2ForObjectDetection": "transformers' default config lacks the order of its classes",
    "PPOCRV6MediumDetModel": "transformers' default config lacks convolutions that it reads",
    "PPOCRV6SmallDetModel": "neck and backbone differ in channels in transformers' default config",
}
"""Models that are in the catalogue and cannot be given what they need; the reason stands in the report."""


def entries() -> Iterator[Entry]:
    """All of them, by type; a class that several types share is built from each."""
    famous, trained, eager, cached = (frozenset(names.split()) for names in (FAMOUS, TRAINED, EAGER, CACHED))
    for line in Path(__file__).with_name("architectures.txt").read_text().splitlines():
        family, model_type, *classes = line.split()
        for name in classes:
            title, group = f"transformers/{model_type}.{name}", f"transformers {family}"
            build = partial(_built, name, model_type)
            entry = Entry(title, group, "transformers", build, notes=WHY_NOT.get(name, ""))
            yield replace(entry, on_request=name != classes[0] and name not in famous)
            if name in trained:
                build = partial(_trained, name, model_type)
                yield replace(entry, name=f"{title}.train", build=build, mode="train", notes="with labels")
            if name in eager:
                build = partial(_built, name, model_type, "eager")
                yield replace(entry, name=f"{title}.eager", build=build, notes="eager attention")
            if name in cached:
                build = partial(_cached, name, model_type)
                yield replace(entry, name=f"{title}.cached", build=build, notes="one step with a cache")


def _built(name: str, model_type: str, attention: str | None = None) -> Case:
    from zoo.huggingface._build import build

    return build(name, model_type, attention)


def _trained(name: str, model_type: str) -> Case:
    from zoo.huggingface._build import with_labels

    return with_labels(name, model_type)


def _cached(name: str, model_type: str) -> Case:
    from zoo.huggingface._build import with_cache

    return with_cache(name, model_type)
