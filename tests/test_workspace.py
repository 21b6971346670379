"""Does the workspace keep its own promises: ranges, files, one list of checks?"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))


def _project(package: Path) -> dict[str, object]:
    return tomllib.loads((package / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_is_complete(package: Path) -> None:
    assert (package / "README.md").stat().st_size > 200
    assert "## " in (package / "CHANGELOG.md").read_text()
    assert (package / "src" / package.name.replace("-", "_") / "py.typed").exists()
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes(), "each sdist brings the licence along"
    assert re.fullmatch(r"\d+\.\d+\.\d+", str(_project(package)["version"]))
    assert _project(package)["requires-python"] == ">=3.11"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_siblings_are_required_by_range_and_torch_without_cap(package: Path) -> None:
    for requirement in map(str, _project(package)["dependencies"]):  # type: ignore[call-overload]
        if requirement.startswith("lens-"):
            assert re.fullmatch(r"lens-\w+>=[\d.]+,<[\d.]+", requirement)
        elif requirement.startswith("torch"):
            assert re.fullmatch(r"torch>=[\d.]+", requirement)


def test_every_package_names_the_pythons_that_the_tests_are_run_with() -> None:
    pythons = re.search(r"^PYTHONS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert pythons
    tested = [f"Programming Language :: Python :: {version}" for version in ("3.11", *pythons[1].split())]
    for package in PACKAGES:
        classifiers = map(str, _project(package)["classifiers"])  # type: ignore[call-overload]
        assert [one for one in classifiers if " :: Python :: " in one] == tested, package.name


def test_make_check_and_ci_run_the_same_commands() -> None:
    makefile = (ROOT / "Makefile").read_text()
    steps = re.search(r"^check: (.+)$", makefile, re.MULTILINE)
    assert steps
    script = (ROOT / ".ci/run").read_text()
    for step in steps[1].split():
        recipe = re.search(rf"^{step}:\n\t(.+)$", makefile, re.MULTILINE)
        assert recipe, step
        assert f"\n{recipe[1]}\n" in script, recipe[1]


def test_ci_ends_with_the_test_command_of_the_readme() -> None:
    last = (ROOT / ".ci/run").read_text().strip().splitlines()[-1]
    assert re.search(rf"^pip install uv && {re.escape(last)}$", (ROOT / "README.md").read_text(), re.MULTILINE)
