"""Is every arrow of the design enforced?

Each contract of import-linter is broken on purpose on a copy of the sources, and the copy must fail by exactly that
contract's name.  What import-linter cannot see (parts of an external package, what an import really loads) is read
from the sources or asked of a fresh interpreter.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
# One violation for each arrow of a contract: (contract, importing module, statement).
VIOLATIONS = [
    ("flow", "lens_torch", "import lens_cli"),
    ("flow", "lens_viz", "import lens_torch"),
    ("flow", "lens_graph", "import lens_viz"),
    ("flow", "lens_trace", "import lens_graph"),
    ("proof", "lens_validate", "import lens_torch"),
    ("proof", "lens_trace", "import lens_validate"),
    ("siblings", "lens_validate", "import lens_graph"),
    ("siblings", "lens_graph", "import lens_validate"),
    ("siblings", "lens_viz", "import lens_validate"),
    ("front-door", "lens_cli", "import lens_graph"),
    ("front-door", "lens_cli", "from lens_trace import trace"),
    ("drawing-reads-histories", "lens_viz", "import lens_trace"),
    ("no-torch", "lens_graph", "import torch"),
    ("no-torch", "lens_viz", "from torch import nn"),
    ("polars-at-the-rim", "lens_graph", "import polars"),
    ("polars-at-the-rim", "lens_torch", "import polars"),
    ("rustworkx-at-the-rim", "lens_graph", "import rustworkx"),
    ("graphviz-at-the-rim", "lens_viz", "import graphviz"),
    ("graphviz-at-the-rim", "lens_viz", "import pygraphviz"),
    ("terminal-at-the-rim", "lens_torch", "import rich"),
    ("terminal-at-the-rim", "lens_viz", "import typer"),
    ("no-cycles", "lens_trace", "from lens_trace import _second"),
]


def _copy_of_sources(folder: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", folder)
    for source in ROOT.glob("packages/*/src/*"):
        shutil.copytree(source, folder / "src" / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # The copy comes first on the path, before the editable installs.
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _copy_of_sources(tmp_path_factory.mktemp("copy"))


def test_the_sources_keep_every_contract(copy: Path) -> None:
    result = _lint(copy)
    assert result.returncode == 0, result.stdout
    for name in CONTRACTS.values():
        assert f"{name} KEPT" in result.stdout


def test_every_contract_has_a_violation_here() -> None:
    assert {contract for contract, _, _ in VIOLATIONS} == set(CONTRACTS)


@pytest.mark.parametrize(("contract", "package", "statement"), VIOLATIONS)
def test_a_deliberate_violation_fails(contract: str, package: str, statement: str, copy: Path) -> None:
    intruders = {copy / "src" / package / "_intruder.py": f"{statement}\n"}
    if contract == "no-cycles":
        intruders[copy / "src" / package / "_second.py"] = f"from {package} import _intruder\n"
    try:
        for path, text in intruders.items():
            path.write_text(f'"""An import that must not be."""\n\n{text}')
        result = _lint(copy)
    finally:
        for path in intruders:
            path.unlink()
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{CONTRACTS[contract]} BROKEN" in result.stdout
    assert "_intruder" in result.stdout


def test_graph_and_drawing_load_no_torch() -> None:
    code = "import sys, lens_graph, lens_viz; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "False", result.stdout + result.stderr


def test_the_override_protocol_is_used_in_lens_trace_only() -> None:
    users = {
        path.parent.name for path in ROOT.glob("packages/*/src/*/*.py") if "torch.overrides" in _imported_names(path)
    }
    assert users == {"lens_trace"}


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("packages/*/src/*/*.py")), ids=lambda path: f"{path.parent.name}.{path.stem}"
)
def test_files_stay_one_idea_long(path: Path) -> None:
    count = path.read_text().count("\n")
    assert count <= 400, f"{count} lines"


def _imported_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names
