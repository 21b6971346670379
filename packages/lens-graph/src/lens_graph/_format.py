"""What lies in the folder of a stored history?

    manifest.json          which files there are, how large, with which checksums; written last
    trace.msgpack          the records of lens_trace
    history.msgpack        what was concluded and cannot be concluded again: layers, selection, aliases
    tensors.msgpack        where each stored tensor is and how it is encoded
    tables/*.parquet       the tables, for other programs
    tensors/*.safetensors  the values

docs/format.md describes every field and the rule for new versions.  Nothing here is code, and nothing is a pickle.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from msgspec import Struct

FORMAT = "lens-history"
VERSION = 1
MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"
"""There while a folder is being written; says who writes it."""
PART = ".part"
"""Ending of a file that is being written."""
TRACE, CONCLUSIONS, INDEX = "trace.msgpack", "history.msgpack", "tensors.msgpack"
FOLDERS = ("tables", "tensors")
NAME = re.compile(
    r"(trace|history|tensors)\.msgpack|tables/[a-z_]{1,40}\.parquet|tensors/[0-9]{1,9}-[0-9]{1,9}\.safetensors"
)
"""The names that a manifest may list: none of them leads out of the folder."""

Code: TypeAlias = Literal[
    "BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "BF16", "F32", "F64", "F8_E4M3", "F8_E5M2"
]
"""Element types of safetensors that are used."""
SIZES: dict[str, int] = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
"""Bytes of an element of each."""


class FileEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the folder."""

    name: str
    """Path within the folder, with `/`."""
    nbytes: int
    """Its size."""
    sha256: str
    """Checksum in hexadecimal; of a file in tensors/ that of its header, since the values have their own."""


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """What a whole folder consists of."""

    format: str
    """Always `lens-history`."""
    version: int
    """Version of the format."""
    libraries: tuple[tuple[str, str], ...]
    """Name and version of what wrote it."""
    model_name: str
    """Class of the model."""
    created_at: float
    """Seconds since the epoch."""
    files: tuple[FileEntry, ...]
    """All other files."""
    checksum: str
    """SHA-256 of this manifest with an empty checksum, in hexadecimal."""


class Conclusions(Struct, frozen=True):
    """What lens-graph concluded and what the user chose."""

    operations: tuple[int, ...]
    """Ids of the operations that belong to the graph, ascending; the others were pruned."""
    layers: tuple[int, ...]
    """The layer of each of them, numbered by first member."""
    selected: tuple[int, ...] | None
    """Operation ids chosen for saving, ascending; null when nothing was chosen in particular."""
    aliases: tuple[tuple[str, tuple[int, ...]], ...]
    """Names of the user's own, each with operation ids."""
    elapsed_s: float
    """Seconds spent on drawing the conclusions."""


class StoredPart(Struct, frozen=True, gc=False):
    """One array in a file of tensors/; equal arrays are there once."""

    role: str
    """Which part of the value it is; empty where there is one only."""
    file: str
    """Name of the file within the folder."""
    name: str
    """Name of the array within the file."""
    dtype: Code
    """Element type in the words of safetensors."""
    shape: tuple[int, ...]
    """Elements along each dimension, row by row."""
    sha256: str
    """Checksum of its bytes in hexadecimal."""


class StoredTensor(Struct, frozen=True, gc=False):
    """One stored value."""

    operation: int
    """Operation id."""
    write: int | None
    """For what an operation wrote beside its output: index into its writes."""
    backward: int | None
    """For a gradient: which backward pass it came from, from 1."""
    encoding: str
    """How the parts make up the value; docs/format.md lists them."""
    dtype: str
    """Its type in the words of torch, `float32`."""
    shape: tuple[int, ...]
    """Its shape."""
    nbytes: int
    """Its bytes in memory: elements times bytes an element."""
    parts: tuple[StoredPart, ...]
    """The arrays it is made of."""
    settings: tuple[tuple[str, int | float | bool | str | tuple[int, ...]], ...] = ()
    """What the encoding needs beside them."""


class TensorIndex(Struct, frozen=True):
    """All stored values."""

    tensors: tuple[StoredTensor, ...]
    """In the order they were stored."""
    shard_nbytes: int
    """A file in tensors/ is closed when it has reached this size."""
    has_gradients: bool
    """Whether gradients were asked for."""
    backward_passes: int
    """How many backward passes were seen."""
    unreached: tuple[tuple[int, str], ...]
    """Operations whose gradient autograd does not tell, each with the reason."""
