"""Does the code in every README and on every page of the site run?

The `python` blocks of a document run in order in one namespace, in an empty folder, with warnings as errors.  Blocks
marked `py` are shown beside those of other tools and not run.  A `sh` block's commands are
what CI and the fresh-clone check run.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
READMES = sorted([ROOT / "README.md", *ROOT.glob("packages/*/README.md")])
# The gallery's code makes its pictures: `docs/gallery/make.py`, and tests/lens_viz/test_gallery.py compares the two.
PAGES = sorted(page for page in ROOT.glob("docs/**/*.md") if page.parent.name != "gallery")
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", [*READMES, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_code_blocks_run(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = document.read_text()
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "document"}
    for block in PYTHON_BLOCK.finditer(text):
        line = text[: block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], str(document), "exec"), namespace)


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_readme_shows_an_example(readme: Path) -> None:
    assert readme.parent.name == "lens-cli" or PYTHON_BLOCK.search(readme.read_text())


def test_the_page_about_the_command_line_tells_every_option() -> None:
    from typer.main import get_command

    from lens_cli._main import app

    text = (ROOT / "docs/how-to/command-line.md").read_text()
    told = set(re.findall("--[a-z-]+", text))
    lens = get_command(app)
    commands = [lens, *lens.commands.values()]  # type: ignore[attr-defined]
    options = {
        name for command in commands for option in command.params for name in (*option.opts, *option.secondary_opts)
    }
    assert {name for name in options if name.startswith("--")} <= told


def test_the_cli_readme_shows_commands_that_exist() -> None:
    from lens_cli._main import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    text = (ROOT / "packages/lens-cli/README.md").read_text()
    assert set(re.findall(r"^(?:uv run )?lens (\w+)", text, re.MULTILINE)) == known
