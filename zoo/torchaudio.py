"""Every builder of torchaudio's models, and its transforms, which are modules too.

The last release was compiled for an older CUDA and refuses to be imported beside a newer one.  Nothing of CUDA is used
here, so its version is hidden while torchaudio is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

from zoo._catalogue import Case, Entry, is_installed

_SAMPLES = 1600
_ENCODERS = """
wav2vec2_base wav2vec2_large wav2vec2_large_lv60k wav2vec2_xlsr_300m hubert_base hubert_large wavlm_base wavlm_large
"""
_HUGE = "wav2vec2_xlsr_1b wav2vec2_xlsr_2b hubert_xlarge hubert_pretrain_xlarge"
_PRETRAINED = "hubert_pretrain_base hubert_pretrain_large"
_TRANSFORMS: dict[str, tuple[dict[str, Any], str]] = {
    "AmplitudeToDB": ({}, "spectrum"),
    "ComputeDeltas": ({}, "spectrum"),
    "Deemphasis": ({}, "wave"),
    "Fade": ({"fade_in_len": 100, "fade_out_len": 100}, "wave"),
    "FrequencyMasking": ({"freq_mask_param": 8}, "spectrum"),
    "GriffinLim": ({"n_fft": 64, "n_iter": 4}, "half"),
    "InverseSpectrogram": ({"n_fft": 64}, "complex"),
    "LFCC": ({"n_filter": 32, "n_lfcc": 13, "speckwargs": {"n_fft": 128}}, "wave"),
    "Loudness": ({"sample_rate": 16000}, "long"),
    "MFCC": ({"n_mfcc": 13, "melkwargs": {"n_fft": 128, "n_mels": 20}}, "wave"),
    "MelScale": ({"n_mels": 16, "n_stft": 33}, "half"),
    "MelSpectrogram": ({"n_fft": 128, "n_mels": 16}, "wave"),
    "MuLawDecoding": ({}, "codes"),
    "MuLawEncoding": ({}, "wave"),
    "PitchShift": ({"sample_rate": 16000, "n_steps": 4, "n_fft": 128}, "wave"),
    "Preemphasis": ({}, "wave"),
    "Resample": ({"orig_freq": 16000, "new_freq": 12000}, "wave"),
    "SlidingWindowCmn": ({"cmn_window": 5}, "spectrum"),
    "SpecAugment": ({"n_time_masks": 1, "time_mask_param": 5, "n_freq_masks": 1, "freq_mask_param": 5}, "spectrum"),
    "SpectralCentroid": ({"sample_rate": 16000, "n_fft": 128}, "wave"),
    "Spectrogram": ({"n_fft": 128}, "wave"),
    "Speed": ({"orig_freq": 16000, "factor": 1.25}, "wave"),
    "SpeedPerturbation": ({"orig_freq": 16000, "factors": [0.8, 1.0, 1.25]}, "wave"),
    "TimeMasking": ({"time_mask_param": 5}, "spectrum"),
    "TimeStretch": ({"n_freq": 33, "fixed_rate": 1.2}, "complex"),
    "Vad": ({"sample_rate": 8000, "boot_time": 0.05}, "wave"),
    "Vol": ({"gain": 0.5}, "wave"),
}
"""Options of each transform, and the kind of input it takes."""


def entries() -> Iterator[Entry]:
    """All of them."""
    for name in _ENCODERS.split():
        yield _entry(name, partial(_encoder, name))
    for name in ("wav2vec2_base", "wavlm_base"):
        yield _entry(f"{name}.train", partial(_encoder, name), mode="train")
    for name in _PRETRAINED.split():
        yield _entry(name, partial(_pretrained, name))
        yield _entry(f"{name}.train", partial(_pretrained, name), mode="train")
    for name in _HUGE.split():
        build = _pretrained if "pretrain" in name else _encoder
        yield _entry(name, partial(build, name), on_request=True, notes="a billion parameters or more")
    for build in (
        _wav2letter,
        _wavernn,
        _conv_tasnet,
        _deepspeech,
        _tacotron2,
        _conformer,
        _emformer,
        _rnnt,
        _hdemucs,
        _squim_objective,
        _squim_subjective,
    ):
        yield _entry(build.__name__.removeprefix("_"), build)
    for build in (_conv_tasnet, _tacotron2, _conformer):
        yield _entry(f"{build.__name__.removeprefix('_')}.train", build, mode="train")
    for name, (options, kind) in _TRANSFORMS.items():
        yield _entry(name, partial(_transform, name, options, kind), "torchaudio transforms")
    for build in (_add_noise, _convolve, _fft_convolve, _psd, _rnnt_loss):
        yield _entry(build.__name__.removeprefix("_"), build, "torchaudio transforms")


def _entry(name: str, build: Callable[[], Case], family: str = "torchaudio models", **more: Any) -> Entry:
    return Entry(f"torchaudio/{name}", family, "torchaudio", build, **more)


def prepare() -> None:
    """Imports it before another library does, transformers for one, and is refused."""
    if is_installed("torchaudio"):
        library()


def library() -> Any:
    """The module torchaudio."""
    import torch

    with patch.object(torch.version, "cuda", None):
        import torchaudio

    return torchaudio


def _models() -> Any:
    library()
    import torchaudio.models

    return torchaudio.models


def _rand(*shape: int) -> Any:
    import torch

    return torch.rand(*shape)


def _waves(channels: int = 2, samples: int = _SAMPLES) -> Any:
    return _rand(channels, samples) * 2 - 1


def _lengths(*values: int) -> Any:
    import torch

    return torch.tensor(values)


def _encoder(name: str) -> Case:
    lengths = () if name.startswith("wavlm") else (_lengths(_SAMPLES, _SAMPLES - 400),)
    return getattr(_models(), name)(aux_num_out=8), (_waves(), *lengths), {}


def _pretrained(name: str) -> Case:
    import torch

    model = getattr(_models(), name)(mask_prob=0.8)
    labels = torch.randint(0, 100, (2, 19))
    return model, (_waves(2, 6400), labels, _lengths(6400, 6000)), {}


def _wav2letter() -> Case:
    return _models().Wav2Letter(num_classes=20), (_rand(2, 1, 4000),), {}


def _wavernn() -> Case:
    model = _models().WaveRNN(
        upsample_scales=[2, 2, 5], n_classes=32, hop_length=20, n_res_block=2, n_rnn=32, n_fc=32, n_freq=16, n_hidden=16
    )
    return model, (_rand(2, 1, (8 - 5 + 1) * 20), _rand(2, 1, 16, 8)), {}


def _conv_tasnet() -> Case:
    return _models().conv_tasnet_base(), (_rand(1, 1, 800),), {}


def _deepspeech() -> Case:
    return _models().DeepSpeech(n_feature=16, n_hidden=64), (_rand(2, 1, 20, 16),), {}


def _tacotron2() -> Case:
    import torch

    model = _models().Tacotron2(
        n_mels=16, symbol_embedding_dim=32, encoder_embedding_dim=32, decoder_rnn_dim=64, attention_rnn_dim=64
    )
    tokens = torch.randint(0, 148, (2, 12))
    return model, (tokens, _lengths(12, 9), _rand(2, 16, 6), _lengths(6, 5)), {}


def _conformer() -> Case:
    model = _models().Conformer(
        input_dim=32, num_heads=4, ffn_dim=64, num_layers=3, depthwise_conv_kernel_size=31, dropout=0.1
    )
    return model, (_rand(2, 40, 32), _lengths(40, 33)), {}


def _emformer() -> Case:
    model = _models().Emformer(
        32, 4, 64, 3, segment_length=4, left_context_length=8, right_context_length=1, max_memory_size=2
    )
    return model, (_rand(2, 17, 32), _lengths(16, 12)), {}


def _rnnt() -> Case:
    import torch

    model = _models().emformer_rnnt_base(32)
    targets = torch.randint(0, 32, (2, 5), dtype=torch.int32)
    lengths = torch.tensor([36, 28], dtype=torch.int32)
    return model, (_rand(2, 36, 80), lengths, targets, torch.tensor([5, 4], dtype=torch.int32)), {}


def _hdemucs() -> Case:
    return _models().hdemucs_low(sources=["drums", "bass"]), (_rand(1, 2, 8192),), {}


def _squim_objective() -> Case:
    return _models().squim_objective_base(), (_waves(1, 8000),), {}


def _squim_subjective() -> Case:
    return _models().squim_subjective_base(), (_waves(1, 8000), _waves(1, 8000)), {}


def _transform(name: str, options: dict[str, Any], kind: str) -> Case:
    import torch

    library()
    import torchaudio.transforms as transforms

    if kind == "complex":
        given = torch.randn(2, 33, 20, dtype=torch.complex64)
    elif kind == "codes":
        given = torch.randint(0, 256, (2, 400))
    else:
        given = {
            "wave": lambda: _waves(),
            "long": lambda: _waves(2, 16000),
            "spectrum": lambda: _rand(2, 32, 40) + 0.1,
            "half": lambda: _rand(2, 33, 20),
        }[kind]()
    return getattr(transforms, name)(**options), (given,), {}


def _named(name: str, *args: Any, **options: Any) -> Case:
    library()
    import torchaudio.transforms as transforms

    return getattr(transforms, name)(**options), args, {}


def _add_noise() -> Case:
    return _named("AddNoise", _waves(), _waves(), _rand(2) * 10)


def _convolve() -> Case:
    return _named("Convolve", _waves(2, 300), _waves(2, 20))


def _fft_convolve() -> Case:
    return _named("FFTConvolve", _waves(2, 300), _waves(2, 20))


def _psd() -> Case:
    import torch

    return _named("PSD", torch.randn(3, 9, 12, dtype=torch.complex64), _rand(9, 12))


def _rnnt_loss() -> Case:
    import torch

    targets = torch.tensor([[1, 2, 3], [3, 1, 2]], dtype=torch.int32)
    lengths = torch.tensor([4, 4], dtype=torch.int32), torch.tensor([3, 3], dtype=torch.int32)
    return _named("RNNTLoss", _rand(2, 4, 4, 5), targets, *lengths)
