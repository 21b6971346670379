"""Files of values that were changed, by accident or on purpose: a clear error, and never a wrong number."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import lens_torch as tl
from lens_graph import TensorIndex
from lens_graph._format import INDEX

from ..lens_graph.damage import content, put, sign

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
OTHERS: list[Any] = [
    -1,
    0,
    1,
    3,
    1 << 40,
    (1 << 63) - 1,
    None,
    "",
    "F64",
    "float64",
    "sparse_coo",
    "quantized",
    [],
    [2],
    {},
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("stored") / "h"
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU())
    history = tl.get_model_activations(model, torch.randn(2, 3, requires_grad=True), save_gradients=True)
    history.output_tensors[0].sum().backward()
    history.save(path)
    return content(path)


def _read(folder: Path) -> list[torch.Tensor]:
    history = tl.load(folder)
    values = [operation.tensor_contents for operation in history.operations if operation.is_saved]
    return values + [operation.grad_contents for operation in history.operations if operation.has_grad]


@QUIET
@given(data=st.data())
def test_a_changed_byte_is_found_when_the_value_is_read(
    data: st.DataObject, whole: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    name = data.draw(st.sampled_from(sorted(name for name in whole if name.startswith("tensors/"))))
    changed = bytearray(whole[name])
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))
    put(folder, {**whole, name: bytes(changed)})
    with pytest.raises(tl.LoadError):
        tl.load(folder, check="now")


def test_a_change_after_loading_is_found_too(whole: dict[str, bytes], tmp_path: Path) -> None:
    put(tmp_path, whole)
    history = tl.load(tmp_path, check="now")
    name = next(name for name in whole if name.startswith("tensors/4-"))
    changed = bytearray(whole[name])
    changed[-1] ^= 1
    put(tmp_path, {name: bytes(changed)})
    with pytest.raises(tl.LoadError, match="changed"):
        _ = [operation.grad_contents for operation in history.operations if operation.has_grad]
        _ = [operation.tensor_contents for operation in history.operations]


def test_a_file_that_goes_after_loading_is_named(whole: dict[str, bytes], tmp_path: Path) -> None:
    put(tmp_path, whole)
    history = tl.load(tmp_path)
    for name in whole:
        if name.startswith("tensors/"):
            os.unlink(tmp_path / name)
    with pytest.raises(tl.LoadError, match="cannot be read"):
        _ = history["linear_1"].tensor_contents


@pytest.mark.parametrize(
    "header",
    [
        {"x": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}},
        {"0": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 4]}},
        {"0": {"dtype": "F32", "shape": [2, 3], "data_offsets": [-24, 0]}},
        {"0": {"dtype": "F64", "shape": [2, 3], "data_offsets": [0, 48]}},
        {"0": {"dtype": "F32", "shape": [(1 << 63) - 1, 4], "data_offsets": [0, 24]}},
        {},
        [],
        None,
    ],
    ids=lambda header: str(header)[:60],
)
def test_a_signed_header_that_lies_is_refused(header: Any, whole: dict[str, bytes], tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    data = len(text).to_bytes(8, "little") + text + b"\0" * 24
    name = next(name for name in whole if name.startswith("tensors/4-"))
    put(tmp_path, {**whole, name: data})
    sign(tmp_path)
    with pytest.raises(tl.LoadError):
        _read(tmp_path)


@pytest.mark.parametrize("length", [1 << 40, (1 << 64) - 1, 0])
def test_a_header_of_a_declared_size_is_not_read_beyond_its_file(
    length: int, whole: dict[str, bytes], tmp_path: Path
) -> None:
    name = next(name for name in whole if name.startswith("tensors/4-"))
    put(tmp_path, {**whole, name: length.to_bytes(8, "little") + whole[name][8:]})
    with pytest.raises(tl.LoadError, match=r"header|changed"):
        tl.load(tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_signed_list_with_other_entries_gives_the_same_values_or_is_refused(
    data: st.DataObject, whole: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("list")
    index = msgspec.msgpack.decode(whole[INDEX])
    one = index["tensors"][data.draw(st.integers(0, len(index["tensors"]) - 1))]
    target = one["parts"][0] if one["parts"] and data.draw(st.booleans()) else one
    key = sorted(target)[data.draw(st.integers(0, len(target) - 1))]
    target[key] = OTHERS[data.draw(st.integers(0, len(OTHERS) - 1))]
    put(folder, {**whole, INDEX: msgspec.msgpack.encode(index)})
    sign(folder)
    try:
        values = _read(folder)
    except (tl.LoadError, KeyError):  # a value that is not listed any more was not saved
        return
    assert all(isinstance(value, torch.Tensor) for value in values)


@pytest.mark.parametrize("file", ["../secret", "/etc/passwd", "trace.msgpack", "tensors/9-00001.safetensors", ""])
def test_a_value_that_should_lie_elsewhere_is_refused(file: str, whole: dict[str, bytes], tmp_path: Path) -> None:
    index = msgspec.msgpack.decode(whole[INDEX], type=TensorIndex)
    first = index.tensors[0]
    part = msgspec.structs.replace(first.parts[0], file=file)
    changed = msgspec.structs.replace(first, parts=(part,))
    index = msgspec.structs.replace(index, tensors=(changed, *index.tensors[1:]))
    put(tmp_path, {**whole, INDEX: msgspec.msgpack.encode(index)})
    sign(tmp_path)
    with pytest.raises(tl.LoadError, match="no file of it"):
        tl.load(tmp_path)


def test_no_pickle_is_opened_or_written(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle")

    for name in ("load", "loads", "dump", "dumps", "Unpickler", "Pickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr(torch, "save", refuse)
    put(tmp_path / "h", whole)
    tl.load(tmp_path / "h", check="now").save(tmp_path / "again")
    assert _read(tmp_path / "again")
