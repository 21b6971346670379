"""How is a folder written so that half of it never looks whole?

Each file is written under a temporary name, flushed to the disk and renamed; the manifest comes last, and without it a
folder is no history.  While it is written, `unfinished.json` says by whom.  A path that is taken is refused, and a
folder is replaced only when asked, only when nothing but a history lies in it, and only after the new one is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec

from lens_graph._errors import ExistingPathError
from lens_graph._format import FOLDERS, FORMAT, MANIFEST, NAME, PART, UNFINISHED, VERSION, FileEntry, Manifest

_STAGES = (".lens-new", ".lens-old")


class FolderWriter:
    """Writes the folder of one history; used as a context, which takes everything back after an exception."""

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Begin to write.

        Raises:
            ExistingPathError: There is something at the path.
        """
        self.path = Path(os.path.realpath(path))
        self.files: dict[str, FileEntry] = {}
        self.is_finished = False
        is_taken = _check_path(self.path, overwrite=overwrite)
        self.root = _beside(self.path, _STAGES[0]) if is_taken else self.path
        self._made_root = not self.root.exists()
        self._is_replacing = is_taken
        if is_taken and not self._made_root:  # left over from an earlier attempt to replace it
            if _is_alive(self.root):
                raise ExistingPathError(f"{self.path} is being replaced at this moment, by {unfinished_by(self.root)}.")
            shutil.rmtree(self.root)
            self._made_root = True
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            with open(self.root / UNFINISHED, "x", encoding="utf-8") as file:
                file.write(msgspec.json.encode(_writer()).decode())
        except FileExistsError:
            raise ExistingPathError(f"{self.path} is being written by somebody else at this moment.") from None
        self._open: dict[str, BinaryIO] = {}

    def create(self, name: str) -> BinaryIO:
        """Opens a file under its temporary name, for writing and reading."""
        assert NAME.fullmatch(name), name
        place = self.root / (name + PART)
        place.parent.mkdir(exist_ok=True)
        file = self._open[name] = open(place, "x+b")  # noqa: SIM115 - `seal` or `abort` closes it
        return file

    def seal(self, name: str, sha256: str) -> None:
        """Closes a file, on the disk and under its own name."""
        file = self._open.pop(name)
        nbytes = file.seek(0, os.SEEK_END)
        _flush(file)
        file.close()
        os.rename(self.root / (name + PART), self.root / name)
        self.files[name] = FileEntry(name, nbytes, sha256)

    def write(self, name: str, data: bytes) -> None:
        """Writes a whole file."""
        self.create(name).write(data)
        self.seal(name, hashlib.sha256(data).hexdigest())

    def finish(self, model_name: str, libraries: tuple[tuple[str, str], ...]) -> None:
        """Writes the manifest, which makes the folder a history, and puts it in its place."""
        assert not self._open, "a file is still open"
        for folder in FOLDERS:
            if (self.root / folder).exists():
                _flush_folder(self.root / folder)
        manifest = Manifest(
            FORMAT, VERSION, (*libraries, ("lens-graph", own_version())), model_name, time.time(),
            tuple(self.files[name] for name in sorted(self.files)), "",
        )  # fmt: skip
        with open(self.root / (MANIFEST + PART), "xb") as file:
            file.write(encode_manifest(msgspec.structs.replace(manifest, checksum=checksum_of(manifest))))
            _flush(file)
        os.rename(self.root / (MANIFEST + PART), self.root / MANIFEST)
        (self.root / UNFINISHED).unlink()
        _flush_folder(self.root)
        if self._is_replacing:
            self._replace()
        _flush_folder(self.path.parent)
        self.is_finished = True

    def abort(self) -> None:
        """Takes back everything that was written."""
        for file in self._open.values():
            with contextlib.suppress(OSError):
                file.close()
        names = {self.root / (name + PART) for name in self._open} | {self.root / name for name in self.files}
        for place in (*names, self.root / (MANIFEST + PART), self.root / MANIFEST, self.root / UNFINISHED):
            place.unlink(missing_ok=True)
        for folder in (*(self.root / name for name in FOLDERS), *([self.root] if self._made_root else [])):
            with contextlib.suppress(OSError):  # not there, or somebody put something into it
                folder.rmdir()
        self._open.clear()
        self.files.clear()

    def _replace(self) -> None:
        old = _beside(self.path, _STAGES[1])
        if old.exists():
            shutil.rmtree(old)
        os.rename(self.path, old)
        try:
            os.rename(self.root, self.path)
        except OSError:
            os.rename(old, self.path)
            raise
        self.root = self.path
        shutil.rmtree(old)

    def __enter__(self) -> FolderWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.is_finished:
            self.abort()


