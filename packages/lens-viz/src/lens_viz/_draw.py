"""How is a model drawn, in one call?

Read the history into a scene, compose the drawing, colour and caption it where asked, write it as DOT.  What comes back
is a graphviz object that knows how to lay itself out.

Source: "Visualization" in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from msgspec.structs import replace

from lens_graph import ModelHistory
from lens_viz._collapse import Collapse
from lens_viz._compose import Composition, View, compose
from lens_viz._dot import dot_lines
from lens_viz._drawing import Direction, Drawing, Legend, Node
from lens_viz._engine import ModelGraph
from lens_viz._errors import OptionError
from lens_viz._layout import DEFAULT_TIMEOUT_S
from lens_viz._overlay import colored, number, values_of_mapping
from lens_viz._read import read_scene
from lens_viz._scene import Scene
from lens_viz._text import shown
from lens_viz._theme import LIGHT, THEMES, Theme

Mode = Literal["unrolled", "rolled"]
"""`unrolled`: one node a pass.  `rolled`: one node a layer."""
Caption = Callable[[Any], str | Sequence[str] | None]
"""Takes what a node stands for; returns its caption, None to leave it as it is."""

_LEGEND = (
    Legend("input", "ellipse", "input"),
    Legend("output", "ellipse", "output"),
    Legend("parameters", "box", "module with parameters"),
    Legend("operation", "box", "module of one operation"),
    Legend("operation", "ellipse", "other operation"),
    Legend("operation", "ellipse", "made inside the model", is_dashed=True),
    Legend("buffer", "ellipse", "buffer"),
    Legend("terminal_bool", "ellipse", "decides an IF"),
    Legend("module", "collapsed", "collapsed module"),
    Legend("stretch", "collapsed", "stretch of operations"),
    Legend("stub", "ellipse", "outside the module drawn"),
)


def draw(
    history: ModelHistory,
    *,
    mode: Mode = "unrolled",
    depth: int | str | None = None,
    show_buffers: bool = False,
    direction: Direction = "TB",
    collapse: Collapse = (),
    module: str | None = None,
    fold_repeats: bool = False,
    color_by: str | Mapping[str, float] | None = None,
    theme: str | Theme = LIGHT,
    caption: Caption | None = None,
    link: Callable[[Any], str | None] | None = None,
    legend: bool = False,
    engine: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> ModelGraph:
    """Draw a model's graph.

    Args:
        history: The forward pass.
        mode: `unrolled` draws each pass of a layer, `rolled` each layer once.
        depth: Modules at this depth are one node: 1 for the model's direct parts; `all` for none; `auto` or None for
            the deepest that keeps the drawing below some 500 nodes, which the title then says.
        show_buffers: Draw the buffers too.
        direction: Where the arrows lead: `TB`, `BT`, `LR`, `RL`.
        collapse: Modules that are one node whatever the depth: an address, patterns (`"blocks.*"`), or a function of
            the address.
        module: Draw the inside of this module only, with stubs where it meets the rest.  Depths count from it.
        fold_repeats: Draw a run of identical sibling blocks once, marked `x 12`.
        color_by: Colour the nodes by a numeric field of operations (`"func_time_elapsed"`) or by a mapping from labels
            to numbers; a node of several operations has their sum.
        theme: `light`, `dark`, or a `Theme`.
        caption: Called with the operation (rolled: the layer; collapsed: the module call) that a node stands for;
            returns its caption, None to leave it.
        link: Called with the same; returns an http or https address that the node leads to, or None.
        legend: Explain the colours and shapes that occur.
        engine: Path of a Graphviz `dot` to use instead of the first found.
        timeout_s: Seconds that the layout may take.

    Returns:
        A `graphviz.Digraph`: `.source`, `.pipe(format="svg")`, `.render()`; notebooks show it.  No layout happens
        before one of these is asked for.

    Raises:
        OptionError: An argument without meaning.
        UnknownModuleError: `module` or `collapse` name nothing that ran.
        UnsafeLinkError: `link` returned something else than an http or https address.

    Linear in operations and edges; the layout takes 0.1 to 3 s for a drawing of automatic depth.
    """
    _check(mode, direction, timeout_s)
    look = _theme(theme)
    scene = read_scene(history)
    view = View(
        is_rolled=mode == "rolled",
        depth=depth,
        collapse=collapse,
        module=module,
        show_buffers=show_buffers,
        fold_repeats=fold_repeats,
        direction=direction,
    )
    composition = compose(scene, view)
    drawing = composition.drawing
    if color_by is not None:
        name = color_by if isinstance(color_by, str) else "value"
        drawing = colored(drawing, composition.members, _values(history, scene, color_by), name)
    if caption is not None or link is not None:
        drawing = _annotated(drawing, composition, history, view, caption, link)
    if legend:
        drawing = replace(drawing, legend=_legend(drawing))
    return ModelGraph(
        drawing,
        dot_lines(drawing, look),
        engine=engine,
        timeout_s=timeout_s,
        advice=_advice(composition),
    )


def _check(mode: str, direction: str, timeout_s: float) -> None:
    if mode not in get_args(Mode):
        raise OptionError(f"mode is {mode!r}; give 'unrolled' or 'rolled'.")
    if direction not in get_args(Direction):
        raise OptionError(f"direction is {direction!r}; give one of {', '.join(get_args(Direction))}.")
    if not timeout_s > 0:
        raise OptionError(f"timeout_s is {timeout_s!r}; give a number of seconds above 0.")


def _theme(theme: str | Theme) -> Theme:
    if isinstance(theme, Theme):
        return theme
    if theme not in THEMES:
        raise OptionError(f"theme is {theme!r}; give {' or '.join(map(repr, THEMES))}, or a Theme of your own.")
    return THEMES[theme]


def _values(history: ModelHistory, scene: Scene, color_by: str | Mapping[str, float]) -> list[float | None]:
    if not isinstance(color_by, str):
        return values_of_mapping(scene, color_by)
    operations = history.operations
    if not hasattr(type(operations[0]) if len(operations) else object, color_by):
        raise OptionError(
            f"color_by is {shown(color_by)!r}, but operations have no such field; some that are numbers: "
            "func_time_elapsed, tensor_fsize, num_params_total, parent_params_fsize, min_distance_from_input."
        )
    return [number(getattr(operation, color_by), color_by) for operation in operations]


def _annotated(
    drawing: Drawing,
    composition: Composition,
    history: ModelHistory,
    view: View,
    caption: Caption | None,
    link: Callable[[Any], str | None] | None,
) -> Drawing:
    calls = history.module_calls
    nodes: list[Node] = []
    for node, members, call in zip(drawing.nodes, composition.members, composition.calls, strict=True):
        if not members or node.role == "stretch":
            nodes.append(node)
            continue
        if call is not None:
            entry: Any = calls[call + 1]
        elif view.is_rolled:
            entry = history.layers[history.interpretation.labels.layer_of[members[0]]]
        else:
            entry = history.operations[members[0]]
        said = None if caption is None else caption(entry)
        lines = node.lines if said is None else _lines(said)
        nodes.append(replace(node, lines=lines, link=None if link is None else link(entry)))
    return replace(drawing, nodes=tuple(nodes))


def _lines(said: str | Sequence[str]) -> tuple[str, ...]:
    lines = said.splitlines() if isinstance(said, str) else said
    return tuple(shown(str(line)) for line in lines)


def _legend(drawing: Drawing) -> tuple[Legend, ...]:
    """Return the entries for what occurs in the drawing."""
    occurring = {(node.role, node.outline) for node in drawing.nodes}
    is_dashed = any(node.is_dashed for node in drawing.nodes)
    return tuple(entry for entry in _LEGEND if (is_dashed if entry.is_dashed else _occurs(entry, occurring)))


def _occurs(entry: Legend, occurring: set[tuple[Any, Any]]) -> bool:
    if entry.role == "operation":
        return (entry.role, entry.outline) in occurring
    return any(role == entry.role for role, _ in occurring)


def _advice(composition: Composition) -> str:
    """Return what to ask for when the layout is too slow."""
    drawn, depth = len(composition.drawing.nodes), composition.depth
    if depth.shallower is not None and depth.counts[depth.shallower] < drawn:
        less = f"depth={depth.shallower} draws {depth.counts[depth.shallower]:,}"
    elif not depth.is_automatic:
        less = "depth='auto' folds what is too much"
    else:
        less = "one module alone, with module=, has fewer"
    return f" It has {drawn:,} nodes; {less}. A larger timeout_s gives it more time."
