"""What is a drawing, before any renderer is chosen?

A `Drawing` is pure data: nodes, edges and module boxes, each with its texts and its role, and no colour, font or
position.  The theme turns roles into colours, `_dot` turns both into DOT; another renderer would read the same value.

Terms.  A *node* is one operation, one layer, one collapsed module or one stub.  A *box* is the frame around what ran
inside a module.  A *mark* is a small text on an edge: argument position, `In 1`, `Out 2-3`, `IF`.

Source: Figures 2 and 3 of the paper.
"""

from __future__ import annotations

from typing import Literal, NewType, TypeAlias

from msgspec import Struct

NodeId = NewType("NodeId", int)
"""Index of a node in `Drawing.nodes`."""
BoxId = NewType("BoxId", int)
"""Index of a box in `Drawing.boxes`."""

Role = Literal["input", "output", "parameters", "buffer", "terminal_bool", "operation", "module", "stretch", "stub"]
"""`parameters`: an operation that uses parameters.  `terminal_bool`: the Boolean that decides an if.  `module`: a
collapsed module.  `stretch`: many operations of a flat model in one node.  `stub`: what lies outside the module that
is drawn."""

Outline = Literal["box", "ellipse", "collapsed"]
"""`box`: the one operation of a module.  `ellipse`: any other operation.  `collapsed`: a whole module."""

Direction = Literal["TB", "BT", "LR", "RL"]
"""Where the arrows lead: from top to bottom, ..."""


class Node(Struct, frozen=True, gc=False):
    """One operation, layer, collapsed module or stub."""

    id: NodeId
    role: Role
    """Decides the colour."""
    outline: Outline
    lines: tuple[str, ...]
    """The caption: label first, then shape and size, parameter shapes, module address."""
    box: BoxId | None = None
    """The innermost box around it."""
    is_dashed: bool = False
    """True for what was made inside the model, without any model input."""
    tooltip: str = ""
    """More about it, for renderers that have such a thing."""
    link: str | None = None
    """An http or https address to open on a click."""
    value: float | None = None
    """Its number when the drawing is coloured by numbers."""


class Edge(Struct, frozen=True, gc=False):
    """A tensor's way from one node to another."""

    tail: NodeId
    """Where the value was made."""
    head: NodeId
    """Where it went."""
    arguments: tuple[str, ...] = ()
    """Which arguments it became, such as `arg 0` or `mask`; empty where that makes no difference."""
    out_mark: str = ""
    """Passes of the tail that sent it, such as `Out 2-3`; empty when all did."""
    in_mark: str = ""
    """Passes of the head that received it, such as `In 1`; empty when all did."""
    is_if: bool = False
    """True where the operations that decide an if leave the rest of the model."""
    count: int = 1
    """How many edges between operations or layers it stands for."""
    is_outside: bool = False
    """True when it leads to or from a stub."""


class Box(Struct, frozen=True, gc=False):
    """The frame around what ran inside a module."""

    id: BoxId
    parent: BoxId | None
    """The box around it; always one with a smaller id."""
    lines: tuple[str, ...]
    """The caption: address and class."""
    repeats: int = 1
    """How many identical blocks in a row it stands for."""
    tooltip: str = ""


class ColorBar(Struct, frozen=True, gc=False):
    """What the colours of a drawing coloured by numbers mean."""

    caption: str
    """Name of the quantity."""
    low: float
    high: float
    low_text: str
    """`low` as people read it."""
    high_text: str


class Drawing(Struct, frozen=True):
    """A graph, ready to be laid out."""

    title: tuple[str, ...]
    """Model class; number of tensors and bytes; number of parameters and bytes; what was left out."""
    nodes: tuple[Node, ...]
    """In execution order."""
    edges: tuple[Edge, ...]
    """In the order of their heads."""
    boxes: tuple[Box, ...]
    """Outer before inner."""
    direction: Direction = "TB"
    legend: tuple[Legend, ...] = ()
    """Roles to explain, empty for no legend."""
    color_bar: ColorBar | None = None


class Legend(Struct, frozen=True, gc=False):
    """One entry of the legend."""

    role: Role
    outline: Outline
    text: str
    is_dashed: bool = False


Item: TypeAlias = Node | Edge | Box
"""Any part of a drawing."""
