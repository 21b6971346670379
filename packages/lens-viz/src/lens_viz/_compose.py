"""How does a forward pass become a drawing?

Choose what is visible, choose which modules are one node, group, connect, enclose, caption.  Everything that the
drawing shows is decided here and in the modules called; nothing is coloured or placed.

Source: "Visualization" in the paper, Figures 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from lens_viz._boxes import enclose
from lens_viz._captions import layer_label, module_lines, operation_lines, pass_label, stretch_lines
from lens_viz._collapse import EDGE_BUDGET, NODE_BUDGET, Collapse, Depth, choose_depth, collapsed_calls
from lens_viz._drawing import BoxId, Direction, Drawing, Edge, Node, NodeId, Outline, Role
from lens_viz._edges import connect
from lens_viz._focus import Focus, inside_module, stub_lines, whole
from lens_viz._grouping import Group, Grouping, rolled, unrolled
from lens_viz._repeats import NO_REPEATS, Repeats, find_repeats, folded_edges, kept
from lens_viz._scene import Operation, Scene
from lens_viz._stretch import folded
from lens_viz._text import LONGEST_TOOLTIP, shown


class View(Struct, frozen=True):
    """What of a scene to draw, and how."""

    is_rolled: bool = False
    """One node a layer instead of one a pass."""
    depth: int | str | None = None
    """Depth from which modules are one node: a number, `auto` (also None) or `all`."""
    collapse: Collapse = ()
    """Modules that are one node at any depth."""
    module: str | None = None
    """Draw the inside of this module only."""
    show_buffers: bool = False
    fold_repeats: bool = False
    """Draw identical blocks in a row once."""
    direction: Direction = "TB"


class Composition(Struct, frozen=True):
    """A drawing, and what its nodes stand for."""

    drawing: Drawing
    members: tuple[tuple[int, ...], ...]
    """For each node the operations in it; none for stubs."""
    calls: tuple[int | None, ...]
    """For each node the module call that it stands for, None for none."""
    depth: Depth


def compose(scene: Scene, view: View) -> Composition:
    """Return the drawing of a scene.

    Raises:
        OptionError: A depth without meaning.
        UnknownModuleError: `module` or `collapse` name nothing that ran.
    """
    if view.module is None:
        focus = whole(scene, show_buffers=view.show_buffers)
    else:
        focus = inside_module(scene, view.module, show_buffers=view.show_buffers)
    repeats = find_repeats(scene, focus.inside, is_rolled=view.is_rolled) if view.fold_repeats else NO_REPEATS
    visible = kept(repeats, focus.inside)
    depth = choose_depth(scene, visible, view.depth, base=focus.depth, is_rolled=view.is_rolled)
    hidden = frozenset(
        index for index, one in enumerate(scene.operations) if one.role == "buffer" and not view.show_buffers
    )
    grouping, edges = _grouped(scene, view, focus, repeats, visible, hidden, depth)
    while depth.is_automatic and len(edges) > EDGE_BUDGET and depth.shallower is not None:
        depth = replace(depth, level=depth.shallower)
        grouping, edges = _grouped(scene, view, focus, repeats, visible, hidden, depth)
    boxes, homes = enclose(scene, grouping, below=focus.depth, repeats=repeats.runs)
    nodes = [_node(scene, grouping, number, home, repeats.runs) for number, home in enumerate(homes)]
    stubs, stub_edges = _stubs(scene, focus, grouping, repeats)
    drawing = Drawing(
        title=_title(scene, focus, depth, is_stretched=any(group.kind == "stretch" for group in grouping.groups)),
        nodes=(*nodes, *stubs),
        edges=(*edges, *stub_edges),
        boxes=boxes,
        direction=view.direction,
    )
    members = (*(one.members for one in grouping.groups), *(() for _ in stubs))
    calls = (*(one.call for one in grouping.groups), *(None for _ in stubs))
    return Composition(drawing, members, calls, depth)


def _grouped(
    scene: Scene,
    view: View,
    focus: Focus,
    repeats: Repeats,
    visible: Sequence[int],
    hidden: frozenset[int],
    depth: Depth,
) -> tuple[Grouping, tuple[Edge, ...]]:
    """Return what shares a node at this depth, and the edges between."""
    collapsed = collapsed_calls(scene, level=depth.level, collapse=view.collapse, base=focus.depth)
    group = rolled if view.is_rolled else unrolled
    grouping = group(scene, visible, collapsed)
    if depth.is_automatic and len(grouping.groups) > NODE_BUDGET:
        grouping = folded(scene, grouping)
    return grouping, connect(scene, grouping, folded_edges(scene, focus.inside, repeats, hidden))


def _node(
    scene: Scene, grouping: Grouping, number: int, home: BoxId | None, runs: Mapping[int, tuple[int, int]]
) -> Node:
    group = grouping.groups[number]
    first = scene.operations[group.members[0]]
    if group.kind == "module" and group.call is not None:
        repeats, _ = runs.get(group.call, (1, group.call))
        members = _first_pass(group, grouping) if grouping.is_rolled else group.members
        lines = module_lines(
            scene, group.call, members, is_rolled=grouping.is_rolled, passes=group.passes, repeats=repeats
        )
        call = scene.calls[group.call]
        tip = shown(f"{call.address} ({call.class_name})", longest=LONGEST_TOOLTIP)
        is_internal = all(scene.operations[index].is_internal for index in group.members)
        return Node(NodeId(number), "module", "collapsed", lines, home, is_dashed=is_internal, tooltip=tip)
    if group.kind == "stretch":
        lines = stretch_lines(scene, group.members, is_rolled=grouping.is_rolled)
        return Node(NodeId(number), "stretch", "collapsed", lines, home, tooltip="; ".join(lines))
    call = scene.calls[first.calls[-1]] if first.is_bottom_level else None
    label = layer_label(first) if grouping.is_rolled else pass_label(first)
    return Node(
        NodeId(number),
        _role(scene, group),
        "box" if first.is_bottom_level else "ellipse",
        operation_lines(first, label, call),
        home,
        is_dashed=all(scene.operations[index].is_internal for index in group.members),
        tooltip=_tooltip(first, label),
    )


def _first_pass(group: Group, grouping: Grouping) -> Sequence[int]:
    first = grouping.pass_of[group.members[0]]
    return [index for index in group.members if grouping.pass_of[index] == first]


def _role(scene: Scene, group: Group) -> Role:
    roles: list[Role] = [scene.operations[index].role for index in group.members]
    return "terminal_bool" if "terminal_bool" in roles else roles[0]


def _tooltip(operation: Operation, label: str) -> str:
    parts = [label, operation.dtype, operation.address or "", operation.note]
    return shown("; ".join(part for part in parts if part), longest=LONGEST_TOOLTIP)


def _stubs(scene: Scene, focus: Focus, grouping: Grouping, repeats: Repeats) -> tuple[list[Node], list[Edge]]:
    """Return the nodes at the border of a module that is drawn alone; those with the same ends share one."""
    place = {index: grouping.group_of.get(index) for index in focus.inside}
    for images in repeats.levels:
        place.update({index: place.get(image.operation) for index, image in images.items() if image.block})
    ends: dict[tuple[bool, tuple[int, ...]], list[int]] = {}
    readers: dict[int, list[int]] = {index: [] for index in focus.sources}
    for child in focus.inside if readers else ():
        for parent in scene.operations[child].parents:
            if parent.operation in readers:
                readers[parent.operation].append(child)
    for index, children in readers.items():
        ends.setdefault((True, _touched(place, children)), []).append(index)
    for index in focus.targets:
        parents = _touched(place, (parent.operation for parent in scene.operations[index].parents))
        ends.setdefault((False, parents), []).append(index)
    stubs: list[Node] = []
    edges: list[Edge] = []
    name = layer_label if grouping.is_rolled else pass_label
    outline: Outline = "ellipse"
    for (is_source, touched), members in ends.items():
        number = NodeId(len(grouping.groups) + len(stubs))
        labels = list(dict.fromkeys(name(scene.operations[index]) for index in members))
        lines = stub_lines([shown(label) for label in labels], is_source=is_source)
        stubs.append(Node(number, "stub", outline, lines, tooltip=shown(", ".join(labels), longest=LONGEST_TOOLTIP)))
        for group in touched:
            tail, head = (number, NodeId(group)) if is_source else (NodeId(group), number)
            edges.append(Edge(tail, head, is_outside=True))
    return stubs, edges


def _touched(place: Mapping[int, int | None], indices: Iterable[int]) -> tuple[int, ...]:
    found = (place.get(index) for index in indices)
    return tuple(dict.fromkeys(group for group in found if group is not None))


def _title(scene: Scene, focus: Focus, depth: Depth, *, is_stretched: bool) -> tuple[str, ...]:
    lines = [shown(line) for line in scene.title]
    if focus.caption:
        lines.append(f"only {shown(focus.caption)}")
    if depth.level is not None:
        reach = f"drawn to depth {depth.level} of {depth.deepest}"
        lines.append(f"{reach} (automatic)" if depth.is_automatic else reach)
    if is_stretched:
        lines.append("long stretches of operations folded")
    return tuple(lines)
