"""Whatever lies in a folder: a clear error, in bounded memory, and no code is run."""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lens_graph import LensGraphError, LoadError, build_history, load_history
from lens_graph._format import FileEntry, Manifest

from . import sample_traces
from .damage import content, manifest_of, put, sign, sign_as_listed
from .same_history import differences

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("stored") / "h"
    build_history(sample_traces.recurrent()).save(path)
    return content(path)


@pytest.fixture
def folder(whole: dict[str, bytes], tmp_path: Path) -> Path:
    put(tmp_path / "h", whole)
    return tmp_path / "h"


@QUIET
@given(data=st.data())
def test_a_changed_byte_anywhere_is_found(
    data: st.DataObject, whole: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    name = data.draw(st.sampled_from(sorted(whole)))
    place = data.draw(st.integers(0, len(whole[name]) - 1))
    changed = bytearray(whole[name])
    changed[place] ^= data.draw(st.integers(1, 255))
    put(folder, {**whole, name: bytes(changed)})
    with pytest.raises(LoadError):
        load_history(folder)


@QUIET
@given(data=st.data())
def test_a_file_that_is_cut_or_grown_is_found(
    data: st.DataObject, whole: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    name = data.draw(st.sampled_from(sorted(whole)))
    if data.draw(st.booleans()):
        changed = whole[name][: data.draw(st.integers(0, len(whole[name]) - 1))]
    else:
        changed = whole[name] + data.draw(st.binary(min_size=1, max_size=40))
    put(folder, {**whole, name: changed})
    with pytest.raises(LoadError):
        load_history(folder)


def test_every_missing_file_is_named(whole: dict[str, bytes], tmp_path: Path) -> None:
    for name in whole:
        folder = tmp_path / name.replace("/", "_")
        put(folder, {other: data for other, data in whole.items() if other != name})
        with pytest.raises(LoadError, match=re.escape(name)):
            load_history(folder)


@pytest.mark.parametrize("name", ["notes.txt", "tables/more.parquet", "trace.msgpack.part", "tensors/4-1.safetensors"])
def test_a_file_that_the_manifest_does_not_list_is_named(name: str, folder: Path) -> None:
    put(folder, {name: b"?"})
    with pytest.raises(LoadError, match=re.escape(name)):
        load_history(folder)


def test_hidden_files_of_the_system_do_no_harm(folder: Path) -> None:
    put(folder, {".DS_Store": b"?"})
    assert load_history(folder).model_is_recurrent


@pytest.mark.parametrize(
    "name",
    [
        *("../secret", "/etc/passwd", "tables/../../secret.parquet", "tensors//4-1.safetensors", "trace.msgpack\0", ""),
        *(
            ".",
            "tables/Operations.parquet",
            "C:\\trace.msgpack",
            "tensors\\4-1.safetensors",
            "manifest.json",
            "trace.pkl",
        ),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str, folder: Path) -> None:
    (folder.parent / "secret").write_bytes(b"secret")
    sign_as_listed(folder, (*manifest_of(folder).files, FileEntry(name, 6, "0" * 64)))
    with pytest.raises(LoadError, match="no name of a part"):
        load_history(folder)


@pytest.mark.parametrize("name", ["trace.msgpack", "tables/layers.parquet", "manifest.json", "tables"])
def test_a_link_is_refused(name: str, folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere"
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(LoadError, match=r"link|levels of symbolic"):
        load_history(folder)


def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    (folder / "history.msgpack").unlink()
    os.mkfifo(folder / "history.msgpack")
    with pytest.raises(LoadError, match="no ordinary file"):
        load_history(folder)


@pytest.mark.parametrize("version", [0, 2, 99, -1, "1", None, 1.5, [1], True])
def test_an_unknown_version_is_named(version: Any, folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["version"] = version
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(LoadError, match=r"version|changed"):
        load_history(folder)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "1", '{"version": 1}', '{"version": 1, "version": 1}', "[" * 100_000),
        *('{"a":' * 100_000, '{"version": NaN}', "\ud800", '{"version": 1e999}', '{"version": ' + "9" * 5000 + "}"),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_what_is_no_manifest_is_refused(text: str, folder: Path) -> None:
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(LoadError):
        load_history(folder)


def test_a_key_that_occurs_twice_is_refused(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"version": 1,', '"version": 2,\n "version": 1,'))
    with pytest.raises(LoadError, match="twice"):
        load_history(folder)


def test_a_file_that_is_listed_twice_is_refused(folder: Path) -> None:
    files = manifest_of(folder).files
    sign_as_listed(folder, (*files, files[0]))
    with pytest.raises(LoadError, match="twice"):
        load_history(folder)


@pytest.mark.parametrize(
    "data",
    [
        *(b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\x91" * 200_000, b"", b"\xc1"),
        *(b"\x81\xa1a" * 200_000, msgspec.msgpack.encode({"model_name": 3}), msgspec.msgpack.encode([1, 2])),
    ],
    ids=["list", "map", "bytes", "deep lists", "empty", "reserved", "deep maps", "wrong type", "no map"],
)
@pytest.mark.parametrize("name", ["trace.msgpack", "history.msgpack", "tensors.msgpack"])
def test_records_of_another_kind_are_refused(name: str, data: bytes, folder: Path) -> None:
    put(folder, {name: data})
    sign(folder)
    with pytest.raises(LoadError, match=re.escape(name)):
        load_history(folder)


@pytest.mark.parametrize("nbytes", [1 << 40, 1 << 62, -1])
@pytest.mark.parametrize("name", ["trace.msgpack", "tables/layers.parquet"])
def test_a_declared_size_is_compared_before_anything_is_read(name: str, nbytes: int, folder: Path) -> None:
    files = [msgspec.structs.replace(e, nbytes=nbytes) if e.name == name else e for e in manifest_of(folder).files]
    sign_as_listed(folder, tuple(files))
    with pytest.raises(LoadError, match="bytes"):
        load_history(folder)


def test_a_signed_file_beyond_all_bounds_is_not_even_read(folder: Path) -> None:
    os.truncate(folder / "trace.msgpack", 1 << 42)
    files = [
        msgspec.structs.replace(entry, nbytes=1 << 42) if entry.name == "trace.msgpack" else entry
        for entry in manifest_of(folder).files
    ]
    sign_as_listed(folder, tuple(files))
    with pytest.raises(LoadError, match="at most"):
        load_history(folder)


@pytest.mark.parametrize("name", ["manifest.json", "trace.msgpack", "tables/layers.parquet"])
def test_a_file_that_really_is_huge_takes_no_memory(name: str, folder: Path) -> None:
    os.truncate(folder / name, 1 << 36)
    text = (
        "import resource, sys, lens_graph\n"
        "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize() + (256 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))\n"
        "try: lens_graph.load_history(sys.argv[1])\n"
        "except lens_graph.LoadError as error: print('refused', error)\n"
    )
    run = subprocess.run([sys.executable, "-c", text, str(folder)], capture_output=True, text=True, timeout=60)
    assert run.stdout.startswith("refused"), run.stderr


OTHERS: list[Any] = [-1, 0, 1, 2, 7, 1 << 40, (1 << 64) - 1, None, "", "relu", [], [0], {}, True, 0.5]
"""What records may hold where something else stood."""


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_records_with_other_values_load_and_answer_or_are_refused(
    data: st.DataObject, whole: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("value")
    name = data.draw(st.sampled_from(["trace.msgpack", "trace.msgpack", "history.msgpack", "tensors.msgpack"]))
    records = msgspec.msgpack.decode(whole[name])
    places = list(_places(records))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        container[key] = copy.deepcopy(OTHERS[data.draw(st.integers(0, len(OTHERS) - 1))])
    put(folder, {**whole, name: msgspec.msgpack.encode(records)})
    sign(folder)
    try:
        history = load_history(folder)
    except LoadError:
        return
    try:
        differences(history, history)
    except LensGraphError:
        return


def _places(value: Any) -> Any:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


def test_what_an_interrupted_run_left_is_recognised(whole: dict[str, bytes], tmp_path: Path) -> None:
    text = (
        "import os, signal, sys, lens_graph\n"
        "folder = lens_graph.FolderWriter(sys.argv[1])\n"
        "folder.write('trace.msgpack', b'records')\n"
        "folder.create('tensors/4-00001.safetensors').write(b'values')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "h"
    assert subprocess.run([sys.executable, "-c", text, str(path)], check=False).returncode == -9
    with pytest.raises(LoadError, match="was not finished: process"):
        load_history(path)
    history = build_history(sample_traces.recurrent())
    with pytest.raises(LensGraphError, match="interrupted run has left"):
        history.save(path)
    history.save(path, overwrite=True)
    assert differences(history, load_history(path)) == []


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_text("no")])
def test_what_is_no_history_at_all_is_said_to_be_none(make: Callable[[Path], Any], tmp_path: Path) -> None:
    make(tmp_path / "h")
    with pytest.raises(LoadError, match="stored history"):
        load_history(tmp_path / "h")


def test_a_manifest_is_written_in_one_form_only(folder: Path) -> None:
    data = (folder / "manifest.json").read_bytes()
    assert msgspec.json.decode(data, type=Manifest).checksum
    (folder / "manifest.json").write_bytes(data.replace(b"\n", b"\n "))
    with pytest.raises(LoadError, match="changed"):
        load_history(folder)
