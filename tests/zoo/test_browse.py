"""The page that leads to every drawing."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo._browse import write_index


@pytest.mark.parametrize(("height", "shows_the_beginning"), [(300, False), (5000, True)])
def test_a_drawing_too_deep_for_a_thumbnail_shows_its_beginning(
    tmp_path: Path, height: int, shows_the_beginning: bool
) -> None:
    picture = tmp_path / "lib" / "deep.svg"
    picture.parent.mkdir()
    picture.write_text(f'<svg width="200pt" height="{height}pt" viewBox="0 0 200 {height}"></svg>')
    record = {"name": "lib/deep", "family": "deep ones", "outcome": "passed", "operations": 3}
    page = write_index(tmp_path, [record]).read_text()
    assert ('<figure class="tall" data-name="lib/deep">' in page) == shows_the_beginning


def test_a_model_without_a_drawing_is_on_the_page_with_its_outcome(tmp_path: Path) -> None:
    record = {"name": "lib/<none>", "family": "others", "outcome": "timed out"}
    page = write_index(tmp_path, [record]).read_text()
    assert "no drawing" in page and "timed out" in page and "lib/&lt;none&gt;" in page
