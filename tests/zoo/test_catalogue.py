"""What the catalogue promises: unique names, no import before it is needed, choice by pattern."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.zoo import troublemakers
from zoo._catalogue import chosen, load
from zoo._fast import FAST


def test_names_are_unique_and_begin_with_a_library() -> None:
    catalogue = load()
    assert len(catalogue) > 1000
    assert all("/" in name and name == entry.name for name, entry in catalogue.items())


def test_listing_names_imports_no_library() -> None:
    code = (
        "import sys\nfrom zoo._catalogue import load\nload()\n"
        "print(sorted({'torch', 'torchvision', 'timm', 'transformers', 'monai'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "[]"


def test_two_entries_with_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="trouble/linear"):
        load(["tests.zoo.troublemakers", "tests.zoo.troublemakers"])


def test_patterns_choose_by_whole_name_and_by_the_part_behind_the_library() -> None:
    entries = list(troublemakers.entries())
    assert [e.name for e in chosen(entries, only=["trouble/lin*"])] == ["trouble/linear"]
    assert [e.name for e in chosen(entries, only=["lin*"])] == ["trouble/linear"]
    assert [e.name for e in chosen(entries, library=["no_such_library"])] == ["trouble/absent"]
    assert [e.name for e in chosen(entries, family=["abs*"])] == ["trouble/absent"]


def test_what_runs_on_request_is_asked_for_by_name_or_with_everything() -> None:
    entries = list(troublemakers.entries())
    large = "trouble/large"
    assert large not in [e.name for e in chosen(entries)]
    assert large not in [e.name for e in chosen(entries, only=["trouble/*"])]
    assert [e.name for e in chosen(entries, only=[large])] == [large]
    assert large in [e.name for e in chosen(entries, everything=True)]


def test_the_fast_subset_names_models_of_the_catalogue_and_says_why() -> None:
    assert set(FAST) <= set(load())
    assert all(FAST.values())
