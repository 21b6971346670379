"""How does a history become a folder?

Everything that could be refused is refused before the first file is made: records that cannot be encoded, tensors that
no file can hold, a path that is taken.  The tables are written for other programs; loading draws them from the records.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from lens_graph._errors import SaveError
from lens_graph._folder_write import FolderWriter
from lens_graph._format import CONCLUSIONS, INDEX, TRACE, Conclusions, TensorIndex
from lens_graph._interpretation import Interpretation

_ROOM_FOR_TABLES = 2 << 30


def save_history(facts: Interpretation, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Writes a history to a folder.

    Args:
        facts: What the history consists of.
        path: A folder that does not exist or is empty.
        overwrite: Replace a history that lies there, once the new one is whole.

    Raises:
        ExistingPathError: There is something at the path.
        SaveError: A tensor or record cannot be written; nothing was.
    """
    records = encode_records(facts)
    files = facts.payloads.tensor_files
    if files is not None:
        files.check(facts.selected)
    elif facts.payloads.tensors:
        raise SaveError(
            f"This history of {facts.trace.model_name} holds tensors, and lens-graph alone cannot write them. Make it "
            "with lens_torch (get_model_activations, load), or build it without tensors."
        )
    with FolderWriter(path, overwrite=overwrite) as folder:
        index = TensorIndex((), 0, False, 0, ()) if files is None else files.write(folder, facts.selected)
        write_tables(facts, folder)
        write_structure(facts, folder, index, records)


def encode_records(facts: Interpretation) -> bytes:
    """The trace in msgpack.

    Raises:
        SaveError: It holds a value that msgpack has not.
    """
    return _encode(facts.trace, "The trace")


def write_tables(facts: Interpretation, folder: FolderWriter) -> None:
    """Writes the tables."""
    # polars takes a moment, so it is loaded for this only.
    from lens_graph._tables import Tables, table_names

    tables = Tables(facts)
    for name in table_names():
        folder.write(f"tables/{name}.parquet", tables.as_parquet(name))


def has_room_for_tables() -> bool:
    """Whether polars can be loaded: it sets 1 GB of address space aside, which a limit of the process may not leave.

    Without that space it would end the process instead of raising an exception.
    """
    try:
        import resource
    except ImportError:  # a system that sets no such limit
        return True
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return True
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):
        return False
    return limit - used >= _ROOM_FOR_TABLES


def write_structure(facts: Interpretation, folder: FolderWriter, index: TensorIndex, records: bytes) -> None:
    """Writes the records and makes the folder whole."""
    operations = facts.graph.operations
    conclusions = Conclusions(
        operations=operations,
        layers=facts.labels.layer_of,
        selected=None if facts.selected is None else tuple(sorted(facts.selected)),
        aliases=tuple((name, tuple(operations[node] for node in nodes)) for name, nodes in facts.aliases.items()),
        elapsed_s=facts.elapsed_s,
    )
    folder.write(TRACE, records)
    folder.write(CONCLUSIONS, _encode(conclusions, "What was concluded"))
    folder.write(INDEX, _encode(index, "The list of tensors"))
    folder.finish(facts.trace.model_name, facts.trace.versions)


def _encode(value: Any, name: str) -> bytes:
    try:
        return msgspec.msgpack.encode(value)
    except (msgspec.MsgspecError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise SaveError(f"{name} cannot be written: {error}") from error
