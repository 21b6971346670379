"""How does a configuration of transformers become a model?

    hf:folder/config.json     the file that is saved beside a model
    hf:folder                 the same file in a folder, and its weights when a model.safetensors lies there
    hf:gpt2                   a type of model with its default configuration

Nothing is fetched and no code of a repository is run; weights that no file gives are random.  Arguments change fields
of the configuration: `hf:gpt2?n_layer=2`.  The class is the first of the configuration's `architectures` that
transformers has, else the bare model of its type.
"""

# transformers is not installed where types are checked, and annotates little.
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lens_cli._errors import FileError, ModelNotFoundError


def load_architecture(name: str, changes: Mapping[str, Any]) -> torch.nn.Module:
    """Returns the model of a configuration.

    Args:
        name: What stands after `hf:`.
        changes: Fields of the configuration to change.

    Raises:
        ModelNotFoundError: transformers is not installed, or has no such model.
        FileError: The file is no configuration.
    """
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise ModelNotFoundError(
            "hf: needs the package 'transformers', which is not installed (pip install transformers)."
        ) from error
    path = Path(name)
    file = path / "config.json" if path.is_dir() else path
    fields = _fields(file) if path.is_dir() or file.suffix == ".json" else {"model_type": name}
    kind: Any = fields.pop("model_type", None)
    try:
        config = transformers.AutoConfig.for_model(kind, **(fields | dict(changes)))
    except (ValueError, KeyError, TypeError) as error:
        text = " ".join(str(error).split())[:200]
        raise ModelNotFoundError(
            f"hf:{name}: transformers {transformers.__version__} makes no configuration of type {kind!r} ({text}); "
            "give a config.json, a folder that holds one, or a type such as gpt2."
        ) from error
    named = [getattr(transformers, n, None) for n in config.architectures or ()]
    kinds = [found for found in named if isinstance(found, type) and issubclass(found, torch.nn.Module)]
    if path.is_dir() and any(path.glob("*.safetensors")):
        loader: Any = kinds[0] if kinds else transformers.AutoModel
        return loader.from_pretrained(path, config=config, local_files_only=True, use_safetensors=True)
    return kinds[0](config) if kinds else transformers.AutoModel.from_config(config)


def _fields(file: Path) -> dict[str, Any]:
    try:
        fields = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise FileError(f"There is no file {str(file)!r}.") from error
    except (OSError, ValueError) as error:
        raise FileError(f"{str(file)!r} cannot be read as JSON: {error}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("model_type"), str):
        raise FileError(f"{str(file)!r} is no configuration of transformers: it has no 'model_type'.")
    return fields
