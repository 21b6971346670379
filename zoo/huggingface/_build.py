"""How is one tiny model of transformers built?"""

from __future__ import annotations

import copy
from typing import Any

import torch
import transformers

from zoo._catalogue import Case
from zoo.huggingface._inputs import inputs_for
from zoo.huggingface._labels import labels_for
from zoo.huggingface._shrink import shrunken


def build(class_name: str, model_type: str, attention: str | None = None) -> Case:
    """The model `class_name` with random weights and inputs that it takes."""
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    make = getattr(transformers, class_name)
    config = transformers.AutoConfig.for_model(model_type)
    if make.config_class is not None and not isinstance(config, make.config_class):
        config = make.config_class()  # the class is a part of what the type stands for
    config = shrunken(config)
    if attention is not None:
        config._attn_implementation = attention
    model = make(config).eval()
    return model, (), inputs_for(model)


def with_labels(class_name: str, model_type: str) -> Case:
    """The same with what it should have answered, so that its loss is part of the forward."""
    model, args, inputs = build(class_name, model_type)
    return model, args, inputs | labels_for(model, inputs)


def with_cache(class_name: str, model_type: str) -> Case:
    """The model about to read one more token, with the keys and values of those before."""
    model, args, inputs = build(class_name, model_type)
    name = "decoder_input_ids" if "decoder_input_ids" in inputs else "input_ids"
    tokens: Any = inputs[name]
    before = {key: value for key, value in inputs.items() if key != "attention_mask" or name != "input_ids"}
    with torch.no_grad():
        said = model(**before | {name: tokens[:, :-1]}, use_cache=True)
    cache = copy.deepcopy(said.past_key_values)
    return model, args, before | {name: tokens[:, -1:], "past_key_values": cache, "use_cache": True}
