"""How is a model read from a file that holds a program?

`.pt2` comes from `torch.export.save`, `.pt` (also `.pth`, `.ts`) from `torch.jit.save`.  Both hold code of torch's own
kinds, not of Python, and torch reads neither by unpickling, with one exception: constants and example inputs of an
exported program, which torch would unpickle without restraint when the restrained way fails.  So each of them is tried
in the restrained way first, and the file is refused when it holds anything else than tensors and plain containers.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from lens_cli._errors import FileError
from lens_cli._pickles import load_tensors

ENDINGS = (".pt2", ".pt", ".pth", ".ts")
"""Endings of files that may hold a program."""
_PICKLE, _ZIP = b"\x80", b"PK\x03\x04"


def load_program(path: Path) -> torch.nn.Module:
    """Returns the exported or scripted module of a file.

    Raises:
        FileError: There is no such file, it holds no program, or it holds a pickle that asks for code.
    """
    if not path.is_file():
        raise FileError(f"There is no file {str(path)!r}.")
    if not zipfile.is_zipfile(path):
        raise FileError(f"{str(path)!r} holds neither an exported nor a scripted module. {_ADVICE}")
    try:
        return _exported(path) if path.suffix.lower() == ".pt2" else _scripted(path)
    except zipfile.BadZipFile as error:
        raise FileError(f"{str(path)!r} is damaged: {error}.") from error


_ADVICE = (
    "A pickled module is not opened, because unpickling runs whatever code the file asks for; weights alone go with "
    "the code they belong to: package.module:factory --weights FILE."
)


def _exported(path: Path) -> torch.nn.Module:
    _refuse_code(path)
    try:
        program: Any = torch.export.load(path)
        return program.module()
    except Exception as error:
        raise FileError(f"{str(path)!r} cannot be read as an exported program ({_told(error)}).") from error


def _scripted(path: Path) -> torch.nn.Module:
    with zipfile.ZipFile(path) as archive:
        is_scripted = any(name.endswith("/constants.pkl") for name in archive.namelist())
    if not is_scripted:
        raise FileError(f"{str(path)!r} holds no scripted module. {_ADVICE}")
    try:
        with warnings.catch_warnings():
            # Newer versions of torch say that scripting is going away; whoever has such a file knows or need not.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            return torch.jit.load(path, map_location="cpu")  # pyright: ignore[reportPrivateImportUsage, reportUnknownMemberType, reportUnknownVariableType]
    except Exception as error:
        raise FileError(f"{str(path)!r} cannot be read as a scripted module ({_told(error)}).") from error


def _refuse_code(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise FileError(f"{str(path)!r} is refused: it is compressed, which torch never does.")
            with archive.open(member) as file:
                head = file.read(4)
            if head[:1] == _PICKLE or head == _ZIP:
                load_tensors(io.BytesIO(archive.read(member)), f"{path}: {member.filename}")


def _told(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
