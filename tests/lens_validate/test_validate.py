"""True recordings are valid, and reports say what was proven and how."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from lens_trace import everything, nothing, only, outputs_of, trace
from lens_validate import NotARecordingError, ValidationReport, validate, validate_while_running
from tests.lens_validate.small_models import Function, Stateful, small_models

MODELS = small_models()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("grad", [False, True])
def test_a_true_recording_is_valid(name: str, grad: bool) -> None:
    model, args = MODELS[name]
    with torch.set_grad_enabled(grad):
        recording = trace(model, args, seed=3)
    for report in (validate(recording), validate(recording, model), validate(recording, model, args)):
        assert report, str(report)
    assert report.plain_forward.verdict == "passed"
    assert report.second_trace.verdict == "passed"


@pytest.mark.parametrize("name", MODELS)
def test_the_windowed_mode_has_the_same_verdicts(name: str) -> None:
    model, args = MODELS[name]
    full = validate(trace(model, args, seed=3), model, args)
    windowed = validate_while_running(model, args, seed=3)
    assert windowed, str(windowed)
    assert [entry.verdict for entry in windowed.operations] == [entry.verdict for entry in full.operations]


def test_validation_leaves_model_recording_and_random_state_alone() -> None:
    model, args = MODELS["training"]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    recording = trace(model, args, seed=3)
    values = {i: recording.tensors[i].clone() for i in recording.tensors}
    state = torch.get_rng_state()
    validate(recording, model, args)
    validate_while_running(model, args, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert all(torch.equal(value, recording.tensors[i]) for i, value in values.items())


def test_a_report_counts_every_operation_once_and_prints() -> None:
    model, args = MODELS["views"]
    recording = trace(model, args)
    report = validate(recording)
    assert sum(report.counts.values()) == len(report.operations) == len(recording.trace.operations)
    assert [entry.operation for entry in report.operations] == [o.id for o in recording.trace.operations]
    assert "valid" in str(report)
    assert "fully overwritten" in str(report)
    assert [row["verdict"] for row in report.rows()] == [entry.verdict for entry in report.operations]


def test_every_edge_has_a_verdict() -> None:
    model, args = MODELS["several_views"]
    recording = trace(model, args)
    report = validate(recording)
    for operation, entry in zip(recording.trace.operations, report.operations, strict=True):
        found = [(edge.parent, edge.path, edge.is_overlay) for edge in entry.edges]
        assert found == [(parent.operation, parent.path, parent.is_overlay) for parent in operation.parents]


def test_what_was_not_kept_is_unverified_and_never_passed() -> None:
    model, args = MODELS["residual"]
    for keep in (nothing, only([3, 4]), outputs_of("norm")):
        recording = trace(model, args, keep=keep)
        for report in (validate(recording), validate(recording, model, args)):
            assert not report
            for entry in report.operations:
                if entry.operation not in recording.tensors:
                    assert entry.verdict == "unverified"
    assert validate(trace(model, args, keep=only([3, 4]))).operations[4].verdict != "failed"


def test_a_kept_value_is_proven_with_the_model_at_hand() -> None:
    model, args = MODELS["residual"]
    recording = trace(model, args, keep=only([3]))
    assert validate(recording).operations[3].verdict == "unverified"
    assert validate(recording, model, args).operations[3].verdict == "passed"
    wrong = recording.replace(tensors=recording.tensors.replace({3: recording.tensors[3] + 1}))
    assert validate(wrong, model, args).operations[3].verdict == "failed"


def test_values_inside_vmap_are_checked_while_the_model_runs() -> None:
    model = Function(lambda x: torch.vmap(lambda row: row.sin() * 2)(x) + 1)
    x = torch.randn(3, 4)
    report = validate(trace(model, x), model, x)
    assert report, str(report)


def test_a_stateful_model_is_told_from_a_wrong_trace() -> None:
    model = Stateful()
    recording = trace(model, torch.ones(3))
    report = validate(recording, model, torch.ones(3))
    assert report, str(report)
    assert report.is_stateful
    assert "stateful" in str(report)


def test_a_model_that_settles_after_its_first_forward_is_stateful() -> None:
    class Caching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cache: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            if self.cache is None:
                self.cache = torch.ones(3) * 2
                return x * self.cache + 1
            return x * self.cache

    model = Caching()
    report = validate(trace(model, torch.ones(3)), model, torch.ones(3))
    assert report, str(report)
    assert report.is_stateful


def test_another_result_than_the_plain_forward_is_a_failure() -> None:
    model = nn.Linear(3, 2)
    x = torch.randn(1, 3)
    recording = trace(model, x)
    with torch.no_grad():
        other = nn.Linear(3, 2)
    report = validate(recording, other, x)
    assert not report
    assert report.plain_forward.verdict == "failed"


def test_uninitialised_memory_is_exempt() -> None:
    model = Function(lambda x: torch.empty_like(x).copy_(x) + 1)
    report = validate(trace(model, torch.randn(3)))
    assert report, str(report)
    assert report.having("exempt")[0].reason.startswith("uninitialised")


def test_nothing_proven_is_not_valid() -> None:
    report = validate(trace(Function(lambda x: x + 1), torch.ones(2), keep=nothing))
    assert isinstance(report, ValidationReport)
    assert not report
    assert report.counts["passed"] == 0


def test_a_meta_model_is_unverified() -> None:
    with torch.device("meta"):
        model, x = nn.Linear(3, 2), torch.randn(1, 3)
    report = validate(trace(model, x))
    assert not report
    assert set(report.counts) and report.counts["unverified"] == len(report.operations)


def test_anything_but_a_recording_is_refused() -> None:
    with pytest.raises(NotARecordingError, match="lens_trace"):
        validate(nn.Linear(2, 2))  # type: ignore[arg-type]


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    model, args = MODELS["recurrent"]
    validate(trace(model, args, keep=everything), progress=lambda done, total: seen.append((done, total)))
    assert seen
    assert seen[-1][0] == seen[-1][1]


def test_converted_copies_are_unverified_not_wrong() -> None:
    model, args = MODELS["perceptron"]
    report = validate(trace(model, args, dtype=torch.float16))
    assert not report
    assert report.counts["failed"] == 0
    assert report.counts["passed"] == 0


def test_a_random_function_that_torch_does_not_know_is_unverified() -> None:
    import random

    import lens_trace

    @lens_trace.operation
    def jitter(x: Tensor) -> Tensor:
        return x + random.random()

    report = validate(trace(Function(lambda x: jitter(x) * 2), torch.ones(3)))
    assert report.operations[1].verdict == "unverified"
    assert "deterministic" in report.operations[1].reason


def test_a_scripted_module_keeps_its_running_statistics() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.jit.script(nn.Sequential(nn.BatchNorm1d(6)).train())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    recording = trace(model, torch.randn(4, 6))
    validate(recording, model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
