"""What memory is called, and that its name keeps none of it."""

from __future__ import annotations

import gc
import weakref

import torch

import lens_trace
from lens_trace._storages import Storages, storage_key


class Chain(torch.nn.Module):
    """A hundred operations, each of whose values dies with the next; notes where they lay."""

    addresses: set[int]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.addresses = set()
        for _ in range(100):
            x = x * 1.5
            with torch._C.DisableTorchFunction():
                self.addresses.add(x.data_ptr())
        return x


def test_memory_of_values_that_nobody_keeps_is_used_again():
    model, x = Chain(), torch.rand(1_000_000)
    model(x)
    plain = len(model.addresses)
    lens_trace.trace(model, x, keep=lens_trace.nothing)
    assert len(model.addresses) <= plain + 20


def test_views_have_the_key_of_their_base_and_others_do_not():
    known: Storages = {}
    x = torch.rand(4, 4)
    assert storage_key(x[1:], known) == storage_key(x, known) == storage_key(x.t(), known)
    assert storage_key(x.clone(), known) != storage_key(x, known)


def test_key_of_dead_memory_is_given_to_nobody_else():
    known: Storages = {}
    keys = [storage_key(torch.rand(64), known) for _ in range(200)]
    assert len(set(keys)) == 200


def test_all_who_ask_get_the_same_key():
    x = torch.rand(3)
    one: Storages = {}
    other: Storages = {}
    assert storage_key(x, one) == storage_key(x, other)


def test_key_keeps_no_memory_alive():
    known: Storages = {}
    x = torch.rand(3)
    storage = weakref.ref(x.untyped_storage())
    storage_key(x, known)
    del x
    gc.collect()
    assert storage() is None
