"""How does an answer reach a file?

Whole or not at all: it is written beside its place under another name first.  Missing folders are made.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lens_cli._errors import FileError


def write_file(path: Path, data: bytes) -> Path:
    """Writes a file, in place of what was there.

    Raises:
        FileError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".lens-", suffix=path.suffix)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            mask = os.umask(0o022)
            os.umask(mask)
            os.chmod(name, 0o666 & ~mask)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise FileError(f"{str(path)!r} cannot be written: {error.strerror or error}.") from error
    return path
