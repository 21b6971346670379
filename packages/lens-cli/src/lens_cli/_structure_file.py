"""How is a structure written as JSON, and read again?"""

from __future__ import annotations

from pathlib import Path

import msgspec

from lens_cli._errors import FileError
from lens_cli._facts import FORMAT, VERSION, Structure


def to_json(structure: Structure) -> str:
    """Returns the structure as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(structure), indent=2).decode()


def read_structure(path: Path) -> Structure:
    """Returns the structure that `lens summary --json` wrote to a file.

    Raises:
        FileError: There is no such file, or it holds something else.
    """
    try:
        return _checked(msgspec.json.decode(path.read_bytes(), type=Structure), path)
    except OSError as error:
        raise FileError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise FileError(f"{str(path)!r} is no structure as lens summary --json prints it: {error}.") from error


def _checked(structure: Structure, path: Path) -> Structure:
    if structure.format != FORMAT or structure.version != VERSION:
        raise FileError(
            f"{str(path)!r} is {structure.format!r} of version {structure.version}, "
            f"expected {FORMAT!r} of version {VERSION}."
        )
    return structure
