"""Which models run in CI?

About sixty that are quick and together cover every fault that the zoo has found, each with what it is there for.
"""

from __future__ import annotations

FAST: dict[str, str] = {
    "torchvision/alexnet": "the paper's Figure 1",
    "torchvision/resnet18": "residual blocks, a ReLU that is called twice",
    "transformers/bert.BertModel": "attention with sdpa",
    "transformers/bert.BertModel.eager": "attention written out",
    "transformers/bert.BertForMaskedLM.train": "a loss, dropout",
    "transformers/git.GitModel": "an index into equal rows of a mask",
    "transformers/vilt.ViltModel": "an index whose other half decides",
    "transformers/glm4_moe.Glm4MoeModel": "experts in one group: an index along a dimension of one",
    "transformers/switch_transformers.SwitchTransformersModel": "the same in a subscript with a new axis",
    "transformers/longformer.LongformerModel": "sizes that are tensors",
    "transformers/higgs_audio_v2.HiggsAudioV2ForConditionalGeneration": "a mask that must fit its values",
    "transformers/udop.UdopModel": "one place written by many indices",
    "transformers/hunyuan_v1_moe.HunYuanMoEV1Model": "experts counted by histc",
    "transformers/gemma4_vision.Gemma4VisionModel": "one_hot of one class",
    "transformers/muse_glimmer_vision.MuseGlimmerVisionModel": "whole numbers divided by one",
    "transformers/instructblip.InstructBlipModel": "attention of tiny values",
    "transformers/reformer.ReformerModel": "hashing, Tensor.new",
    "transformers/gpt2.GPT2LMHeadModel.cached": "a cache that the forward grows",
    "transformers/bart.BartForConditionalGeneration.cached": "the same in an encoder and decoder",
    "transformers/wav2vec2.Wav2Vec2Model": "parametrised weights",
    "transformers/mamba.MambaModel": "a state space",
    "transformers/recurrent_gemma.RecurrentGemmaModel": "recurrence and attention",
    "transformers/t5.T5Model": "an encoder and a decoder",
    "transformers/qwen2_vl.Qwen2VLModel": "pictures as packed patches in a text",
    "transformers/whisper.WhisperModel": "sound",
    "diffusers/AutoencoderKL": "a sampled latent",
    "diffusers/FluxTransformer2DModel": "joint attention",
}
"""Name of each model, and what it covers."""
