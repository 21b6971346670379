"""A drawing becomes a file by its ending."""

from __future__ import annotations

from pathlib import Path

import pytest

from lens_viz import EngineError, ModelGraph, OptionError, check_ending, write
from lens_viz._compose import View, compose
from lens_viz._dot import dot_lines
from lens_viz._scene import Scene
from lens_viz._theme import LIGHT

from .scenes import chain, figure_2


def graph(scene: Scene | None = None, **options: object) -> ModelGraph:
    drawing = compose(scene or figure_2(), View(depth="all")).drawing
    return ModelGraph(drawing, dot_lines(drawing, LIGHT), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.svg", b"<?xml"), ("b.PNG", b"\x89PNG"), ("c.pdf", b"%PDF"), ("d.gv", b"digraph"), ("e.dot", b"digraph")],
)
def test_the_ending_decides_and_folders_are_made(name: str, start: bytes, tmp_path: Path) -> None:
    path = write(graph(), tmp_path / "new" / "folder" / name)
    assert path == tmp_path / "new" / "folder" / name
    assert path.read_bytes().startswith(start)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", ["model", "model.jpg", "model.svg.exe", ".svg"])
def test_an_ending_that_cannot_be_written_is_refused_before_anything_happens(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"give one of \.svg, \.pdf, \.png, \.gv, \.dot"):
        write(graph(), tmp_path / "new" / name)
    assert not (tmp_path / "new").exists()
    with pytest.raises(ValueError, match="ends"):
        check_ending(name)


def test_the_source_is_written_when_the_layout_fails(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"written to .*model\.gv") as caught:
        write(graph(engine=str(tmp_path / "none")), tmp_path / "model.svg")
    assert caught.value.source_path == tmp_path / "model.gv"
    assert [path.name for path in tmp_path.iterdir()] == ["model.gv"]
    assert (tmp_path / "model.gv").read_text() == graph().source


def test_a_bitmap_beyond_cairos_limit_becomes_an_svg(tmp_path: Path) -> None:
    long = graph(chain(600))
    with pytest.warns(UserWarning, match=r"32,767 pixels; it was written to .*long\.svg"):
        path = write(long, tmp_path / "long.png")
    assert path == tmp_path / "long.svg"
    assert path.read_bytes().startswith(b"<?xml")


def test_an_existing_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "model.gv"
    path.write_text("old" * 100_000)
    write(graph(), path)
    assert path.read_text() == graph().source
