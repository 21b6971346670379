"""How does the config of a large model become the config of a tiny one of the same architecture?

`shrunken(config)` walks the fields of a config and of the configs inside it, and builds the same classes again with
small sizes.  Three things are more than a number for a name: lists with one entry a layer keep one entry of each
kind, so that a hybrid keeps its kinds of layers; special tokens get small ids, the same everywhere for one name; and
what an architecture asks for beyond the rules stands in `EXCEPTIONS`, keyed by the type of the config that has the
field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.huggingface import _sizes
from zoo.huggingface._exceptions import AS_IT_IS, EXCEPTIONS

_LAYER_COUNTS = (
    "num_hidden_layers", "num_layers", "n_layer", "n_layers", "depth", "encoder_layers", "decoder_layers", "layers",
)  # fmt: skip
_DERIVED = ("model_type", "transformers_version", "architectures", "stage_names")
_FIRST_FREE_TOKEN = 3
_ENDS = {"pad": 0, "bos": 1, "eos": 2}


def shrunken(config: Any, tokens: dict[str, int] | None = None, wanted: Mapping[str, Any] | None = None) -> Any:
    """A config of the same class with small sizes, and with `wanted`, in which `part.field` reaches into a part."""
    tokens = {} if tokens is None else tokens
    wanted = EXCEPTIONS.get(config.model_type, {}) | dict(wanted or {})
    if config.model_type in AS_IT_IS:
        return _as_it_is(config, wanted)
    fields = {name: value for name, value in vars(config).items() if not name.startswith("_")}
    changed: dict[str, Any] = {}
    for name, value in fields.items():
        if hasattr(value, "to_dict"):
            inside = {k.removeprefix(f"{name}."): v for k, v in wanted.items() if k.startswith(f"{name}.")}
            changed[name] = shrunken(value, tokens, inside)
        elif name == "rope_parameters":
            changed[name] = _small_rope(value)
        elif _sizes.TOKEN.fullmatch(name):
            changed[name] = _small_token(name, value, tokens)
        elif not isinstance(value, (bool, str, type(None), float, dict)):
            changed[name] = _small(name, value)
    changed |= _one_layer_of_each_kind(fields)
    changed |= _last_stages(config, changed)
    if fields.get("num_key_value_heads", 0) == fields.get("num_attention_heads"):
        changed["num_key_value_heads"] = changed["num_attention_heads"]
    changed |= {name: value for name, value in wanted.items() if "." not in name}
    return rebuilt(config, changed)


def _as_it_is(config: Any, wanted: Mapping[str, Any]) -> Any:
    """The same sizes, with what is wanted of the config and of the parts in it."""
    parts = {name.partition(".")[0] for name in wanted if "." in name}
    inside = {p: {k.partition(".")[2]: v for k, v in wanted.items() if k.startswith(f"{p}.")} for p in parts}
    own = {name: value for name, value in wanted.items() if "." not in name}
    return rebuilt(config, own | {p: rebuilt(getattr(config, p), fields) for p, fields in inside.items()})


def rebuilt(config: Any, changed: Mapping[str, Any]) -> Any:
    """The same class again, with what `config` has beside the defaults of its class, and with `changed`."""
    fields = vars(config)
    different = {name: fields[name] for name in config.to_diff_dict() if name in fields and name not in _DERIVED}
    changed = {name: value for name, value in changed.items() if name in different or value != fields.get(name)}
    return type(config)(**(different | changed))


def _small(name: str, value: Any) -> Any:
    if isinstance(value, int):
        return _sizes.small_patch(value) if name == "patch_size" else _sizes.small_value(name, value)
    if isinstance(value, (list, tuple)):
        return type(value)(v if isinstance(v, (bool, str, float, dict, type(None))) else _small(name, v) for v in value)
    return value


def _small_token(name: str, value: Any, tokens: dict[str, int]) -> Any:
    """Ids by name: those of the ends of a sequence first, then one after the other."""
    if isinstance(value, (list, tuple)):
        return type(value)(_small_token(f"{name}{i}", v, tokens) for i, v in enumerate(value))
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        return value
    name = name.removesuffix("_id").removesuffix("_index")
    short = name.removesuffix("_token")
    if short in _ENDS:
        return _ENDS[short]
    return tokens.setdefault(short, _FIRST_FREE_TOKEN + len(tokens))


def _small_rope(value: Any) -> Any:
    """Rotary parameters whose sections add up to half a head."""
    if not isinstance(value, dict):
        return value
    small = {name: _small_rope(inner) for name, inner in value.items()}
    if isinstance(small.get("mrope_section"), (list, tuple)):
        half = int(_sizes.HEAD_WIDTH * small.get("partial_rotary_factor", 1.0)) // 2
        n = len(small["mrope_section"])
        small["mrope_section"] = [half - (n - 1) * (half // n), *[half // n] * (n - 1)]
    for name in ("short_factor", "long_factor"):
        if isinstance(small.get(name), (list, tuple)):
            small[name] = [1.0] * (_sizes.HEAD_WIDTH // 2)
    if "original_max_position_embeddings" in small:
        small["original_max_position_embeddings"] = 64
    return small


def _one_layer_of_each_kind(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Shortens the lists with one entry a layer together, to one layer of each kind and no fewer than two."""
    changed: dict[str, Any] = {}
    for counter in _LAYER_COUNTS:
        n = fields.get(counter)
        if not isinstance(n, int) or n < 3:
            continue
        lists = {k: v for k, v in fields.items() if isinstance(v, (list, tuple)) and len(v) == n}
        if not lists:
            continue
        kinds = [tuple(str(v[i]) for v in lists.values()) for i in range(n)]
        kept = sorted({kinds.index(kind) for kind in kinds})
        kept = kept if len(kept) > 1 else [0, 1]
        changed |= {k: [_small(k, v[i]) if not isinstance(v[i], str) else v[i] for i in kept] for k, v in lists.items()}
        changed[counter] = len(kept)
    return changed


def _last_stages(config: Any, changed: Mapping[str, Any]) -> dict[str, Any]:
    """A backbone with one stage a layer gives its last stages, as many as before."""
    asked = list(getattr(config, "_out_indices", None) or ())
    if not asked or not hasattr(config, "stage_names"):
        return {}
    stages = list(config.stage_names)
    counter = next((name for name in _LAYER_COUNTS if isinstance(changed.get(name), int)), None)
    if counter is None or len(stages) != getattr(config, counter, 0) + 1:
        return {"out_features": [stages[i] for i in asked]}
    n = max(changed[counter], len(asked))
    last = list(range(n + 1 - len(asked), n + 1))
    return {counter: n, "out_indices": last, "out_features": [f"stage{i}" for i in last]}
