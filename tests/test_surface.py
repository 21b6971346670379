"""Is what a package offers what its README says?"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ["lens_cli", "lens_graph", "lens_torch", "lens_trace", "lens_validate", "lens_viz"]
SIGNATURES = {
    "get_model_activations": "model, input_args=(), input_kwargs=None, *, layers='all', random_seed=None, detach=True,"
    " device=None, dtype=None, transform=None, stop_early=False, save_to=None,"
    " save_gradients=False, memory_budget=None, vis_opt='none', vis_outpath=None",
    "get_model_structure": "model, input_args=(), input_kwargs=None, *, random_seed=None",
    "show_model_graph": "model, input_args=(), input_kwargs=None, *, mode='unrolled', depth=None, show_buffers=False,"
    " direction='TB', outpath=None, random_seed=None",
    "validate_saved_activations": "model, input_args=(), input_kwargs=None, *, random_seed=None",
}


def _documented(package: str) -> list[str]:
    text = (ROOT / "packages" / package.replace("_", "-") / "README.md").read_text()
    section = re.search(r"^## Public names\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"the README of {package} has no section 'Public names'"
    return re.findall(r"^\| `(\w+)` \|", section[1], re.MULTILINE)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_the_documented_ones(package: str) -> None:
    assert importlib.import_module(package).__all__ == _documented(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_names_are_sorted_and_exist(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__)
    assert all(getattr(module, name) is not None for name in module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_public_callables_say_what_they_do(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            assert inspect.getdoc(value), f"{package}.{name} has no docstring"


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_four_functions_have_the_promised_signature(name: str) -> None:
    function = getattr(importlib.import_module("lens_torch"), name)
    parameters = inspect.signature(function).parameters.values()
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    assert str(inspect.Signature(bare)) == f"({SIGNATURES[name]})"


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_four_functions_say_what_they_return_raise_and_cost(name: str) -> None:
    documentation = inspect.getdoc(getattr(importlib.import_module("lens_torch"), name)) or ""
    assert all(word in documentation for word in ("Returns:", "Raises:", "Cost:"))
