"""Ways to damage a stored history, and to sign a damaged one so that only its content is wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from lens_graph._folder_write import checksum_of, encode_manifest
from lens_graph._format import MANIFEST, FileEntry, Manifest


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by name."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def put(folder: Path, files: dict[str, bytes]) -> None:
    """Writes files into a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def manifest_of(folder: Path) -> Manifest:
    """The manifest of a folder."""
    return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)


def sign(folder: Path) -> None:
    """Makes all sizes and checksums right again."""
    sign_as_listed(folder, tuple(_entry(folder, entry.name) for entry in manifest_of(folder).files))


def sign_as_listed(folder: Path, files: tuple[FileEntry, ...]) -> None:
    """Makes the manifest list these files, with a checksum of its own that is right."""
    manifest = msgspec.structs.replace(manifest_of(folder), files=files)
    manifest = msgspec.structs.replace(manifest, checksum=checksum_of(manifest))
    (folder / MANIFEST).write_bytes(encode_manifest(manifest))


def _entry(folder: Path, name: str) -> FileEntry:
    data = (folder / name).read_bytes()
    signed = data[: 8 + int.from_bytes(data[:8], "little")] if name.startswith("tensors/") else data
    return FileEntry(name, len(data), hashlib.sha256(signed).hexdigest())
