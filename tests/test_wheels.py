"""Do the packages work away from here, installed from built files alone?

Wheels are built from the sdists, looked into, and installed by their paths into empty environments: never by name,
because an index may know another project of the same name.  What they require comes in the versions of uv.lock.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(path.parent for path in ROOT.glob("packages/*/pyproject.toml"))
NAMES = [package.name for package in PACKAGES]
UV = os.environ.get("UV") or shutil.which("uv") or "uv"
# The other environments see nothing of this one.
CLEAN = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}

# Modules that are not named as the project that brings them.
PROJECTS = {"PIL": "pillow"}

NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
"""

# The first example of each README, each as a program of its own.
EXAMPLES = """
import pathlib, re, sys
for name in sys.argv[1:]:
    (block, *_) = re.findall(r"^```python\\n(.*?)^```$", pathlib.Path(name).read_text(), re.MULTILINE | re.DOTALL)
    exec(compile(block, name, "exec"), {"__name__": "example"})
"""


def _run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=CLEAN, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    _run(UV, "build", "--quiet", "--all-packages", "--out-dir", folder, folder=ROOT)
    return folder


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The versions of uv.lock, as constraints."""
    path = tmp_path_factory.mktemp("versions") / "versions.txt"
    options = ["--frozen", "--quiet", "--no-hashes", "--no-emit-workspace", "--no-default-groups"]
    _run(UV, "export", *options, "--output-file", path, folder=ROOT)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder; its environment, which is large, is taken away afterwards."""
    yield tmp_path
    shutil.rmtree(tmp_path / "env")


def _wheel(built: Path, name: str) -> Path:
    (wheel,) = built.glob(f"{name.replace('-', '_')}-*.whl")
    return wheel


def _metadata(built: Path, name: str) -> Message:
    with zipfile.ZipFile(_wheel(built, name)) as wheel:
        (path,) = (entry for entry in wheel.namelist() if entry.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(wheel.read(path).decode())


def _environment(folder: Path, versions: Path, wheels: list[Path]) -> Path:
    """An empty environment with these wheels and what they require; its Python."""
    _run(UV, "venv", "--quiet", "--python", sys.executable, folder / "env", folder=folder)
    python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    _run(UV, "pip", "install", "--quiet", "--python", python, "--constraint", versions, *wheels, folder=folder)
    return python


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_wheel_holds_the_package_its_types_and_its_licence(built: Path, package: Path) -> None:
    module = package.name.replace("-", "_")
    with zipfile.ZipFile(_wheel(built, package.name)) as wheel:
        files = set(wheel.namelist())
    sources = {str(path.relative_to(package / "src")) for path in (package / "src").rglob("*.py")}
    info = f"{module}-{_metadata(built, package.name)['Version']}.dist-info"
    own = {name for name in files if not name.startswith(f"{info}/")}
    assert own == sources | {f"{module}/py.typed"}
    assert f"{info}/licenses/LICENSE" in files


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_an_sdist_holds_what_a_wheel_is_built_from_and_no_more(built: Path, package: Path) -> None:
    module = package.name.replace("-", "_")
    (path,) = built.glob(f"{module}-*.tar.gz")
    with tarfile.open(path) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    texts = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", f"src/{module}/py.typed"}
    assert files - {".gitignore"} == texts | {str(name.relative_to(package)) for name in package.rglob("src/**/*.py")}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_metadata_tell_what_a_reader_of_an_index_needs(built: Path, package: Path) -> None:
    metadata = _metadata(built, package.name)
    assert metadata["Summary"] and metadata["Keywords"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).startswith(f"# {package.name}\n")
    for requirement in metadata.get_all("Requires-Dist", []):
        assert ">=" in requirement, "each requirement has a lowest version"
        assert ("<" in requirement) == requirement.startswith("lens-"), "only siblings are capped"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_what_a_package_imports_it_requires_itself(built: Path, package: Path) -> None:
    required = {re.match(r"[\w-]+", line)[0] for line in _metadata(built, package.name).get_all("Requires-Dist", [])}  # type: ignore[index]
    imported = {name for path in (package / "src").rglob("*.py") for name in _imports(ast.parse(path.read_text()))}
    outside = imported - set(sys.stdlib_module_names) - {package.name.replace("-", "_")}
    assert {PROJECTS.get(name, name.replace("_", "-")) for name in outside} <= required


def _imports(tree: ast.AST) -> Iterator[str]:
    """The names of the modules that are imported, but for those that only types need."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield from _imports(node)


def test_all_packages_install_from_files_and_work(built: Path, versions: Path, folder: Path) -> None:
    python = _environment(folder, versions, [_wheel(built, name) for name in NAMES])
    readmes = [package / "README.md" for package in PACKAGES if package.name != "lens-cli"]
    _run(python, "-W", "error", "-c", EXAMPLES, *readmes, folder=folder)

    (folder / "model.py").write_text(NET)
    lens = python.with_name("lens")
    assert "summary" in _run(lens, "--help", folder=folder)
    assert "conv2d_1_2" in _run(lens, "summary", "model.py:Net", "--input", "1,3,8,8", folder=folder)
    _run(lens, "draw", "model.py:Net", "-i", "1,3,8,8", "-o", "net.svg", "-q", folder=folder)
    assert "conv2d_1_2" in (folder / "net.svg").read_text()


def test_lens_trace_alone_brings_torch_and_msgspec_only(built: Path, versions: Path, folder: Path) -> None:
    python = _environment(folder, versions, [_wheel(built, "lens-trace")])
    listing = _run(UV, "pip", "list", "--format", "json", "--python", python, folder=folder)
    installed = {entry["name"] for entry in json.loads(listing)}
    assert {"lens-trace", "torch", "msgspec"} <= installed
    assert not installed & {"polars", "rustworkx", "graphviz", "pygraphviz", "safetensors", "tqdm", "rich", "typer"}
    assert not installed & (set(NAMES) - {"lens-trace"})
    _run(python, "-c", EXAMPLES, ROOT / "packages/lens-trace/README.md", folder=folder)
