"""Engines in their order, time limits, and what a notebook shows."""

from __future__ import annotations

import re
import stat
import sys
import time
import warnings
from pathlib import Path

import pytest

from lens_viz import LayoutFailedError, LayoutTimeoutError, ModelGraph, NoEngineError
from lens_viz._compose import View, compose
from lens_viz._dot import dot_lines
from lens_viz._engine import attributes, label
from lens_viz._layout import find_engine, lay_out
from lens_viz._theme import LIGHT

from .scenes import figure_2

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins for dot are shell scripts")


def graph(**options: object) -> ModelGraph:
    drawing = compose(figure_2(), View()).drawing
    return ModelGraph(drawing, dot_lines(drawing, LIGHT), **options)  # type: ignore[arg-type]


def script(folder: Path, text: str, name: str = "dot") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_named_executable_comes_first_then_dot_then_pygraphviz(tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    on_path = script(tmp_path / "path", "cat")
    named, variable = script(tmp_path, "cat", "mine"), script(tmp_path, "cat", "other")
    environment = {"PATH": str(tmp_path / "path"), "LENS_DOT": variable}
    assert find_engine(named, environment).command == (named,)
    assert find_engine(None, environment).command == (variable,)
    assert find_engine(None, {"PATH": environment["PATH"]}).command == (on_path,)
    bundled = find_engine(None, {"PATH": ""})
    assert bundled.is_bundled
    assert bundled.command[0] == sys.executable


def test_an_executable_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(NoEngineError, match="no-such-dot"):
        find_engine("/nowhere/no-such-dot")


def test_without_any_engine_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("LENS_DOT", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NoEngineError, match=r"pip install 'pygraphviz>=2'") as caught:
        graph().render(tmp_path / "model.gv")
    assert caught.value.source_path == tmp_path / "model.gv"
    assert (tmp_path / "model.gv").read_text() == graph().source


def test_the_executable_gets_the_source_and_the_format(tmp_path: Path) -> None:
    echo = script(tmp_path, 'echo "$@"; cat')
    assert lay_out("digraph {}", picture_format="pdf", engine=echo, timeout_s=9).data == b"-Tpdf\ndigraph {}"


@pytest.mark.parametrize(("picture_format", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_the_bundled_libraries_draw(
    picture_format: str, start: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LENS_DOT", raising=False)
    assert graph().pipe(format=picture_format).startswith(start)


def test_a_layout_beyond_the_time_limit_is_stopped_and_says_what_to_do(tmp_path: Path) -> None:
    slow = script(tmp_path, "sleep 30")
    started = time.monotonic()
    with pytest.raises(LayoutTimeoutError, match=r"within 0.3 s .*depth=2 draws 40"):
        graph(engine=slow, timeout_s=0.3, advice=" depth=2 draws 40.").pipe()
    assert time.monotonic() - started < 5


def test_a_failing_engine_says_what_it_said(tmp_path: Path) -> None:
    failing = script(tmp_path, "echo 'syntax error in line 7' >&2; exit 3")
    with pytest.raises(LayoutFailedError, match="status 3: syntax error in line 7"):
        graph(engine=failing).pipe()


def test_render_writes_source_and_picture_where_graphviz_would(tmp_path: Path) -> None:
    made = graph().render("model.gv", directory=tmp_path / "new", format="svg")
    assert Path(made) == tmp_path / "new" / "model.gv.svg"
    assert Path(made).read_bytes().startswith(b"<?xml")
    assert (tmp_path / "new" / "model.gv").exists()


def test_render_takes_an_outfile_and_cleans_up(tmp_path: Path) -> None:
    made = graph().render(outfile=tmp_path / "model.png", cleanup=True)
    assert Path(made).read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["model.png"]


def test_text_is_given_when_an_encoding_is_asked_for() -> None:
    assert graph().pipe(format="svg", encoding="utf-8").lstrip().startswith("<?xml")


def test_a_notebook_gets_a_picture_that_fits_its_page() -> None:
    bundle = graph()._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml", "text/plain"}
    assert 'style="max-width:100%;height:auto"' in bundle["image/svg+xml"]
    assert re.search(r'<svg width="[\d.]+pt" height', bundle["image/svg+xml"]), "a narrow one keeps its size"
    assert bundle["text/plain"] == "<ModelGraph of Figure2: 9 nodes, 8 edges>"


def test_a_picture_wider_than_a_page_has_the_width_of_the_page_wherever_it_is_put(tmp_path: Path) -> None:
    wide = script(tmp_path, """echo '<svg width="1742pt" height="900pt" viewBox="0 0 1742 900">'""")
    shown = graph(engine=wide)._repr_mimebundle_()["image/svg+xml"]
    assert '<svg width="100%" style="max-width:1742pt;height:auto" viewBox="0 0 1742 900">' in shown


def test_a_notebook_gets_the_types_it_asks_for() -> None:
    assert set(graph()._repr_mimebundle_(include=["image/png"])) == {"image/png"}
    assert set(graph()._repr_mimebundle_(exclude=["text/plain"])) == {"image/svg+xml"}


def test_a_notebook_without_any_engine_gets_words(tmp_path: Path) -> None:
    bundle = graph(engine=str(tmp_path / "none"))._repr_mimebundle_()
    assert "is no executable" in bundle["text/plain"]


def test_a_copy_draws_the_same() -> None:
    assert graph().copy().source == graph().source


def test_labels_and_values_are_quoted() -> None:
    assert attributes({"label": label(["node"]), "color": None, "shape": "box"}) == '[label="node" shape=box]'
    assert label(["a\\b", "<c>"]) == "a\\\\b\\n<c>"


def test_no_warning_comes_from_drawing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph().pipe(format="svg")
