"""Whole models as traces: AlexNet, a model with branches and buffers, and a recurrent one, written down by hand."""

from __future__ import annotations

from lens_trace import Trace

from .hand_made import Script, const, words

FEATURES = words(
    """
    conv2d relu max_pool2d conv2d relu max_pool2d conv2d relu conv2d relu conv2d relu max_pool2d
    """
)
CLASSIFIER = words(
    """
    dropout linear relu dropout linear relu linear
    """
)
CLASSES = {
    "conv2d": "Conv2d",
    "relu": "ReLU",
    "max_pool2d": "MaxPool2d",
    "linear": "Linear",
    "dropout": "Dropout",
    "adaptive_avg_pool2d": "AdaptiveAvgPool2d",
}


def alexnet() -> Trace:
    """torchvision's AlexNet: 24 layers."""
    script = Script("AlexNet")
    value = script.input("x", (6, 3, 224, 224))
    value = _sequence(script, "features", FEATURES, value)
    with script.module("avgpool", "AdaptiveAvgPool2d", [value]) as outputs:
        value = script.call("adaptive_avg_pool2d", value)
        outputs.append(value)
    value = script.call("flatten", value)
    value = _sequence(script, "classifier", CLASSIFIER, value)
    script.output(value)
    return script.finish()


def _sequence(script: Script, address: str, names: list[str], value: int) -> int:
    with script.module(address, "Sequential", [value]) as outputs:
        for index, name in enumerate(names):
            place = f"{address}.{index}"
            with script.module(place, CLASSES[name], [value]) as parts:
                has_parameters = name in ("conv2d", "linear")
                parameters = [f"{place}.weight", f"{place}.bias"] if has_parameters else []
                value = script.call(name, value, parameters=parameters)
                parts.append(value)
        outputs.append(value)
    return value


def branching() -> Trace:
    """Two branches, a buffer, noise, an unseen tensor, an IF, an orphan and a thrown-away result.

    x ----> linear ----> add(buffer) ----> relu ---> output
                            |                  ^
                            |---> sub -> mean -> gt (read by an `if`)
                            |---> mul(noise) ---> cat(constant, .) ---> output
                            |---> neg      (ends inside)
    """
    script = Script("Branching")
    x = script.input("x", (2, 3))
    with script.module("fc", "Linear", [x]) as outputs:
        linear = script.call("linear", x, parameters=["fc.weight", "fc.bias"])
        outputs.append(linear)
    shift = script.buffer("shift")
    total = script.call("add", linear, shift)
    centred = script.call("sub", total, const(5))
    mean = script.call("mean", centred, shape=())
    decision = script.call("gt", mean, const(3), shape=(), dtype="bool")
    script.read(decision)
    with script.module("act", "ReLU", [total]) as outputs:
        active = script.call("relu_", total, is_inplace=True)
        outputs.append(active)
    noise = script.call("rand", const(2), const(3))
    scaled = script.call("__mul__", total, noise)
    unseen = script.constant("table")
    script.call("zeros", const(2))
    joined = script.call("cat", [unseen, scaled], dim=const(1))
    script.call("neg", total)
    script.output(active, "0")
    script.output(joined, "1")
    return script.finish()


def recurrent(times: int = 3) -> Trace:
    """`for _ in range(times): h = tanh(cell(h))`, then a head."""
    script = Script("Recurrent")
    value = script.input("x", (2, 3))
    for _ in range(times):
        with script.module("cell", "Linear", [value]) as outputs:
            value = script.call("linear", value, parameters=["cell.weight"], site=1)
            outputs.append(value)
        value = script.call("tanh", value, site=2)
    with script.module("head", "Linear", [value]) as outputs:
        value = script.call("linear", value, parameters=["head.weight"], site=3)
        outputs.append(value)
    script.output(value)
    return script.finish()
