"""MODEL: what it may be, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lens_cli._errors import ModelNotFoundError
from lens_cli._load import load_model
from tests.lens_cli import sample_models

HERE = "tests.lens_cli.sample_models"


def test_a_class_is_called_without_arguments() -> None:
    assert isinstance(load_model(f"{HERE}:Small"), sample_models.Small)


def test_an_instance_is_taken_as_it_is() -> None:
    assert load_model(f"{HERE}:instance") is sample_models.instance


def test_attributes_may_be_dotted() -> None:
    assert load_model(f"{HERE}:instance.first") is sample_models.instance.first


def test_arguments_stand_after_a_question_mark_or_in_an_option() -> None:
    by_query = load_model(f"{HERE}:Small?width=7&act=sin")
    by_option = load_model(f"{HERE}:Small", ("width=7", "act=sin"))
    for model in (by_query, by_option):
        assert isinstance(model, sample_models.Small)
        assert (model.first.out_features, model.act) == (7, "sin")


def test_the_option_wins_over_the_question_mark() -> None:
    model = load_model(f"{HERE}:Small?width=7", ("width=8",))
    assert isinstance(model, sample_models.Small)
    assert model.first.out_features == 8


def test_a_python_file_is_run_where_it_lies_and_sees_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "lens_cli_neighbour.py").write_text("width = 6\n")
    (tmp_path / "lens_cli_net.py").write_text(
        "import torch\nfrom lens_cli_neighbour import width\n\n"
        "class Net(torch.nn.Linear):\n    def __init__(self, bias=True):\n        super().__init__(4, width, bias)\n"
    )
    model = load_model(f"{tmp_path}/lens_cli_net.py:Net?bias=False")
    assert isinstance(model, torch.nn.Linear)
    assert (model.out_features, model.bias) == (6, None)


def test_a_python_file_that_fails_is_named(tmp_path: Path) -> None:
    (tmp_path / "lens_cli_bad.py").write_text("raise ValueError('half written')\n")
    with pytest.raises(ModelNotFoundError, match=r"lens_cli_bad\.py.*ValueError: half written"):
        load_model(f"{tmp_path}/lens_cli_bad.py:Net")


def test_meta_makes_no_parameters() -> None:
    model = load_model(f"{HERE}:Wide?width=1_000_000_000_000", meta=True)
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("alexnet", "expected package.module:name"),
        (":alexnet", "expected package.module:name"),
        ("alexnet:", "expected package.module:name"),
        ("no_such_package:alexnet", "No module named 'no_such_package'"),
        (f"{HERE}s:Small", "No module named"),
        (f"{HERE}:Smal", "did you mean Small"),
        (f"{HERE}:Wide", "needs arguments (width); give them as"),
        (f"{HERE}:Small?size=3", "takes no argument 'size'; its arguments are: width, act"),
        (f"{HERE}:instance?width=3", "is made already; it takes no arguments"),
        (f"{HERE}:number", "is a int"),
        (f"{HERE}:no_model", "returned a int"),
        ("no_such_file.py:Net", "There is no file"),
    ],
)
def test_what_leads_to_no_model_says_so_and_what_was_expected(target: str, message: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        load_model(target)
    assert message in str(caught.value)


def test_an_error_of_the_factory_is_its_own() -> None:
    with pytest.raises(RuntimeError, match="the weights are elsewhere"):
        load_model(f"{HERE}:broken")
