"""Which models are there, and how is each one built?

An `Entry` is a promise: its builder, when called, imports the library and makes the model with random weights and small
inputs, so that names can be listed without importing any library.  Each module in `SOURCES` makes the entries of one
library in a function `entries()`, and may say in `PRELOAD` which modules the fork server imports once for all; where a
library can tell the names of its models, `library_names()` does.

Nothing is downloaded: weights are random, inputs are made.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

Case = tuple[Any, tuple[Any, ...], dict[str, Any]]
"""A model (`torch.nn.Module`), its arguments, its keyword arguments."""

SOURCES = (
    "zoo.torchvision",
    "zoo.cornet",
    "zoo.nn",
    "zoo.timm",
    "zoo.smp",
    "zoo.torchaudio",
    "zoo.geometric",
    "zoo.monai",
    "zoo.huggingface.transformers",
    "zoo.huggingface.diffusers",
)
"""The modules that hold the catalogue, in the order of a sweep."""


@dataclass(frozen=True)
class Entry:
    """One model of the catalogue."""

    name: str
    """Unique; begins with the library: `torchvision/resnet18`, `timm/vit_tiny_patch16_224`."""
    family: str
    """What it is reported under: `torchvision classification`, `transformers text`."""
    library: str
    """The module to import: an entry whose library is missing is listed as not installed."""
    build: Callable[[], Case]
    """Makes the model and its inputs; the seed is set before, the mode after."""
    mode: Literal["eval", "train"] = "eval"
    """In eval mode the model runs without gradients, in train mode with them."""
    notes: str = ""
    """What a reader of the report should know: a changed size, a variant of attention."""
    on_request: bool = False
    """Runs only with `--all`: the larger variants of a family."""


def load(sources: Sequence[str] = SOURCES) -> dict[str, Entry]:
    """Returns the catalogue by name, in the order of the sources; no library is imported.

    Raises:
        ValueError: Two entries have one name.
    """
    found: dict[str, Entry] = {}
    for source in sources:
        for entry in importlib.import_module(source).entries():
            if entry.name in found:
                raise ValueError(f"Two entries are named {entry.name!r}; the second comes from {source}.")
            found[entry.name] = entry
    return found


def preloads(sources: Sequence[str], libraries: Iterable[str]) -> list[str]:
    """Returns the modules that a fork server should import for these libraries, those that are installed."""
    wanted = set(libraries)
    names = [n for s in sources for n in getattr(importlib.import_module(s), "PRELOAD", ())]
    return [name for name in dict.fromkeys(names) if name.split(".")[0] in wanted and is_installed(name.split(".")[0])]


def not_listed(sources: Sequence[str] = SOURCES) -> set[str]:
    """Returns the models that an installed library has and the catalogue lacks: libraries grow."""
    modules = [importlib.import_module(source) for source in sources]
    theirs = {name for module in modules if hasattr(module, "library_names") for name in module.library_names()}
    return theirs - load(sources).keys()


def is_installed(library: str) -> bool:
    """Whether the library can be imported."""
    return importlib.util.find_spec(library) is not None


def chosen(
    entries: Iterable[Entry],
    *,
    only: Sequence[str] = (),
    family: Sequence[str] = (),
    library: Sequence[str] = (),
    fast: Iterable[str] | None = None,
    everything: bool = False,
) -> list[Entry]:
    """Returns the entries that the options of the command ask for, in their order.

    Args:
        entries: To choose from.
        only: Patterns of names, such as `timm/*mixer*`; a pattern without a slash is tried on the part behind it too.
        family: Patterns of families.
        library: Names of libraries.
        fast: Names of the fast subset, when only that is wanted.
        everything: Also what runs on request only; naming an entry in full asks for it too.
    """
    subset = None if fast is None else set(fast)
    return [
        entry
        for entry in entries
        if (subset is None or entry.name in subset)
        and (everything or subset is not None or not entry.on_request or entry.name in only)
        and (not only or any(_fits(entry.name, pattern) for pattern in only))
        and (not family or any(fnmatchcase(entry.family, pattern) for pattern in family))
        and (not library or entry.library in library)
    ]


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or ("/" not in pattern and fnmatchcase(name.partition("/")[2], pattern))
