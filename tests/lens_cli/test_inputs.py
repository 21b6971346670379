"""--input and --input-from: what they may be, and what is said about the rest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from lens_cli._errors import FileError, InputError, ModelNotFoundError
from lens_cli._files import Preparation
from lens_cli._inputs import make_inputs
from tests.lens_cli.sample_models import halved

HERE = "tests.lens_cli.sample_models"


class Evil:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch was_here",)


def _one(word: str, **options: Any) -> Any:
    args, kwargs = make_inputs([word], **options)
    assert kwargs == {}
    assert len(args) == 1
    return args[0]


def test_a_shape_is_a_float_tensor_in_the_unit_interval() -> None:
    x = _one("6,3,8,8")
    assert x.shape == (6, 3, 8, 8)
    assert x.dtype == torch.float32
    assert 0 <= x.min() <= x.max() < 1


def test_types_stand_before_the_shape() -> None:
    (half, words, scalar), _ = make_inputs(["float16:2,2", "int64:1,16", "bool:"], seed=1)
    assert (half.dtype, words.dtype, scalar.dtype) == (torch.float16, torch.int64, torch.bool)
    assert scalar.shape == ()


def test_the_same_seed_gives_the_same_inputs() -> None:
    assert torch.equal(_one("3", seed=5), _one("3", seed=5))
    assert not torch.equal(_one("3", seed=5), _one("3", seed=6))


def test_names_make_keyword_arguments() -> None:
    args, kwargs = make_inputs(["2,4", "mask=bool:2", "negate=True", "size=value:(3, 4)", "label=value:cat"])
    assert len(args) == 1
    assert kwargs["mask"].dtype == torch.bool
    assert (kwargs["negate"], kwargs["size"], kwargs["label"]) == (True, (3, 4), "cat")


def test_the_floating_type_asked_for_is_that_of_shapes_without_one() -> None:
    plain, typed, words = make_inputs(["2", "float64:2", "int64:2"], dtype=torch.bfloat16)[0]
    assert (plain.dtype, typed.dtype, words.dtype) == (torch.bfloat16, torch.float64, torch.int64)


def test_meta_inputs_take_no_memory() -> None:
    assert _one("1000000,1000000,1000", device=torch.device("meta")).device.type == "meta"


def test_an_array_file_is_a_tensor_of_its_type_in_native_order(tmp_path: Path) -> None:
    array = np.arange(6, dtype=">f4").reshape(2, 3)
    np.save(tmp_path / "x.npy", array)
    found = _one(f"{tmp_path}/x.npy")
    assert found.dtype == torch.float32
    assert found.tolist() == array.tolist()


def test_an_empty_array_file_is_an_empty_tensor(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((0, 3)))
    assert _one(f"{tmp_path}/x.npy").shape == (0, 3)


def test_a_saved_tensor_is_one_argument_a_tuple_several_a_dictionary_keywords(tmp_path: Path) -> None:
    x = torch.rand(2)
    torch.save(x, tmp_path / "x.pt")
    torch.save((x, [x, 3]), tmp_path / "args.pt")
    torch.save({"a": x, "b": None}, tmp_path / "kwargs.pt")
    assert torch.equal(_one(f"{tmp_path}/x.pt"), x)
    args, _ = make_inputs([f"{tmp_path}/args.pt"])
    assert torch.equal(args[0], x)
    assert args[1][1] == 3
    args, kwargs = make_inputs([f"{tmp_path}/kwargs.pt"])
    assert args == ()
    assert torch.equal(kwargs["a"], x)
    assert kwargs["b"] is None
    assert torch.equal(_one(f"{tmp_path}/kwargs.pt#a"), x)


def test_a_named_file_is_one_argument_whatever_it_holds(tmp_path: Path) -> None:
    torch.save({"a": torch.rand(2)}, tmp_path / "x.pt")
    _, kwargs = make_inputs([f"batch={tmp_path}/x.pt"])
    assert set(kwargs["batch"]) == {"a"}


def test_safetensors_are_keyword_arguments_unless_there_is_one(tmp_path: Path) -> None:
    x, y = torch.rand(2), torch.rand(3)
    safetensors.torch.save_file({"x": x, "y": y}, tmp_path / "both.safetensors")
    safetensors.torch.save_file({"x": x}, tmp_path / "one.safetensors")
    assert torch.equal(_one(f"{tmp_path}/one.safetensors"), x)
    assert torch.equal(_one(f"{tmp_path}/both.safetensors#y"), y)
    assert set(make_inputs([f"{tmp_path}/both.safetensors"])[1]) == {"x", "y"}


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "cat.png"
    Image.fromarray(np.full((8, 6, 3), (255, 0, 51), dtype=np.uint8)).save(path)
    return str(path)


def test_an_image_is_a_batch_of_one_from_0_to_1(picture: str) -> None:
    found = _one(picture)
    assert found.shape == (1, 3, 8, 6)
    assert found[0, :, 0, 0].tolist() == pytest.approx([1.0, 0.0, 0.2])


def test_images_are_resized_and_normalized_as_asked(picture: str) -> None:
    found = _one(picture, preparation=Preparation(size=(4, 5), is_normalized=True))
    assert found.shape == (1, 3, 4, 5)
    assert found[0, 0].mean() == pytest.approx((1 - 0.485) / 0.229)


def test_a_function_prepares_images_instead(picture: str) -> None:
    assert _one(picture, preparation=Preparation(function=halved)).shape == (1, 3, 4, 4)


def test_what_a_function_returns_follows_the_same_rule() -> None:
    assert make_inputs([], function=f"{HERE}:one_input")[0][0].shape == (2, 4)
    assert make_inputs([], function=f"{HERE}:two_inputs")[0][1] == 5
    assert set(make_inputs([], function=f"{HERE}:keyword_inputs")[1]) == {"x", "scale", "negate"}


def test_files_and_functions_are_cast_to_the_type_asked_for(tmp_path: Path) -> None:
    torch.save((torch.rand(2), torch.ones(2, dtype=torch.int64)), tmp_path / "x.pt")
    x, n = make_inputs([f"{tmp_path}/x.pt"], dtype=torch.float16)[0]
    assert (x.dtype, n.dtype) == (torch.float16, torch.int64)


@pytest.mark.parametrize("text", ["6,3,x", "float17:3", "-1,3", "nn:3", "3,,4", "2;5", "cat.jpge", "a=float17:3"])
def test_what_describes_no_tensor_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        make_inputs([text])


def test_an_argument_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="'x' is given twice"):
        make_inputs(["x=3", "x=4"])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (f"{HERE}:number", "is a int"),
        (f"{HERE}:wants_one", "callable without arguments"),
        (f"{HERE}:missing", "no 'missing'"),
        ("nothing", "--input-from is 'nothing'"),
    ],
)
def test_a_function_that_returns_no_inputs_is_named(function: str, message: str) -> None:
    with pytest.raises((InputError, ModelNotFoundError)) as caught:
        make_inputs([], function=function)
    assert message in str(caught.value)


def test_a_pickle_that_asks_for_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"x": Evil()}, "evil.pt")
    with pytest.raises(FileError, match=r"asks for (posix|nt)\.system.*weights_only"):
        make_inputs(["evil.pt"])
    np.save("evil.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match="pickled objects are never read"):
        make_inputs(["evil.npy"])
    assert not Path("was_here").exists()


@pytest.mark.parametrize("name", ["x.npy", "x.pt", "x.safetensors", "x.png"])
def test_a_missing_or_damaged_file_is_an_error_that_names_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with pytest.raises(FileError, match=f"no file.*{name}"):
        make_inputs([str(path)])
    for content in (b"", b"\x93NUMPY\x01\x00garbage", b"\xff" * 100):
        path.write_bytes(content)
        with pytest.raises(FileError, match=name):
            make_inputs([str(path)])


def test_a_header_that_promises_more_than_the_file_holds_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(3))
    path.write_bytes(path.read_bytes().replace(b"(3,), }", b"(3000000000000,), }".ljust(7)[:19]))
    with pytest.raises(FileError):
        make_inputs([str(path)])


def test_an_entry_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    torch.save({"a": torch.rand(2)}, tmp_path / "x.pt")
    with pytest.raises(InputError, match="no entry 'b'; it has a"):
        make_inputs([f"{tmp_path}/x.pt#b"])


def test_a_preparation_that_returns_no_tensor_is_named(picture: str) -> None:
    with pytest.raises(InputError, match="--preprocess returned a int"):
        make_inputs([picture], preparation=Preparation(function=lambda image: 3))
