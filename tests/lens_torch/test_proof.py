"""The whole report, and the labels it speaks of."""

from __future__ import annotations

import torch
from torch import nn

import lens_torch as tl


def test_a_proof_is_true_and_labels_every_operation_of_its_report() -> None:
    proof = tl.prove_activations(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.rand(2, 4))
    assert proof
    assert proof.is_valid
    assert [proof.labels[entry.operation] for entry in proof.report.operations] == [
        "input_1_1:1",
        "linear_1_2:1",
        "relu_1_3:1",
        "output_1_4:1",
    ]


def test_progress_is_told_as_calls_done_of_all() -> None:
    seen: list[tuple[int, int]] = []
    tl.prove_activations(nn.ReLU(), torch.rand(2), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_the_table_has_a_row_for_each_operation_with_its_label_and_verdict() -> None:
    proof = tl.prove_activations(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.rand(2, 4))
    assert proof.table["layer_label"].to_list() == ["input_1_1:1", "linear_1_2:1", "relu_1_3:1", "output_1_4:1"]
    assert set(proof.table["verdict"]) == {"passed"}
    assert tl.validation_table(proof.report).columns == proof.table.columns[:-1]
