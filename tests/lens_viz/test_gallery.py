"""Is every picture of the gallery there, small, and shown with the line that makes it?"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

GALLERY = Path(__file__).parents[2] / "docs" / "gallery"
PAGE = (GALLERY / "README.md").read_text(encoding="utf-8")


def test_every_picture_is_on_the_page_and_every_one_on_the_page_is_there() -> None:
    shown = re.findall(r"!\[[^\]]+\]\((\w+\.svg)\)", PAGE)
    assert sorted(shown) == sorted(path.name for path in GALLERY.glob("*.svg"))
    assert len(shown) >= 12


def test_every_picture_has_its_line() -> None:
    assert len(re.findall(r"^graph = draw\(", PAGE, re.MULTILINE)) == PAGE.count(".svg)\n")


def test_pictures_are_small_and_hold_nothing_but_shapes_and_words() -> None:
    for path in GALLERY.glob("*.svg"):
        assert path.stat().st_size < 100_000, path.name
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
        assert tags <= {"svg", "g", "title", "polygon", "text", "path", "ellipse", "a", "polyline"}, path.name


def test_the_page_is_the_one_that_the_command_writes() -> None:
    script = (GALLERY / "make.py").read_text(encoding="utf-8")
    assert all(name in script for name in re.findall(r"\((\w+)\.svg\)", PAGE))
    assert "uv run --with transformers python docs/gallery/make.py" in PAGE
