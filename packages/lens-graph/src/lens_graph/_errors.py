"""What can go wrong with a history?

LensGraphError
|-- MalformedTraceError    (ValueError)            the records contradict themselves
|-- UnknownKeyError        (KeyError, IndexError)  nothing in the history has this key
|   `-- AmbiguousKeyError                          several layers answer to it
|-- SelectorError          (TypeError)             what was given selects no layers
|-- AliasCollisionError    (ValueError)            a name of the user's own already means something else
|-- AmbiguousPassError     (AttributeError)        the passes of a layer differ in this field
`-- NotSavedError          (lens_trace.NotSavedError, a KeyError)  the value of this tensor was not kept
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
