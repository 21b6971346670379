"""What `diff` pairs, and what it calls a change: on structures made by hand."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from lens_cli._compare import changes
from lens_cli._facts import LayerFacts, ModuleFacts, ParameterFacts, Structure, Totals

_SUMS = Totals(
    layers=0, tensors=0, tensors_nbytes=0, parameters=0, trainable=0, parameter_tensors=0, parameters_nbytes=0,
    flops=None, seconds=0.0,
)  # fmt: skip


def _layer(
    label: str, *parents: str, module: str = "", shape: tuple[int, ...] | None = (2,), passes: int = 1
) -> LayerFacts:
    return LayerFacts(
        label=label, type=label.split("_")[0], kind="call", passes=passes, module=module, module_class="", shape=shape,
        dtype="float32", device="cpu", nbytes=0, seconds=0.0, parameters=(), num_parameters=0, num_trainable=0,
        flops=None, parents=parents, children=(),
    )  # fmt: skip


def _structure(*layers: LayerFacts, **other: tuple[ModuleFacts | ParameterFacts, ...]) -> Structure:
    return Structure(model="M", versions={}, totals=_SUMS, layers=layers, **({"modules": (), "parameters": ()} | other))  # type: ignore[arg-type]


def _chain(types: list[str], start: int = 1) -> Structure:
    labels = [f"{kind}_1_{number}" for number, kind in enumerate(types, start)]
    return _structure(*(_layer(label, *labels[max(0, i - 1) : i]) for i, label in enumerate(labels)))


def test_an_operation_in_between_is_one_addition_and_one_new_edge_although_labels_shift() -> None:
    found = changes(_chain(["input", "linear", "output"]), _chain(["input", "linear", "relu", "output"]))
    assert [(c.aspect, c.kind, c.name) for c in found] == [
        ("operations", "added", "relu_1_3"),
        ("edges", "changed", "output_1_3"),
    ]


def test_layers_are_paired_within_their_module() -> None:
    first = _structure(_layer("relu_1_1", module="a"), _layer("relu_2_2", module="b"))
    second = _structure(_layer("relu_1_1", module="b"))
    (change,) = changes(first, second)
    assert (change.kind, change.name, change.where) == ("removed", "relu_1_1", "a")


def test_shape_type_and_passes_of_a_pair_are_compared() -> None:
    found = changes(_structure(_layer("tanh_1_1")), _structure(_layer("tanh_1_1", shape=None, passes=3)))
    assert [(c.aspect, c.before, c.after) for c in found] == [("shapes", "2", "varies"), ("passes", "1", "3")]


def test_buffers_are_no_edges() -> None:
    first, second = _layer("batchnorm_1_1", "buffer_1"), _layer("batchnorm_1_1", "buffer_2", "buffer_3")
    assert changes(_structure(first), _structure(second)) == []


def test_parameters_and_modules_are_compared_by_address() -> None:
    def sides(shape: tuple[int, ...], name: str) -> Structure:
        parameter = ParameterFacts(address="fc.weight", shape=shape, dtype="float32", requires_grad=True)
        module = ModuleFacts(
            address="fc", class_name=name, depth=1, calls=1, operations=1, input_shapes=(), output_shapes=(),
            num_parameters=0, num_trainable=0, nbytes=0, seconds=0.0, flops=None,
        )  # fmt: skip
        return _structure(parameters=(parameter,), modules=(module,))

    found = changes(sides((2, 3), "Linear"), sides((4, 3), "LazyLinear"))
    assert [(c.aspect, c.before, c.after) for c in found] == [
        ("parameters", "2x3 float32", "4x3 float32"),
        ("modules", "Linear", "LazyLinear"),
    ]


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_removing_and_adding_what_is_told_makes_one_model_the_other(first: list[str], second: list[str]) -> None:
    found = changes(_chain(first), _chain(second), ["operations"])
    removed = {int(c.name.split("_")[2]) for c in found if c.kind == "removed"}
    added = {int(c.name.split("_")[2]) for c in found if c.kind == "added"}
    kept = [kind for number, kind in enumerate(first, 1) if number not in removed]
    assert kept == [kind for number, kind in enumerate(second, 1) if number not in added]


@given(st.lists(st.sampled_from("abc"), max_size=12))
def test_a_model_is_the_same_as_itself(types: list[str]) -> None:
    assert changes(_chain(types), _chain(types)) == []


def test_models_without_anything_in_common_in_order_are_compared_in_time() -> None:
    started = time.perf_counter()
    found = changes(_chain(["a", "b"] * 5_000), _chain(["b", "c"] * 5_000), ["operations"])
    assert time.perf_counter() - started < 20
    assert len(found) == 10_000
