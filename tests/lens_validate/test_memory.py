"""Freed memory is handed back after large values, where the C library can be asked."""

from __future__ import annotations

import ctypes

import pytest
import torch
from torch import nn

from lens_validate import _memory as memory
from lens_validate import _window as window
from lens_validate import validate_while_running


def test_handing_back_is_nothing_where_the_library_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: str | None) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", no_library)
    trim = memory._trim.__wrapped__  # pyright: ignore[reportPrivateUsage]
    assert trim() is None
    memory.hand_back()


def test_memory_goes_back_after_large_values_and_not_after_small_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(window, "hand_back", lambda: asked.append(1))
    assert validate_while_running(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), torch.rand(2, 8))
    assert not asked
    assert validate_while_running(nn.Linear(8, memory.WORTH // 8), torch.rand(2, 8))
    assert asked == [1]
