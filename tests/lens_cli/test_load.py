"""MODEL and --input: what they may be, and what is said about the rest."""

from __future__ import annotations

import pytest
import torch

from lens_cli._errors import InputError, ModelNotFoundError
from lens_cli._load import load_model, random_inputs
from tests.lens_cli import sample_models

HERE = "tests.lens_cli.sample_models"


def test_a_class_is_called_without_arguments() -> None:
    assert isinstance(load_model(f"{HERE}:Small"), sample_models.Small)


def test_an_instance_is_taken_as_it_is() -> None:
    assert load_model(f"{HERE}:instance") is sample_models.instance


def test_attributes_may_be_dotted() -> None:
    assert load_model(f"{HERE}:instance.first") is sample_models.instance.first


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("alexnet", "expected package.module:factory"),
        (":alexnet", "expected package.module:factory"),
        ("no_such_package:alexnet", "No module named 'no_such_package'"),
        (f"{HERE}s:Small", "No module named"),
        (f"{HERE}:Smal", "did you mean Small"),
        (f"{HERE}:Wide", "needs arguments (width)"),
        (f"{HERE}:number", "is a int"),
        (f"{HERE}:no_model", "returned a int"),
    ],
)
def test_what_leads_to_no_model_says_so_and_what_was_expected(target: str, message: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        load_model(target)
    assert message in str(caught.value)


def test_an_error_of_the_factory_is_its_own() -> None:
    with pytest.raises(RuntimeError, match="the weights are elsewhere"):
        load_model(f"{HERE}:broken")


def test_a_shape_is_a_float_tensor_in_the_unit_interval() -> None:
    (x,) = random_inputs(["6,3,8,8"], seed=None)
    assert x.shape == (6, 3, 8, 8)
    assert x.dtype == torch.float32
    assert 0 <= x.min() <= x.max() < 1


def test_types_stand_before_the_shape() -> None:
    half, words, scalar = random_inputs(["float16:2,2", "int64:1,16", "bool:"], seed=1)
    assert (half.dtype, words.dtype, scalar.dtype) == (torch.float16, torch.int64, torch.bool)
    assert scalar.shape == ()


def test_the_same_seed_gives_the_same_inputs() -> None:
    assert torch.equal(random_inputs(["3"], seed=5)[0], random_inputs(["3"], seed=5)[0])
    assert not torch.equal(random_inputs(["3"], seed=5)[0], random_inputs(["3"], seed=6)[0])


@pytest.mark.parametrize("text", ["6,3,x", "float17:3", "-1,3", "nn:3", "3,,4"])
def test_what_describes_no_tensor_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        random_inputs([text], seed=None)
