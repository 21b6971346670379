"""What the caller gave is what it was, though the model may do with it what it likes."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, namedtuple
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lens_trace import everything, run_plain, trace
from lens_trace._given import given

X = torch.ones(1, 3)


class Cache:
    """Grows with every forward, like the keys and values of earlier tokens."""

    def __init__(self) -> None:
        self.layers: list[Tensor] = []

    def update(self, value: Tensor) -> Tensor:
        self.layers.append(value)
        return torch.cat(self.layers)


class Grows(nn.Module):
    def forward(self, x: Tensor, cache: Cache, notes: dict[str, Any]) -> Tensor:
        notes["seen"] = True
        return cache.update(x) * 2


def test_a_cache_that_the_forward_grows_is_as_it_was_and_two_traces_are_the_same() -> None:
    cache, notes = Cache(), {}
    first, second = (trace(Grows(), (X, cache), {"notes": notes}, keep=everything) for _ in range(2))
    assert not cache.layers and not notes
    run_plain(Grows(), (X, cache), {"notes": notes})
    assert not cache.layers and not notes
    assert [o.output for o in first.trace.operations] == [o.output for o in second.trace.operations]


def test_tensors_modules_and_foreign_memory_are_the_very_ones() -> None:
    module, array = nn.Linear(1, 1), np.ones(2)
    Pair = namedtuple("Pair", "left right")
    value = {"a": [X, (module, array)], "b": Pair(X, SimpleNamespace(tensor=X)), "c": defaultdict(list, x=[X])}
    got = given(value)
    assert got["a"] is not value["a"] and got["a"][0] is X
    assert got["a"][1][0] is module and got["a"][1][1] is array
    assert isinstance(got["b"], Pair) and got["b"].left is X and got["b"].right.tensor is X
    assert got["b"].right is not value["b"].right
    assert got["c"].default_factory is list and got["c"]["x"] is not value["c"]["x"]


def test_what_is_shared_or_cyclic_stays_so() -> None:
    shared: list[Any] = [X]
    shared.append(shared)
    got = given([shared, shared, OrderedDict(s=shared)])
    assert got[0] is got[1] is got[2]["s"] and got[0][1] is got[0]


def test_what_cannot_be_copied_is_handed_over_as_it_is() -> None:
    class Single:
        def __copy__(self) -> Single:
            raise TypeError("there is one only")

    one, numbers = Single(), iter(range(3))
    assert given([one, numbers]) == [one, numbers]