def encode_manifest(manifest: Manifest) -> bytes:
    """The one form in which a manifest is written."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def checksum_of(manifest: Manifest) -> str:
    """The checksum of a manifest."""
    return hashlib.sha256(encode_manifest(msgspec.structs.replace(manifest, checksum=""))).hexdigest()


def leftovers(path: Path) -> list[Path]:
    """What an interrupted replacing has left beside a path."""
    return [place for stage in _STAGES if (place := _beside(path, stage)).exists()]


def unfinished_by(folder: Path) -> str | None:
    """Who began to write a folder and did not finish, in words; None when nobody did."""
    try:
        data = (folder / UNFINISHED).read_bytes()[:1000]
    except OSError:
        return None
    try:
        writer = msgspec.json.decode(data, type=dict[str, int | float | str])
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(writer["started"])))
        return f"process {writer['process']} on {writer['host']} at {started}"
    except (msgspec.DecodeError, KeyError, ValueError, OverflowError, OSError):
        return "an unknown process"


def _check_path(path: Path, *, overwrite: bool) -> bool:
    """Returns whether there is something to be replaced; refuses where that is not allowed."""
    if not os.path.lexists(path):
        return False
    if not path.is_dir():
        raise ExistingPathError(f"{path} is there already and is no folder. Give another path.")
    names = sorted(os.listdir(path))
    if not names:
        return False
    foreign = _first_foreign(path)
    if foreign is not None:
        raise ExistingPathError(
            f"{path} holds {foreign!r}, which is no part of a stored history. Give an empty or a new folder; such a "
            "folder is not replaced."
        )
    if UNFINISHED in names and MANIFEST not in names and _is_alive(path):
        raise ExistingPathError(f"{path} is being written at this moment, by {unfinished_by(path)}.")
    if not overwrite:
        who = unfinished_by(path)
        what = f"what an interrupted run has left (begun by {who})" if MANIFEST not in names else "a history"
        raise ExistingPathError(f"{path} holds {what}. Give another path, or ask for overwrite=True to replace it.")
    return True


def _first_foreign(folder: Path) -> str | None:
    # Two levels, as deep as a history goes.
    for name in sorted(os.listdir(folder)):
        place = folder / name
        if name in FOLDERS and place.is_dir() and not place.is_symlink():
            parts = sorted(os.listdir(place))
            found = next((part for part in parts if not NAME.fullmatch(f"{name}/{part.removesuffix(PART)}")), None)
            if found is not None:
                return f"{name}/{found}"
        elif name.removesuffix(PART) not in (MANIFEST, UNFINISHED) and not NAME.fullmatch(name.removesuffix(PART)):
            return name
    return None


def _is_alive(folder: Path) -> bool:
    try:
        writer = msgspec.json.decode((folder / UNFINISHED).read_bytes()[:1000], type=dict[str, int | float | str])
        if writer["host"] != socket.gethostname() or writer["process"] == os.getpid():
            return False
        os.kill(int(writer["process"]), 0)
    except PermissionError:
        return True
    except (OSError, msgspec.DecodeError, KeyError, ValueError, OverflowError):
        return False
    return True


def _beside(path: Path, stage: str) -> Path:
    return path.parent / f".{path.name}{stage}"


def _writer() -> dict[str, int | float | str]:
    return {"process": os.getpid(), "host": socket.gethostname(), "started": time.time()}


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    # A rename is on the disk when its folder is; not every system lets a folder be opened.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def own_version() -> str:
    """The version of this package."""
    try:
        return version("lens-graph")
    except PackageNotFoundError:
        return "unknown"
