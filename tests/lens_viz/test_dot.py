"""What reaches Graphviz: golden files, and names that try to escape."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ElementTree
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lens_viz import DARK, LIGHT, ModelGraph, OptionError, Theme, UnsafeLinkError
from lens_viz._compose import View, compose
from lens_viz._dot import dot_lines, scale_color
from lens_viz._drawing import Drawing, Legend
from lens_viz._overlay import colored
from lens_viz._scene import Scene

from .scenes import Stage, blocks, chain, figure_2, figure_3, self_loop

GOLDEN = Path(__file__).parent / "golden"
SCENES: dict[str, tuple[Scene, dict[str, Any]]] = {
    "figure_2": (figure_2(), {}),
    "figure_2_buffers": (figure_2(), {"show_buffers": True}),
    "figure_2_collapsed": (figure_2(), {"depth": 1}),
    "figure_3_unrolled": (figure_3(), {}),
    "figure_3_rolled": (figure_3(), {"is_rolled": True}),
    "self_loop_rolled": (self_loop(), {"is_rolled": True}),
    "blocks_folded": (blocks(), {"fold_repeats": True}),
    "blocks_module": (blocks(3), {"module": "blocks.1"}),
}
HOSTILE = [
    '"',
    '"]; evil [label="x',
    "<a>]; evil [label=<b>",
    "<b>bold</b>",
    "</text><script>alert(1)</script>",
    "\\",
    "\\N",
    'end\\"',
    "a\nb\r\nc\tz",
    "\x00\x07\x1b[31m\x7f",
    "}} digraph { evil }",
    "n0:port:se",
    "node",
    "graph",
    "subgraph cluster_0",
    "&lt;b&gt; &#60; &amp;",
    "😀 ünïcode \u202eevil\u202c",
    "\ud800",
    "\uffff",
    "x" * 10_000,
    " ",
    "]]>",
    "javascript:alert(1)",
    "{a|b}",
    "/* c */ // d # e",
]


def source_of(scene: Scene, theme: Theme = LIGHT, **options: Any) -> str:
    return graph_of(compose(scene, View(**options)).drawing, theme).source


def graph_of(drawing: Drawing, theme: Theme = LIGHT) -> ModelGraph:
    return ModelGraph(drawing, dot_lines(drawing, theme))


def named(name: str) -> Scene:
    """A model that calls everything by one name."""
    stage = Stage(name)
    x = stage.input(address=name)
    with stage.module(name, name, parameters=3):
        y = stage.leaf(name, name or "relu", x, parameter_shapes=((1,),), note=name)
        y = stage.add("add_1_3", y, x)
    stage.output(y)
    return stage.finish()


@cache
def picture_of(name: str, **options: Any) -> list[tuple[str, str]]:
    """What the picture of such a model is made of."""
    return _shape_of(graph_of(compose(named(name), View(**options)).drawing).pipe(format="svg"))


@pytest.mark.parametrize("name", SCENES)
def test_dot_of_whole_models_is_the_golden_one(name: str) -> None:
    scene, options = SCENES[name]
    path = GOLDEN / f"{name}.gv"
    source = source_of(scene, **options)
    if os.environ.get("LENS_UPDATE_GOLDEN"):
        path.write_text(source, encoding="utf-8")
    assert source == path.read_text(encoding="utf-8")


def test_the_node_default_that_bundled_graphviz_needs_is_written() -> None:
    assert r'node [label="\N"' in source_of(figure_2())


def test_curved_splines_are_never_asked_for() -> None:
    for scene in (figure_2(), chain(900)):
        assert "curved" not in source_of(scene, depth="all")


def test_large_graphs_get_the_fast_layout() -> None:
    assert "nslimit" not in source_of(figure_2())
    large = source_of(chain(900), depth="all")
    assert "splines=line" in large
    assert "nslimit=0.05 nslimit1=0.05 mclimit=0.05" in large


def test_if_is_bold_and_the_terminal_bool_yellow() -> None:
    source = source_of(figure_2())
    (line,) = [line for line in source.splitlines() if re.search(r"\bIF\b", line)]
    assert "Helvetica-Bold" in line
    assert LIGHT.nodes["terminal_bool"].fill in source


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("options", [{}, {"depth": 1}, {"is_rolled": True}], ids=["unrolled", "collapsed", "rolled"])
def test_a_hostile_name_adds_nothing_to_the_picture(name: str, options: dict[str, Any]) -> None:
    assert picture_of(name, **options) == picture_of("plain", **options)


@settings(max_examples=40, deadline=None)
@given(st.text(min_size=1, max_size=60))
@example("0.0")
@example("-.5")
def test_no_name_leaves_its_quotes(name: str) -> None:
    plain = _statements(source_of(named("plain")))
    assert _statements(source_of(named(name))) == plain


@settings(max_examples=15, deadline=None)
@given(st.text(alphabet=st.sampled_from('"\\<>&;[]{}\n\x00-:N/|= éß😀'), min_size=1, max_size=24))
def test_no_name_of_special_characters_adds_anything_to_the_picture(name: str) -> None:
    assert picture_of(name) == picture_of("plain")


def test_an_empty_name_is_drawn() -> None:
    assert len(picture_of("")) > 20


def test_a_name_is_shown_as_it_is_written() -> None:
    name = 'a<b> &lt; "q" \\N \\l'
    svg = graph_of(compose(named(name), View()).drawing).pipe(format="svg").decode()
    texts = [text.text for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert name in [(text or "").replace("\xa0", " ") for text in texts]


def test_a_link_leads_to_http_only() -> None:
    drawing = compose(figure_2(), View()).drawing
    for link in ("javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", " https://a", "ftp://a", "//a"):
        with pytest.raises(UnsafeLinkError, match="http"):
            dot_lines(_linked(drawing, link), LIGHT)
    assert 'URL="https://a.org/x?y=1"' in graph_of(_linked(drawing, "https://a.org/x?y=1")).source


def test_numbers_become_colours_and_a_bar() -> None:
    composition = compose(figure_2(), View())
    values: list[float | None] = [None, 0.001, 0.002, *[None] * 7]
    drawing = colored(composition.drawing, composition.members, values, "func_time_elapsed")
    source = graph_of(drawing).source
    assert drawing.color_bar is not None
    assert (drawing.color_bar.low_text, drawing.color_bar.high_text) == ("1 ms", "2 ms")
    assert scale_color(LIGHT, 0.0) in source and scale_color(LIGHT, 1.0) in source
    assert "cluster_scale" in source
    assert LIGHT.nodes["output"].fill in source  # no number, colour of its role


def test_a_collapsed_node_has_the_sum_of_its_numbers() -> None:
    composition = compose(figure_2(), View(depth=1))
    drawing = colored(composition.drawing, composition.members, [None, 1.0, 2.0, *[None] * 7], "value")
    assert [node.value for node in drawing.nodes if node.role == "module"] == [3.0]


def test_colouring_by_nothing_is_an_error() -> None:
    composition = compose(figure_2(), View())
    with pytest.raises(OptionError, match="nothing to colour"):
        colored(composition.drawing, composition.members, [None] * 10, "value")


def test_a_legend_explains_roles() -> None:
    drawing = replace(compose(figure_2(), View()).drawing, legend=(Legend("input", "ellipse", "input"),))
    assert "cluster_legend" in graph_of(drawing).source


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_text_is_readable_on_its_node_and_fills_differ_in_greyscale(theme: Theme) -> None:
    for style in theme.nodes.values():
        assert _contrast(style.fill, style.text) >= 4.5
    assert _contrast(theme.background, theme.title) >= 7
    greys = sorted(_luminance(theme.nodes[role].fill) for role in ("input", "output", "parameters", "terminal_bool"))
    assert all(second - first > 0.02 for first, second in pairwise(greys))


def test_a_theme_is_extended_with_changes() -> None:
    theme = LIGHT.extended_with(background="#fffff0", nodes={"input": LIGHT.nodes["output"]})
    assert (theme.background, theme.nodes["input"], theme.nodes["buffer"]) == (
        "#fffff0",
        LIGHT.nodes["output"],
        LIGHT.nodes["buffer"],
    )
    assert LIGHT.background == "#ffffff"
    with pytest.raises(OptionError, match="no field 'colour'"):
        LIGHT.extended_with(colour="red")


def _linked(drawing: Drawing, link: str) -> Drawing:
    return replace(drawing, nodes=(replace(drawing.nodes[0], link=link), *drawing.nodes[1:]))


def _shape_of(svg: bytes) -> list[tuple[str, str]]:
    """Return what the picture is made of, without its words and places."""
    root = ElementTree.fromstring(svg)
    titles = [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]
    tags = [element.tag for element in root.iter() if not element.tag.endswith("}text")]
    assert not [tag for tag in tags if tag.endswith(("}script", "}image", "}foreignObject"))]
    return [*zip(["title"] * len(titles), titles, strict=True), *(("tag", tag) for tag in tags)]


def _statements(source: str) -> list[str]:
    """Return the statements with their values (quoted, numerals, words) taken out, as a DOT reader would see them."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', source)
    bare = re.sub(r"(label|tooltip)=(?:-?(?:\.\d+|\d+(?:\.\d*)?)(?![\w.])|\w+)", r'\1=""', bare)
    return bare.splitlines()


def _contrast(first: str, second: str) -> float:
    bright, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    channels = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
