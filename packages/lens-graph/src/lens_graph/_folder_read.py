"""Is this folder a whole, unchanged history?

Nothing is believed before it is checked, and nothing is read before its size is known: the manifest first, which has to
be in the one form that Lens writes; then the names in the folder, which have to be those of the manifest; then the size
of each file, and its checksum in small pieces.  Names lead nowhere else, links are refused, no code is run.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from lens_graph._errors import LoadError
from lens_graph._folder_write import checksum_of, encode_manifest, leftovers, unfinished_by
from lens_graph._format import FOLDERS, FORMAT, MANIFEST, NAME, PART, UNFINISHED, VERSION, Manifest

MOST_MANIFEST = 1 << 26
"""Bytes of the largest manifest that is read."""
MOST_RECORDS = 1 << 31
"""Bytes of the largest file of records or tables that is read."""
MOST_HEADER = 1 << 26
"""Bytes of the largest header of a file of tensors."""
_PIECE = 1 << 20

Value = TypeVar("Value")


class Folder:
    """A checked folder."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._names = frozenset(entry.name for entry in manifest.files)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def decode(self, name: str, kind: type[Value]) -> Value:
        """Reads a file of records.

        Raises:
            LoadError: It is not there, or holds something else.
        """
        place = self.path / name
        if name not in self._names:
            raise LoadError(f"{self.path} lacks {name}, so it is no stored history.", path=place)
        try:
            return msgspec.msgpack.decode(place.read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise LoadError(f"{place} does not hold what it should: {error}", path=place) from error


def open_folder(path: str | os.PathLike[str]) -> Folder:
    """Checks a folder from its manifest to the checksum of every file.

    Raises:
        LoadError: It is no whole, unchanged history of a version that can be read; the message says what is wrong.
    """
    root = Path(path)
    try:
        manifest = _read_manifest(root)
        folder = Folder(root, manifest)
        _check_names(root, manifest)
        for entry in manifest.files:
            _check_file(root / entry.name, entry.nbytes, entry.sha256, header_only=entry.name.startswith("tensors/"))
    except OSError as error:
        raise LoadError(f"{root} cannot be read: {error}", path=root) from error
    return folder


def _read_manifest(root: Path) -> Manifest:
    place = root / MANIFEST
    if not root.is_dir():
        found = leftovers(Path(os.path.realpath(root)))
        hint = f" An interrupted run has left {', '.join(map(str, found))}." if found else ""
        what = "is no folder" if root.exists() else "does not exist"
        raise LoadError(f"{root} {what}; a stored history is a folder.{hint}", path=root)
    if not os.path.lexists(place):
        who = unfinished_by(root)
        if who is not None:
            raise LoadError(
                f"{root} was not finished: {who} began to write it. What is there is not whole; write it again with "
                "overwrite=True, or remove it.",
                path=root,
            )
        raise LoadError(f"{root} has no {MANIFEST}, so it is no stored history.", path=place)
    data = b"".join(_pieces(place, MOST_MANIFEST))
    version = _version_of(data, place)
    if version != VERSION:
        advice = (
            "a newer version of Lens reads it" if isinstance(version, int) and version > VERSION else "it is unknown"
        )
        raise LoadError(f"{place} is of format version {version!r}; this is version {VERSION}: {advice}.", path=place)
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise LoadError(f"{place} is not what Lens writes: {error}", path=place) from error
    if manifest.format != FORMAT or encode_manifest(manifest) != data:
        raise LoadError(f"{place} is not in the form that Lens writes; it was changed.", path=place)
    if checksum_of(manifest) != manifest.checksum:
        raise LoadError(f"{place} was changed: its checksum is another one.", path=place)
    names = [entry.name for entry in manifest.files]
    for name in names:
        if not NAME.fullmatch(name):
            raise LoadError(f"{place} lists {name!r}, which is no name of a part of a history.", path=place)
    if len(set(names)) != len(names):
        raise LoadError(f"{place} lists a file twice.", path=place)
    return manifest


def _version_of(data: bytes, place: Path) -> Any:
    # The version is looked at before anything else: a later one may have other fields.
    def refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key occurs twice")
        return found

    try:
        value = json.loads(data, object_pairs_hook=refuse_twice)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{place} is no manifest: {error}", path=place) from error
    if not isinstance(value, dict) or "version" not in value:
        raise LoadError(f"{place} is no manifest: it has no version.", path=place)
    return value["version"]  # pyright: ignore[reportUnknownVariableType] - anything may stand there


def _check_names(root: Path, manifest: Manifest) -> None:
    expected = {entry.name for entry in manifest.files}
    found: set[str] = set()
    for name, is_folder in _entries(root):
        if name in FOLDERS and is_folder:
            found.update(f"{name}/{part}" for part, _ in _entries(root / name))
        elif name not in (MANIFEST, UNFINISHED) and not name.startswith("."):
            found.add(name)
    if missing := sorted(expected - found):
        raise LoadError(f"{root} lacks {missing[0]}{_more(missing)}.", path=root / missing[0])
    if extra := sorted(found - expected):
        hint = " It is left over from an interrupted run." if extra[0].endswith(PART) else ""
        raise LoadError(
            f"{root} holds {extra[0]}{_more(extra)}, which the manifest does not list.{hint} Move it elsewhere.",
            path=root / extra[0],
        )


def _entries(folder: Path) -> list[tuple[str, bool]]:
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if entry.is_symlink():
            raise LoadError(f"{entry.path} is a link; a stored history holds none.", path=entry.path)
    return [(entry.name, entry.is_dir()) for entry in found]


def _check_file(place: Path, nbytes: int, sha256: str, *, header_only: bool) -> None:
    status = os.lstat(place)
    if not stat.S_ISREG(status.st_mode):
        raise LoadError(f"{place} is no ordinary file.", path=place)
    if status.st_size != nbytes:
        raise LoadError(f"{place} has {status.st_size:,} bytes; {nbytes:,} were written.", path=place)
    if not header_only and nbytes > MOST_RECORDS:
        raise LoadError(f"{place} has {nbytes:,} bytes; at most {MOST_RECORDS:,} are read.", path=place)
    digest = hashlib.sha256()
    for piece in _header_pieces(place) if header_only else _pieces(place, nbytes):
        digest.update(piece)
    if digest.hexdigest() != sha256:
        raise LoadError(f"{place} was changed: its checksum is another one.", path=place)


def _pieces(place: Path, most: int) -> Iterator[bytes]:
    with _open(place) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise LoadError(f"{place} has {size:,} bytes; at most {most:,} are read.", path=place)
        while piece := file.read(_PIECE):
            yield piece


def _header_pieces(place: Path) -> Iterator[bytes]:
    with _open(place) as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(MOST_HEADER, os.fstat(file.fileno()).st_size - 8):
            raise LoadError(f"{place} is no safetensors file: its header would have {length:,} bytes.", path=place)
        yield start
        yield file.read(length)


def _open(place: Path) -> BinaryIO:
    return open(os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)), "rb")


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""
