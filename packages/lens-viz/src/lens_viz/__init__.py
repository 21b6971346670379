"""Draw the computational graph of a model: history -> drawing -> DOT -> svg, pdf, png."""

from lens_viz._draw import draw
from lens_viz._drawing import Box, ColorBar, Drawing, Edge, Legend, Node
from lens_viz._engine import ModelGraph
from lens_viz._errors import (
    EngineError,
    LayoutFailedError,
    LayoutTimeoutError,
    NoEngineError,
    OptionError,
    UnknownModuleError,
    UnsafeLinkError,
    VizError,
)
from lens_viz._theme import DARK, LIGHT, NodeStyle, Theme
from lens_viz._write import check_ending, write

__all__ = [
    "Box",
    "ColorBar",
    "DARK",
    "Drawing",
    "Edge",
    "EngineError",
    "LIGHT",
    "LayoutFailedError",
    "LayoutTimeoutError",
    "Legend",
    "ModelGraph",
    "NoEngineError",
    "Node",
    "NodeStyle",
    "OptionError",
    "Theme",
    "UnknownModuleError",
    "UnsafeLinkError",
    "VizError",
    "check_ending",
    "draw",
    "write",
]
