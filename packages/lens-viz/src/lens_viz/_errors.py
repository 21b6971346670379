"""What can go wrong when a graph is drawn?

VizError
|-- OptionError (ValueError)          an argument has no meaning
|   |-- UnknownModuleError            `collapse=` or `module=` names a module that was never called
|   `-- UnsafeLinkError               a link that is not http or https
`-- EngineError (RuntimeError)        no picture could be laid out; the DOT source is still good
    |-- NoEngineError                 no Graphviz on this machine
    |-- LayoutTimeoutError            the time limit was reached (a TimeoutError as well)
    `-- LayoutFailedError             Graphviz ended with an error
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "EngineError",
    "LayoutFailedError",
    "LayoutTimeoutError",
    "NoEngineError",
    "OptionError",
    "UnknownModuleError",
    "UnsafeLinkError",
    "VizError",
]


class VizError(Exception):
    """Anything that lens-viz raises."""


class OptionError(VizError, ValueError):
    """An argument has a value without meaning."""


class UnknownModuleError(OptionError):
    """A module was asked for that the forward pass never called."""


class UnsafeLinkError(OptionError):
    """A link leads elsewhere than to http or https."""


class EngineError(VizError, RuntimeError):
    """No picture could be laid out.

    Attributes:
        source_path: Where the DOT source was written all the same, None when the caller named no file.
    """

    source_path: Path | None = None


class NoEngineError(EngineError):
    """There is no Graphviz on this machine."""


class LayoutTimeoutError(EngineError, TimeoutError):
    """Graphviz did not end within the time limit and was stopped."""


class LayoutFailedError(EngineError):
    """Graphviz ended with an error."""
