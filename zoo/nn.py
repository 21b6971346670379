"""torch.nn's own layers, each with the inputs that it was made for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from zoo._catalogue import Case, Entry

_Inputs = Callable[[Any], tuple[Any, ...]]

_IMAGE: _Inputs = lambda torch: (torch.randn(2, 4, 8, 8),)  # noqa: E731
_ROW: _Inputs = lambda torch: (torch.randn(2, 4, 8),)  # noqa: E731
_VOLUME: _Inputs = lambda torch: (torch.randn(2, 4, 8, 8, 8),)  # noqa: E731
_FLAT: _Inputs = lambda torch: (torch.randn(3, 4),)  # noqa: E731
_INPUTS = {1: _ROW, 2: _IMAGE, 3: _VOLUME}

_ACTIVATIONS = """
ELU Hardshrink Hardsigmoid Hardtanh Hardswish LeakyReLU LogSigmoid PReLU ReLU ReLU6 RReLU SELU CELU GELU Sigmoid SiLU
Mish Softplus Softshrink Softsign Tanh Tanhshrink Threshold GLU Softmin Softmax LogSoftmax Identity
"""
_ACTIVATION_OPTIONS: dict[str, tuple[Any, ...]] = {"Threshold": (0.1, 20.0), "Softmin": (1,), "Softmax": (1,)}
_BY_DIMENSION: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "Conv": ((4, 6, 3), {"padding": 1, "padding_mode": "reflect"}),
    "ConvTranspose": ((4, 6, 3), {"stride": 2}),
    "LazyConv": ((6, 3), {}),
    "MaxPool": ((2,), {"return_indices": True}),
    "AvgPool": ((2,), {}),
    "LPPool": ((2, 2), {}),
    "AdaptiveMaxPool": ((3,), {}),
    "AdaptiveAvgPool": ((3,), {}),
    "BatchNorm": ((4,), {}),
    "InstanceNorm": ((4,), {"affine": True}),
    "Dropout": ((0.3,), {}),
    "ConstantPad": ((1, 0.5), {}),
    "ReflectionPad": ((1,), {}),
    "ReplicationPad": ((1,), {}),
    "CircularPad": ((1,), {}),
    "ZeroPad": ((1,), {}),
}
_LOSSES: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "L1Loss": lambda t: (t.randn(3, 4), t.randn(3, 4)),
    "MSELoss": lambda t: (t.randn(3, 4), t.randn(3, 4)),
    "CrossEntropyLoss": lambda t: (t.randn(3, 4), t.tensor([1, 0, 3])),
    "NLLLoss": lambda t: (t.randn(3, 4).log_softmax(1), t.tensor([1, 0, 3])),
    "PoissonNLLLoss": lambda t: (t.randn(3, 4), t.rand(3, 4)),
    "GaussianNLLLoss": lambda t: (t.randn(3, 4), t.randn(3, 4), t.rand(3, 4) + 0.1),
    "KLDivLoss": lambda t: (t.randn(3, 4).log_softmax(1), t.rand(3, 4)),
    "BCELoss": lambda t: (t.rand(3, 4), t.rand(3, 4)),
    "BCEWithLogitsLoss": lambda t: (t.randn(3, 4), t.rand(3, 4)),
    "MarginRankingLoss": lambda t: (t.randn(4), t.randn(4), t.tensor([1.0, -1, 1, -1])),
    "HingeEmbeddingLoss": lambda t: (t.randn(3, 4), t.randn(3, 4).sign()),
    "MultiLabelMarginLoss": lambda t: (t.randn(2, 4), t.tensor([[3, 0, -1, 1], [1, -1, 0, 0]])),
    "HuberLoss": lambda t: (t.randn(3, 4), t.randn(3, 4)),
    "SmoothL1Loss": lambda t: (t.randn(3, 4), t.randn(3, 4)),
    "SoftMarginLoss": lambda t: (t.randn(3, 4), t.randn(3, 4).sign()),
    "MultiLabelSoftMarginLoss": lambda t: (t.randn(3, 4), t.rand(3, 4).round()),
    "CosineEmbeddingLoss": lambda t: (t.randn(3, 4), t.randn(3, 4), t.tensor([1.0, -1, 1])),
    "MultiMarginLoss": lambda t: (t.randn(3, 4), t.tensor([1, 0, 3])),
    "TripletMarginLoss": lambda t: (t.randn(3, 4), t.randn(3, 4), t.randn(3, 4)),
    "TripletMarginWithDistanceLoss": lambda t: (t.randn(3, 4), t.randn(3, 4), t.randn(3, 4)),
    "CTCLoss": lambda t: (
        t.randn(12, 2, 5).log_softmax(2),
        t.randint(1, 5, (2, 4)),
        t.tensor([12, 10]),
        t.tensor([4, 3]),
    ),
}
_OTHERS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], _Inputs]] = {
    "Linear": ("Linear", (4, 6), {}, _FLAT),
    "LazyLinear": ("LazyLinear", (6,), {}, _FLAT),
    "Bilinear": ("Bilinear", (4, 3, 5), {}, lambda t: (t.randn(2, 4), t.randn(2, 3))),
    "Flatten": ("Flatten", (), {}, _IMAGE),
    "Unflatten": ("Unflatten", (1, (2, 2)), {}, _FLAT),
    "Fold": ("Fold", ((4, 4), 2), {}, lambda t: (t.randn(1, 12, 9),)),
    "Unfold": ("Unfold", (2,), {}, _IMAGE),
    "GroupNorm": ("GroupNorm", (2, 4), {}, _IMAGE),
    "LayerNorm": ("LayerNorm", (8,), {}, _ROW),
    "RMSNorm": ("RMSNorm", (8,), {}, _ROW),
    "LocalResponseNorm": ("LocalResponseNorm", (2,), {}, _IMAGE),
    "CrossMapLRN2d": ("CrossMapLRN2d", (2,), {}, _IMAGE),
    "SyncBatchNorm": ("SyncBatchNorm", (4,), {}, _IMAGE),
    "Embedding": ("Embedding", (10, 4), {"padding_idx": 0}, lambda t: (t.tensor([[1, 0, 5], [2, 9, 0]]),)),
    "Embedding.max_norm": ("Embedding", (10, 4), {"max_norm": 0.5}, lambda t: (t.tensor([[1, 2, 5]]),)),
    "EmbeddingBag": (
        "EmbeddingBag",
        (10, 4),
        {"mode": "mean"},
        lambda t: (t.tensor([1, 2, 4, 5, 4]), t.tensor([0, 2])),
    ),
    "EmbeddingBag.weighted": (
        "EmbeddingBag",
        (10, 4),
        {"mode": "sum"},
        lambda t: (t.tensor([1, 2, 4, 5]), t.tensor([0, 2]), t.rand(4)),
    ),
    "CosineSimilarity": ("CosineSimilarity", (), {}, lambda t: (t.randn(3, 4), t.randn(3, 4))),
    "PairwiseDistance": ("PairwiseDistance", (), {}, lambda t: (t.randn(3, 4), t.randn(3, 4))),
    "PixelShuffle": ("PixelShuffle", (2,), {}, _IMAGE),
    "PixelUnshuffle": ("PixelUnshuffle", (2,), {}, _IMAGE),
    "ChannelShuffle": ("ChannelShuffle", (2,), {}, _IMAGE),
    "Upsample.nearest": ("Upsample", (), {"scale_factor": 2}, _IMAGE),
    "Upsample.bicubic": ("Upsample", (), {"scale_factor": 1.5, "mode": "bicubic"}, _IMAGE),
    "Upsample.trilinear": ("Upsample", (), {"size": (5, 9, 6), "mode": "trilinear"}, _VOLUME),
    "FractionalMaxPool2d": ("FractionalMaxPool2d", (2,), {"output_ratio": 0.6}, _IMAGE),
    "FractionalMaxPool3d": ("FractionalMaxPool3d", (2,), {"output_ratio": 0.6}, _VOLUME),
    "AlphaDropout": ("AlphaDropout", (0.3,), {}, _FLAT),
    "FeatureAlphaDropout": ("FeatureAlphaDropout", (0.3,), {}, _IMAGE),
    "AdaptiveLogSoftmaxWithLoss": (
        "AdaptiveLogSoftmaxWithLoss",
        (8, 20, [4, 10]),
        {},
        lambda t: (t.randn(5, 8), t.tensor([1, 5, 12, 19, 0])),
    ),
    "RNN": ("RNN", (4, 5, 2), {}, lambda t: (t.randn(6, 2, 4),)),
    "RNN.relu": ("RNN", (4, 5), {"nonlinearity": "relu", "bidirectional": True}, lambda t: (t.randn(6, 2, 4),)),
    "LSTM": ("LSTM", (4, 5, 2), {"batch_first": True}, lambda t: (t.randn(2, 6, 4),)),
    "LSTM.projected": ("LSTM", (4, 5), {"proj_size": 3, "bidirectional": True}, lambda t: (t.randn(6, 2, 4),)),
    "GRU": ("GRU", (4, 5, 2), {"dropout": 0.2, "bidirectional": True}, lambda t: (t.randn(6, 2, 4),)),
    "RNNCell": ("RNNCell", (4, 5), {}, lambda t: (t.randn(2, 4), t.randn(2, 5))),
    "LSTMCell": ("LSTMCell", (4, 5), {}, lambda t: (t.randn(2, 4), (t.randn(2, 5), t.randn(2, 5)))),
    "GRUCell": ("GRUCell", (4, 5), {}, lambda t: (t.randn(2, 4), t.randn(2, 5))),
    "MultiheadAttention": (
        "MultiheadAttention",
        (8, 2),
        {"batch_first": True},
        lambda t: (t.randn(2, 5, 8), t.randn(2, 6, 8), t.randn(2, 6, 8)),
    ),
    "MultiheadAttention.widths": (
        "MultiheadAttention",
        (8, 2),
        {"kdim": 6, "vdim": 5, "add_bias_kv": True, "add_zero_attn": True, "dropout": 0.1},
        lambda t: (t.randn(5, 2, 8), t.randn(6, 2, 6), t.randn(6, 2, 5)),
    ),
    "TransformerEncoderLayer": ("TransformerEncoderLayer", (8, 2, 16), {"batch_first": True}, _ROW),
    "TransformerDecoderLayer": (
        "TransformerDecoderLayer",
        (8, 2, 16),
        {"norm_first": True},
        lambda t: (t.randn(5, 2, 8), t.randn(6, 2, 8)),
    ),
    "Transformer": (
        "Transformer",
        (8, 2, 2, 2, 16),
        {"batch_first": True},
        lambda t: (t.randn(2, 6, 8), t.randn(2, 5, 8)),
    ),
}


def entries() -> Iterator[Entry]:
    """All of them in eval mode; what behaves otherwise in training once more."""
    for name in _ACTIVATIONS.split():
        options = _ACTIVATION_OPTIONS.get(name, ())
        yield _entry(name, "activations", partial(_layer, name, options, {}, _FLAT))
    for start, (args, options) in _BY_DIMENSION.items():
        for dimension, inputs in _INPUTS.items():
            name = f"{start}{dimension}d"
            fitting = {k: v for k, v in options.items() if not (name == "Conv3d" and k == "padding_mode")}
            build = partial(_layer, name, args, fitting, inputs)
            yield _entry(name, "layers", build)
            if start in ("BatchNorm", "InstanceNorm", "Dropout"):
                yield _entry(f"{name}.train", "layers", build, mode="train")
    for name, inputs in _LOSSES.items():
        yield _entry(name, "losses", partial(_layer, name, (), {}, inputs), mode="train")
    for name, (class_name, args, options, inputs) in _OTHERS.items():
        build = partial(_layer, class_name, args, options, inputs)
        yield _entry(name, "layers", build)
        if any(word in name for word in ("Dropout", "GRU", "Multihead", "Transformer", "Fractional")):
            yield _entry(f"{name}.train", "layers", build, mode="train")
    yield _entry("MaxUnpool2d", "layers", _unpooled)
    yield _entry("RNN.packed", "layers", partial(_packed, "RNN"))
    yield _entry("LSTM.packed", "layers", partial(_packed, "LSTM"))
    yield _entry("TransformerEncoder.masked", "layers", _masked)
    yield _entry("ParameterList", "containers", _parameters)
    yield _entry("ModuleDict", "containers", _choices)


def _entry(name: str, family: str, build: Callable[[], Case], **more: Any) -> Entry:
    return Entry(f"nn/{name}", f"torch.nn {family}", "torch", build, **more)


def _layer(name: str, args: tuple[Any, ...], options: dict[str, Any], inputs: _Inputs) -> Case:
    import torch

    return getattr(torch.nn, name)(*args, **options), inputs(torch), {}


def _unpooled() -> Case:
    import torch

    class Both(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = torch.nn.MaxPool2d(2, return_indices=True)
            self.unpool = torch.nn.MaxUnpool2d(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.unpool(*self.pool(x))

    return Both(), _IMAGE(torch), {}


def _packed(name: str) -> Case:
    import torch

    class Packed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = getattr(torch.nn, name)(4, 5, batch_first=True)

        def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            return torch.nn.utils.rnn.pad_packed_sequence(self.cells(packed)[0], batch_first=True)[0]

    return Packed(), (torch.randn(3, 6, 4), torch.tensor([4, 6, 2])), {}


def _masked() -> Case:
    import torch

    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    hidden = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    return torch.nn.TransformerEncoder(layer, 2), (torch.randn(2, 5, 8),), {"src_key_padding_mask": hidden}


def _parameters() -> Case:
    import torch

    class Many(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = torch.nn.ParameterList([torch.nn.Parameter(torch.randn(4, 4)) for _ in range(3)])

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for weight in self.weights:
                x = torch.tanh(x @ weight)
            return x

    return Many(), _FLAT(torch), {}


def _choices() -> Case:
    import torch

    class Choices(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ways = torch.nn.ModuleDict({"left": torch.nn.Linear(4, 4), "right": torch.nn.Linear(4, 4)})

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            if x.sum() > 0:
                x = self.ways["left"](x)
            return {name: way(x) for name, way in self.ways.items()}

    return Choices(), _FLAT(torch), {}
