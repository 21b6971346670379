"""Every fact as a typed column, and the three questions of the README on hand-made traces."""

from typing import Any, get_args

import polars as pl
import pytest

from lens_graph import ModelHistory, build_history
from lens_graph._tables import TableName

from .hand_made import Script
from .sample_traces import alexnet, branching, recurrent
from .test_history import OPERATION_FIELDS

LIVE = {"tensor_contents", "creation_args", "creation_kwargs", "func_applied", "func_rng_states"}
COMPUTED_WHEN_ASKED = {
    "lookup_keys", "same_layer_operations", "orig_ancestors", "sibling_layers", "spouse_layers", "output_descendants",
    "internally_initialized_parents", "internally_initialized_ancestors", "func_position_args_non_tensor",
    "func_keyword_args_non_tensor", "is_input_layer", "is_output_layer", "is_buffer_layer",
    "is_computed_inside_submodule",
}  # fmt: skip
TABLES: tuple[TableName, ...] = get_args(TableName)


@pytest.fixture(params=[alexnet, branching, recurrent], ids=["alexnet", "branching", "recurrent"])
def history(request: pytest.FixtureRequest) -> ModelHistory:
    return build_history(request.param(), {1: "tensor"})


def test_operations_table_agrees_with_the_entries_column_by_column(history: ModelHistory) -> None:
    table = history.tables.operations
    assert set(OPERATION_FIELDS) - set(table.columns) == LIVE | COMPUTED_WHEN_ASKED
    for operation, row in zip(history.operations, table.iter_rows(named=True), strict=True):
        for name, value in row.items():
            if name == "func_time_elapsed":
                assert value.total_seconds() == pytest.approx(operation.func_time_elapsed)
            elif name == "call_site":
                site = operation.call_site
                assert (value and value["line"]) == (site and site.line)
            else:
                assert _plain(value) == _plain(getattr(operation, name)), name


def test_every_row_has_its_layer_and_back(history: ModelHistory) -> None:
    operations, layers = history.tables.operations, history.tables.layers
    assert [history[label].layer_label for label in operations["layer_label_w_pass"]] == operations[
        "layer_label"
    ].to_list()
    assert [history[label].label for label in layers["layer_label"]] == [layer.label for layer in history.layers]
    edges = history.tables.edges
    assert [history[parent].layer_label for parent in edges["parent"]] == edges["parent_layer"].to_list()
    assert edges.height == sum(len(operation.links) for operation in history.operations)
    for call in history.tables.module_calls["address"].to_list()[1:]:
        assert call in history.tables.modules["address"]


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_described(history: ModelHistory, name: TableName) -> None:
    table = getattr(history.tables, name)
    described = history.tables.describe(name)
    assert described["column"].to_list() == table.columns
    assert described["type"].to_list() == [str(dtype) for dtype in table.dtypes]
    assert described["meaning"].str.ends_with(".").all()


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_an_empty_recording_are_empty_and_typed(name: TableName) -> None:
    empty = getattr(build_history(Script().finish()).tables, name)
    full = getattr(build_history(branching()).tables, name)
    assert empty.schema == full.schema


def test_columns_have_the_types_that_fit(history: ModelHistory) -> None:
    schema = history.tables.operations.schema
    assert schema["tensor_shape"] == pl.List(pl.Int64)
    assert schema["func_time_elapsed"] == pl.Duration("ns")
    assert schema["kind"] == pl.Enum(["input", "buffer", "constant", "call", "output"])
    assert schema["parent_param_shapes"] == pl.List(pl.List(pl.Int64))
    assert schema["call_site"] == pl.Struct({"file": pl.String, "line": pl.Int64, "function": pl.String})


def test_layers_table_sums_over_passes_and_leaves_out_what_differs() -> None:
    layers = build_history(recurrent(), {1: "a", 3: "b"}).tables.layers
    row = layers.row(by_predicate=pl.col("layer_label") == "linear_1_2", named=True)
    assert (row["layer_passes_total"], row["tensor_fsize"], row["num_saved"], row["num_params_total"]) == (3, 72, 2, 12)
    assert row["parent_layers"] == ["input_1_1", "tanh_1_3"] and row["child_layers"] == ["tanh_1_3"]


def test_shape_that_differs_between_passes_is_null_in_the_layers_table() -> None:
    script = Script()
    x = script.input()
    for length in (4, 5):
        script.call("linear", x, parameters=["w"], shape=(length, 3))
    shapes = build_history(script.finish()).tables.layers["tensor_shape"].to_list()
    assert shapes == [[2, 3], None]


def test_edges_tell_positions_and_names() -> None:
    edges = build_history(branching()).tables.edges
    cat = edges.filter(child="cat_1_11")
    assert cat["parent"].to_list() == ["constant_1_10", "mul_1_9"] and cat["arg_position"].to_list() == [0, 0]
    assert edges.filter("starts_condition").select("parent", "child").row(0) == ("add_1_3", "sub_1_4")


def test_reads_tell_what_was_read_and_where() -> None:
    (row,) = build_history(branching()).tables.reads.to_dicts()
    assert row["kind"] == "bool" and row["layers"] == ["gt_1_6"] and row["value"] == "True"
    assert row["call_site"] == {"file": "model.py", "line": 7, "function": "forward"}


def test_parameters_and_buffers_name_the_layers_that_used_them() -> None:
    tables = build_history(branching()).tables
    assert tables.parameters["layers"].to_list() == [["linear_1_2"], ["linear_1_2"]]
    assert tables.buffers.select("address", "layers").row(0) == ("shift", ["buffer_1"])


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
