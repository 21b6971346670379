"""Does the code in every README run?

Each `python` block of a README runs in order in one namespace, in an empty folder, with warnings as errors.  A `sh`
block's commands are what CI and the fresh-clone check run.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
READMES = sorted([ROOT / "README.md", *ROOT.glob("packages/*/README.md")])
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_blocks_run(readme: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = list(PYTHON_BLOCK.finditer(readme.read_text()))
    if readme.parent.name != "lens-cli":
        assert blocks, "a README without an example"
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "readme"}
    for block in blocks:
        line = readme.read_text()[: block.start(1)].count("\n")
        exec(compile("\n" * line + block[1], str(readme), "exec"), namespace)


def test_the_cli_readme_shows_commands_that_exist() -> None:
    text = (ROOT / "packages/lens-cli/README.md").read_text()
    assert set(re.findall(r"^(?:uv run )?lens (\w+)", text, re.MULTILINE)) == {"draw", "summary"}
