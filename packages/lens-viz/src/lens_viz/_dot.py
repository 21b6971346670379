"""How is a drawing written in Graphviz's language?

Roles become colours, marks become edge labels, boxes become clusters.  Node names are neutral (`n12`), so that nothing
that a model calls itself can mean something in DOT; words of the model appear in labels and tooltips only.

Layout options depend on the size: what is drawn small is drawn with smooth edges; beyond some hundred nodes the network
simplex is cut short and edges are straight, which buys a factor of five; Graphviz's curved edges are never used, they
hang.
"""

from __future__ import annotations

from collections.abc import Iterator

from lens_viz._drawing import Box, Drawing, Edge, Legend, Node
from lens_viz._engine import attributes, label
from lens_viz._errors import UnsafeLinkError
from lens_viz._theme import NodeStyle, Theme

SMALL = 500
"""Nodes or edges up to which the layout takes all the time it likes."""
LARGE = 800
"""Nodes or edges beyond which speed is all: the search for good places is cut short, marks take no room."""


def dot_lines(drawing: Drawing, theme: Theme) -> list[str]:
    """Return the body of the DOT graph, one statement a line.

    Raises:
        UnsafeLinkError: A node links to something else than http or https.
    """
    lines = [f"\tgraph {attributes(_graph_attributes(drawing, theme))}\n"]
    # The libraries in pygraphviz's wheels need the default to be said.
    defaults = {"label": r"\N", "fontname": theme.font, "fontsize": _points(theme.node_size)}
    defaults |= {"margin": "0.16,0.08", "height": "0.4", "penwidth": _points(theme.line_width)}
    lines.append(f"\tnode {attributes(defaults)}\n")
    edge = {"fontname": theme.font, "fontsize": _points(theme.mark_size), "color": theme.edge, "fontcolor": theme.mark}
    edge |= {"arrowsize": "0.7", "penwidth": _points(theme.line_width)}
    lines.append(f"\tedge {attributes(edge)}\n")
    lines.extend(_nested(drawing, theme))
    lines.extend(_edge(edge, theme, drawing) for edge in drawing.edges)
    lines.extend(_legend(drawing, theme))
    lines.extend(_color_bar(drawing, theme))
    return lines


def _graph_attributes(drawing: Drawing, theme: Theme) -> dict[str, str]:
    size = _size(drawing)
    found = {
        "label": label(drawing.title, end=r"\l"),
        "labelloc": "t",
        "labeljust": "l",
        "fontname": theme.font,
        "fontsize": _points(theme.title_size),
        "fontcolor": theme.title,
        "bgcolor": theme.background,
        "rankdir": drawing.direction,
        "pad": "0.25",
        "nodesep": "0.3",
        "ranksep": "0.38",
        "tooltip": label(drawing.title[:1]),
    }
    if size > SMALL:
        found |= {"nslimit": "2", "nslimit1": "2", "mclimit": "0.5", "splines": "line"}
    if size > LARGE:
        found |= {"nslimit": "0.05", "nslimit1": "0.05", "mclimit": "0.05"}
    return found


def _size(drawing: Drawing) -> int:
    return max(len(drawing.nodes), len(drawing.edges))


def _nested(drawing: Drawing, theme: Theme) -> Iterator[str]:
    """Yield nodes and boxes, each in its box, without recursion: models nest a thousand deep."""
    depth: list[int] = []
    parts: dict[int | None, list[Node | Box]] = {}
    for box in drawing.boxes:
        depth.append(0 if box.parent is None else depth[box.parent] + 1)
        parts.setdefault(box.parent, []).append(box)
    for node in drawing.nodes:
        parts.setdefault(node.box, []).append(node)
    stack: list[Iterator[Node | Box]] = [iter(parts.get(None, []))]
    while stack:
        tabs = "\t" * len(stack)
        part = next(stack[-1], None)
        if part is None:
            stack.pop()
            if stack:
                yield f"{tabs[:-1]}}}\n"
        elif isinstance(part, Box):
            yield f"{tabs}subgraph cluster_{part.id} {{\n"
            yield f"{tabs}\tgraph {attributes(_box_attributes(part, depth[part.id], theme))}\n"
            stack.append(iter(parts.get(part.id, [])))
        else:
            yield f"{tabs}n{part.id} {attributes(_node_attributes(part, theme, drawing))}\n"


def _box_attributes(box: Box, depth: int, theme: Theme) -> dict[str, str]:
    return {
        "label": label(box.lines, end=r"\l"),
        "labelloc": "t",
        "labeljust": "l",
        "style": "rounded,filled",
        "fillcolor": theme.box_fills[depth % len(theme.box_fills)],
        "color": theme.box_stroke,
        "fontname": theme.bold_font if depth == 0 else theme.font,
        "fontsize": _points(theme.box_size),
        "fontcolor": theme.box_text,
        "margin": "12",
        "penwidth": _points(theme.line_width * (1.4 if box.repeats > 1 else 1.0)),
        "peripheries": "2" if box.repeats > 1 else "",
        "tooltip": label([box.tooltip]),
    }


def _node_attributes(node: Node, theme: Theme, drawing: Drawing) -> dict[str, str | None]:
    look = _look(node, theme, drawing)
    return {
        "label": label(node.lines),
        "shape": "ellipse" if node.outline == "ellipse" else "box",
        "style": _style(node),
        "fillcolor": look.fill,
        "color": look.stroke,
        "fontcolor": look.text,
        "margin": "0.04,0.03" if node.outline == "ellipse" else "",
        "peripheries": "2" if node.outline == "collapsed" else "",
        "tooltip": label([node.tooltip]) if node.tooltip else "",
        "URL": _safe_link(node.link),
    }


