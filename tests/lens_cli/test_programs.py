"""Exported and scripted files as MODEL, and files that only claim to be one."""

from __future__ import annotations

import io
import os
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from lens_cli._errors import FileError, ModelNotFoundError
from lens_cli._load import load_model
from tests.lens_cli.sample_models import Small


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.folder}/was_here",)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "small.pt2"
    torch.export.save(torch.export.export(Small().eval(), (torch.rand(2, 4),)), path)
    return path


@pytest.fixture
def scripted(tmp_path: Path) -> Path:
    path = tmp_path / "small.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(Small().eval(), torch.rand(2, 4)).save(path)
    return path


def test_an_exported_program_is_a_model(exported: Path) -> None:
    assert load_model(str(exported))(torch.rand(2, 4)).shape == (2, 3)


def test_a_scripted_module_is_a_model(scripted: Path) -> None:
    assert load_model(str(scripted))(torch.rand(2, 4)).shape == (2, 3)


def test_a_file_takes_no_arguments(scripted: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="takes no arguments"):
        load_model(f"{scripted}?width=3")


@pytest.mark.parametrize("name", ["model.pt", "model.pt2", "model.pth"])
def test_a_pickled_module_is_refused_and_its_code_not_run(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    torch.save(Evil(tmp_path), path)
    with pytest.raises(FileError):
        load_model(str(path))
    path.write_bytes(pickle.dumps(Evil(tmp_path)))
    with pytest.raises(FileError, match="runs whatever code the file asks for"):
        load_model(str(path))
    assert not (tmp_path / "was_here").exists()


def test_a_pickle_inside_an_exported_program_is_refused(exported: Path, tmp_path: Path) -> None:
    evil = io.BytesIO()
    torch.save(Evil(tmp_path), evil)
    path = tmp_path / "evil.pt2"
    with zipfile.ZipFile(exported) as good, zipfile.ZipFile(path, "w") as bad:
        for member in good.infolist():
            is_pickle = good.read(member)[:4] == b"PK\x03\x04"
            bad.writestr(member.filename, evil.getvalue() if is_pickle else good.read(member))
        assert any(good.read(member)[:4] == b"PK\x03\x04" for member in good.infolist())
    with pytest.raises(FileError, match=r"asks for (posix|nt)\.system"):
        load_model(str(path))
    assert not (tmp_path / "was_here").exists()


def test_a_compressed_program_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("small/data/weights/weight_0", b"PK\x03\x04" + bytes(1_000_000))
    with pytest.raises(FileError, match="compressed"):
        load_model(str(path))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 truncated"])
@pytest.mark.parametrize("name", ["model.pt", "model.pt2"])
def test_a_damaged_file_is_an_error(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileError):
        load_model(str(path))


def test_a_truncated_program_is_an_error(exported: Path, scripted: Path) -> None:
    for path in (exported, scripted):
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(FileError):
            load_model(str(path))


def test_weights_alone_are_no_model_and_the_error_says_where_they_go(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(Small().state_dict(), path)
    with pytest.raises(FileError, match="--weights"):
        load_model(str(path))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(FileError, match=r"There is no file 'nowhere\.pt2'"):
        load_model("nowhere.pt2")
