"""Which object of Python code does a name lead to?

`package.module:name` is imported; the current directory is searched first, as `python -m` does, so that a file beside
you is a module like any other.  `folder/file.py:name` is run from where it lies, and may import its neighbours.
Attributes may be dotted (`zoo:models.small`).
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lens_cli._errors import CommandError, ModelNotFoundError


def object_named(target: str, what: str = "MODEL") -> object:
    """Returns what a name leads to.

    Args:
        target: `package.module:name` or `file.py:name`.
        what: Which word of the command line this is, for the error.

    Raises:
        ModelNotFoundError: It cannot be imported, or there is no such name.
    """
    place, colon, attribute_path = target.rpartition(":")
    if not (place and colon and attribute_path):
        raise ModelNotFoundError(
            f"{what} is {target!r}, expected package.module:name, such as torchvision.models:alexnet, or file.py:name."
        )
    is_file = place.endswith(".py")
    if not is_file and Path(place).suffix and Path(place).exists():
        raise ModelNotFoundError(f"{what} is {target!r}: only Python files have names after a colon.")
    value = _run_file(Path(place)) if is_file else _imported(place)
    for name in attribute_path.split("."):
        value = _attribute(value, name, target)
    return value


def function_named(name: str | None, option: str) -> Callable[[Any], Any] | None:
    """Returns the function that an option names, None where it names none.

    Raises:
        CommandError: It is not there, or no function.
    """
    if name is None:
        return None
    function = object_named(name, option)
    if not callable(function):
        raise CommandError(f"{option} {name!r} is a {type(function).__name__}, expected a function.")
    return function


def _imported(module_name: str) -> object:
    if "" not in sys.path and sys.path[0] != ".":
        sys.path.insert(0, "")
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ModelNotFoundError(
                f"Importing {module_name!r} needs the module {error.name!r}, which is not installed."
            ) from error
        raise ModelNotFoundError(
            f"No module named {error.name!r}; install the package that holds it, or run the command in its folder."
        ) from error
    except (Exception, SystemExit) as error:
        raise _failed(module_name, error) from error


def _run_file(path: Path) -> object:
    if not path.is_file():
        raise ModelNotFoundError(f"There is no file {str(path)!r}.")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None, "the ending is .py"
    module = importlib.util.module_from_spec(spec)
    # Pickles, dataclasses and postponed annotations of the file look their module up by its name.
    replaced = sys.modules.get(path.stem)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        if replaced is None:
            del sys.modules[path.stem]
        else:
            sys.modules[path.stem] = replaced
        raise _failed(str(path), error) from error
    return module


def _failed(name: str, error: BaseException) -> ModelNotFoundError:
    text = " ".join(str(error).split()) or "no message"
    return ModelNotFoundError(f"Importing {name!r} failed with {type(error).__name__}: {text}. Mend it there first.")


def _attribute(value: object, name: str, target: str) -> object:
    try:
        return getattr(value, name)
    except AttributeError:
        near = difflib.get_close_matches(name, [n for n in dir(value) if not n.startswith("_")], n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "."
        raise ModelNotFoundError(f"{target!r} does not exist: there is no {name!r} there{hint}") from None
