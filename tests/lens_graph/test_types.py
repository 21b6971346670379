"""Layer types: one name for all ways to write a function."""

import pytest

from lens_graph._types import type_of_name


@pytest.mark.parametrize("name", ["add", "add_", "__add__", "__iadd__", "__radd__"])
def test_all_ways_to_add_are_one_type(name: str) -> None:
    assert type_of_name(name) == "add"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("conv2d", "conv2d"),
        ("max_pool2d", "maxpool2d"),
        ("__getitem__", "getitem"),
        ("__setitem__", "setitem"),
        ("__rsub__", "rsub"),
        ("rsub", "rsub"),
        ("T", "t"),
        ("__invert__", "invert"),
        ("__index__", "index"),
        ("rand", "rand"),
        ("__rand__", "and"),
        ("iadd", "iadd"),
        ("index_add_", "indexadd"),
        ("MultiheadAttention", "multiheadattention"),
        ("<lambda>", "lambda"),
        ("a.b:c", "abc"),
        ("__", "operation"),
    ],
)
def test_names_become_types_of_letters_and_digits(name: str, kind: str) -> None:
    assert type_of_name(name) == kind
