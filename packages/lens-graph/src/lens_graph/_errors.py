"""What can go wrong with a history?

LensGraphError
|-- MalformedTraceError    (ValueError)            the records contradict themselves
|-- UnknownKeyError        (KeyError, IndexError)  nothing in the history has this key
|   `-- AmbiguousKeyError                          several layers answer to it
|-- SelectorError          (TypeError)             what was given selects no layers
|-- AliasCollisionError    (ValueError)            a name of the user's own already means something else
|-- AmbiguousPassError     (AttributeError)        the passes of a layer differ in this field
|-- NotSavedError          (lens_trace.NotSavedError, a KeyError)  the value of this tensor was not kept
|-- NotStoredError         (AttributeError)        a stored history has no such thing: a live function, a random state
|-- UnreadableTensorError  (RuntimeError)          the tensors of a stored history need lens-torch to be read
|-- SaveError              (ValueError)            a history cannot be written like this
|   `-- ExistingPathError  (FileExistsError)       there is something at the path already
`-- LoadError              (ValueError)            what lies at a path is no whole, unchanged history
"""

from __future__ import annotations

from lens_trace import NotSavedError as TensorNotSavedError


class LensGraphError(Exception):
    """Base of everything that lens-graph raises on purpose."""


class MalformedTraceError(LensGraphError, ValueError):
    """The records contradict themselves: a parent that comes after its child, an id that is no index, ..."""


class UnknownKeyError(LensGraphError, KeyError, IndexError):
    """No layer, pass or module answers to a key.

    It is a `KeyError` and an `IndexError`, since a history is indexed both ways.
    """

    def __init__(self, message: str, *, key: object, nearest: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        """The key that was asked for."""
        self.nearest = nearest
        """Valid keys that look like it, nearest first."""

    def __str__(self) -> str:
        return self.message


class AmbiguousKeyError(UnknownKeyError):
    """Several layers answer to a key; `nearest` holds the keys that tell them apart."""


class SelectorError(LensGraphError, TypeError):
    """What was given as a selector is of a kind that selects no layers."""


class AliasCollisionError(LensGraphError, ValueError):
    """A name that the user gave to layers already means others."""


class AmbiguousPassError(LensGraphError, AttributeError):
    """A field differs between the passes of a layer, so the layer has no single value for it."""


class NotSavedError(LensGraphError, TensorNotSavedError):
    """The value of a tensor was asked for but not kept."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NotStoredError(LensGraphError, AttributeError):
    """A field holds something alive that no file can hold, and the history was read from a file."""


class UnreadableTensorError(LensGraphError, RuntimeError):
    """The tensors of a stored history were asked for where only its structure was read."""


class SaveError(LensGraphError, ValueError):
    """A history cannot be written like this; nothing was written."""


class ExistingPathError(SaveError, FileExistsError):
    """There is something at the path that a history was to be written to."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class LoadError(LensGraphError, ValueError):
    """What lies at a path is no whole, unchanged history that this version can read."""

    def __init__(self, message: str, *, path: object = None) -> None:
        super().__init__(message)
        self.path = path
        """The file or folder that was wrong."""
