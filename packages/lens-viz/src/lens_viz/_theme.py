"""Which colours, fonts and sizes does a drawing have?

A `Theme` is data: a style for each role of a node, the box fills by depth, the text colours, and the colour scale of
drawings coloured by numbers.  `theme.extended_with(...)` gives a changed copy.

The hues are the paper's: green inputs, red outputs, grey for parameters, light grey for buffers, yellow for terminal
Booleans.  Since red and green are the pair that most colour-blind readers confuse, the two differ in lightness as
well (bluish light green, darker orange red), and the five fills keep their order in greyscale.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lens_viz._drawing import Role
from lens_viz._errors import OptionError

__all__ = ["DARK", "LIGHT", "THEMES", "NodeStyle", "Theme"]


class NodeStyle(Struct, frozen=True, gc=False):
    """How the nodes of a role look."""

    fill: str
    """Colour of the area, `#rrggbb`."""
    stroke: str
    """Colour of the outline."""
    text: str
    """Colour of the caption."""


class Theme(Struct, frozen=True):
    """Every colour, font and size of a drawing."""

    name: str
    background: str
    """Opaque, so that the drawing is readable on white and dark pages alike."""
    title: str
    """Colour of the title."""
    edge: str
    mark: str
    """Colour of the marks on edges."""
    condition: str
    """Colour of `IF` and of the edge that carries it."""
    nodes: dict[Role, NodeStyle]
    box_stroke: str
    box_text: str
    box_fills: tuple[str, ...]
    """Fill of the outermost box, of the next, ...; deeper ones begin again."""
    scale: tuple[str, ...]
    """Colours from the lowest to the highest number."""
    scale_texts: tuple[str, str] = ("#1f2328", "#ffffff")
    """Text on light and on dark colours of the scale."""
    font: str = "Helvetica"
    bold_font: str = "Helvetica-Bold"
    title_size: float = 15.0
    """Points."""
    node_size: float = 11.0
    box_size: float = 11.0
    mark_size: float = 9.5
    line_width: float = 1.1

    def extended_with(self, *, nodes: dict[Role, NodeStyle] | None = None, **changes: Any) -> Theme:
        """Return a copy with some fields changed.

        Args:
            nodes: Styles of some roles; the others stay.
            changes: Any other field of the theme by name.

        Raises:
            OptionError: A field that no theme has.

        Example:
            >>> LIGHT.extended_with(background="#fffff0").background
            '#fffff0'
        """
        unknown = sorted(set(changes) - set(self.__struct_fields__))
        if unknown:
            known = ", ".join(self.__struct_fields__)
            raise OptionError(f"A theme has no field {unknown[0]!r}; its fields are {known}.")
        return replace(self, nodes=self.nodes | (nodes or {}), **changes)


LIGHT = Theme(
    name="light",
    background="#ffffff",
    title="#1f2328",
    edge="#4b535d",
    mark="#4b535d",
    condition="#8a5a00",
    nodes={
        "input": NodeStyle(fill="#a6dfc4", stroke="#1c7a52", text="#0b2d1e"),
        "output": NodeStyle(fill="#f08a78", stroke="#a3271a", text="#3a0b06"),
        "parameters": NodeStyle(fill="#d3d7dc", stroke="#5a636e", text="#1f2328"),
        "buffer": NodeStyle(fill="#f3f4f6", stroke="#9aa3ad", text="#4b535d"),
        "terminal_bool": NodeStyle(fill="#ffe066", stroke="#a17a00", text="#332700"),
        "operation": NodeStyle(fill="#ffffff", stroke="#4b535d", text="#1f2328"),
        "module": NodeStyle(fill="#dfe7f3", stroke="#4a668f", text="#16243a"),
        "stretch": NodeStyle(fill="#ece8f5", stroke="#6d5c99", text="#2a2145"),
        "stub": NodeStyle(fill="#ffffff", stroke="#b6bdc6", text="#6b7480"),
    },
    box_stroke="#8c96a3",
    box_text="#3b434d",
    box_fills=("#f8fafc", "#f1f4f8", "#e9eef4", "#e2e8f0"),
    scale=("#fff7d6", "#fee090", "#fdae61", "#f0703e", "#c9323a", "#8c1a4b", "#4a0f4f"),
)
"""Dark on white, for papers and light notebooks."""

DARK = Theme(
    name="dark",
    background="#14181d",
    title="#e8ecf1",
    edge="#a3aebb",
    mark="#b7c0cb",
    condition="#ffd24d",
    nodes={
        "input": NodeStyle(fill="#174a36", stroke="#5fd0a0", text="#e6fff4"),
        "output": NodeStyle(fill="#b0402f", stroke="#ff9c8a", text="#fff1ee"),
        "parameters": NodeStyle(fill="#49525d", stroke="#a3aebb", text="#f3f6f9"),
        "buffer": NodeStyle(fill="#262c33", stroke="#6b7683", text="#b7c0cb"),
        "terminal_bool": NodeStyle(fill="#e0b400", stroke="#ffe066", text="#241b00"),
        "operation": NodeStyle(fill="#1b2027", stroke="#a3aebb", text="#e8ecf1"),
        "module": NodeStyle(fill="#263a57", stroke="#86a8d8", text="#eaf2ff"),
        "stretch": NodeStyle(fill="#39305a", stroke="#a99bd6", text="#f1edff"),
        "stub": NodeStyle(fill="#14181d", stroke="#4b5663", text="#909baa"),
    },
    box_stroke="#5a6572",
    box_text="#c3ccd6",
    box_fills=("#1a1f26", "#20262e", "#262d37", "#2c3440"),
    scale=("#2b1740", "#5a1a5e", "#92246a", "#c93d5c", "#ee6d45", "#fbab4a", "#fde6a0"),
    scale_texts=("#241b00", "#f6f2ff"),
)
"""Light on near black, for slides and dark notebooks."""

THEMES = {theme.name: theme for theme in (LIGHT, DARK)}
"""The themes that `draw(theme=...)` knows by name."""