def _style(part: Node | Legend) -> str:
    styles = ["filled"]
    if part.outline == "collapsed":
        styles.append("rounded")
    if part.is_dashed:
        styles.append("dashed")
    if part.role == "stub":
        styles.append("dotted")
    return ",".join(styles)


def _look(node: Node, theme: Theme, drawing: Drawing) -> NodeStyle:
    style = theme.nodes[node.role]
    bar = drawing.color_bar
    if bar is None or node.value is None:
        return style
    span = bar.high - bar.low
    share = (node.value - bar.low) / span if span > 0 else 0.0
    fill = scale_color(theme, share)
    return NodeStyle(fill, style.stroke, theme.scale_texts[0] if _is_light(fill) else theme.scale_texts[1])


def scale_color(theme: Theme, share: float) -> str:
    """Return the colour at a share, 0 to 1, of the theme's scale, between its two nearest colours."""
    place = min(max(share, 0.0), 1.0) * (len(theme.scale) - 1)
    lower = min(int(place), len(theme.scale) - 2)
    first, second = _rgb(theme.scale[lower]), _rgb(theme.scale[lower + 1])
    mixed = (round(a + (b - a) * (place - lower)) for a, b in zip(first, second, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _is_light(color: str) -> bool:
    red, green, blue = _rgb(color)
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140


def _edge(edge: Edge, theme: Theme, drawing: Drawing) -> str:
    is_large = _size(drawing) > LARGE
    texts = [", ".join(edge.arguments)] if edge.arguments else []
    if edge.count > 1 and not edge.arguments and not is_large and _is_merged(edge, drawing):
        texts.append(f"x{edge.count}")
    texts = [text for text in (edge.out_mark, *texts, edge.in_mark) if text]
    found: dict[str, str | None] = {}
    if edge.is_if:
        # IF stands in the middle, in bold; what else is to be said stands at the arrow's head.
        found |= {"label": label([" IF"]), "fontname": theme.bold_font, "fontsize": _points(theme.mark_size + 4)}
        found |= {"fontcolor": theme.condition, "color": theme.condition, "penwidth": _points(theme.line_width * 1.8)}
        found["headlabel"] = label([f" {text}" for text in texts]) if texts else None
    elif texts:
        # A label in the middle gets room of its own, which takes time; one at the head lies over what is there.
        found["headlabel" if is_large else "label"] = label([f" {text}" for text in texts])
    if edge.tail > edge.head and not edge.is_outside:
        # What leads back in time must not turn the picture upside down.
        found["constraint"] = "false"
    if edge.is_outside:
        found |= {"style": "dashed", "color": theme.nodes["stub"].stroke}
    listed = f" {attributes(found)}" if found else ""
    return f"\tn{edge.tail} -> n{edge.head}{listed}\n"


def _is_merged(edge: Edge, drawing: Drawing) -> bool:
    return "collapsed" in (drawing.nodes[edge.tail].outline, drawing.nodes[edge.head].outline)


def _legend(drawing: Drawing, theme: Theme) -> Iterator[str]:
    if not drawing.legend:
        return
    frame = {"label": label(["Legend"]), "labeljust": "l", "style": "rounded", "color": theme.box_stroke}
    frame |= {"fontcolor": theme.box_text, "fontname": theme.bold_font, "fontsize": _points(theme.box_size)}
    yield "\tsubgraph cluster_legend {\n"
    yield f"\t\tgraph {attributes(frame)}\n"
    for number, entry in enumerate(drawing.legend):
        look = theme.nodes[entry.role]
        node = {
            "label": label([entry.text]),
            "shape": "ellipse" if entry.outline == "ellipse" else "box",
            "style": _style(entry),
            "fillcolor": look.fill,
            "color": look.stroke,
            "fontcolor": look.text,
            "peripheries": "2" if entry.outline == "collapsed" else "",
        }
        yield f"\t\tlegend{number} {attributes(node)}\n"
        if number:
            yield f"\t\tlegend{number - 1} -> legend{number} [style=invis minlen=1]\n"
    yield "\t}\n"


def _color_bar(drawing: Drawing, theme: Theme) -> Iterator[str]:
    bar = drawing.color_bar
    if bar is None:
        return
    frame = {"label": label([bar.caption]), "labeljust": "l", "style": "rounded", "color": theme.box_stroke}
    frame |= {"fontcolor": theme.box_text, "fontname": theme.bold_font, "fontsize": _points(theme.box_size)}
    steps = 24
    colors = ":".join(scale_color(theme, step / (steps - 1)) for step in range(steps))
    strip = {"label": label([""]), "shape": "box", "style": "striped", "fillcolor": colors, "penwidth": "0"}
    strip |= {"width": "2.6", "height": "0.2", "fixedsize": "true"}
    yield "\tsubgraph cluster_scale {\n"
    yield f"\t\tgraph {attributes(frame)}\n"
    ends = {"shape": "plaintext", "fontcolor": theme.title, "margin": "0"}
    yield f"\t\t{{ rank=same scale_low {attributes({'label': label([bar.low_text]), **ends})}"
    yield f" scale_strip {attributes(strip)} scale_high {attributes({'label': label([bar.high_text]), **ends})}"
    yield " scale_low -> scale_strip -> scale_high [style=invis] }\n"
    yield "\t}\n"


def _safe_link(link: str | None) -> str | None:
    if link is None:
        return None
    if not link.lower().startswith(("https://", "http://")) or any(letter.isspace() for letter in link):
        raise UnsafeLinkError(f"The link {link[:80]!r} is refused: only http:// and https:// links are drawn.")
    return label([link])


def _points(size: float) -> str:
    return f"{size:g}"
