"""A history that was saved and loaded answers as before: labels, fields, lookups, tables, drawings and values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import lens_torch as tl
from lens_graph import NotStoredError, load_history

from ..lens_graph.same_history import differences
from .kept_models import MODELS, Loop

KINDS: dict[str, dict[str, Any]] = {
    "all": {},
    "none": {"layers": "none"},
    "chosen": {"layers": ["output_1", 0]},
    "named": {"layers": {"first": 0, "end": "output_1"}},
    "transformed": {"transform": torch.flatten, "dtype": torch.float64},
    "stopped": {"layers": 1, "stop_early": True},
    "gradients": {"save_gradients": True},
}


def _history(model: str, kind: str, **options: Any) -> tl.ModelHistory:
    module, args, kwargs = MODELS[model]()
    history = tl.get_model_activations(module, args, kwargs, random_seed=1, **KINDS[kind], **options)
    if kind == "gradients":
        losses = [t.float().sum() for t in history.output_tensors if t.requires_grad and t.is_floating_point()]
        if losses:
            torch.stack(losses).sum().backward()
    return history


def _assert_same_values(a: tl.ModelHistory, b: tl.ModelHistory) -> None:
    for left, right in zip(a.operations, b.operations, strict=True):
        assert left.is_saved == right.is_saved
        if left.is_saved:
            _assert_equal(left.tensor_contents, right.tensor_contents, left.label)
        if left.has_grad:
            _assert_equal(left.grad_contents, right.grad_contents, left.label)


def _assert_equal(a: torch.Tensor, b: torch.Tensor, label: str) -> None:
    torch.testing.assert_close(a.detach(), b, rtol=0, atol=0, equal_nan=True, msg=label)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model", MODELS)
def test_a_loaded_history_answers_as_before(model: str, kind: str, tmp_path: Path) -> None:
    history = _history(model, kind)
    history.save(tmp_path / "h")
    loaded = tl.load(tmp_path / "h", check="now")
    assert differences(history, loaded) == []
    assert differences(history, load_history(tmp_path / "h"), fields=lambda name: name != "is_saved") == []
    _assert_same_values(history, loaded)
    for mode in ("unrolled", "rolled"):
        assert tl.draw(history, mode=mode).source == tl.draw(loaded, mode=mode).source


@pytest.mark.parametrize("kind", ["all", "chosen", "transformed", "stopped"])
@pytest.mark.parametrize("model", MODELS)
def test_a_streamed_history_holds_the_same_values(model: str, kind: str, tmp_path: Path) -> None:
    held = _history(model, kind)
    streamed = _history(model, kind, save_to=tmp_path / "h")
    _assert_same_values(held, streamed)
    loaded = tl.load(tmp_path / "h", check="now")
    assert differences(streamed, loaded) == []
    _assert_same_values(held, loaded)


def test_what_was_loaded_can_be_saved_elsewhere_and_over_itself(tmp_path: Path) -> None:
    history = _history("branches", "gradients")
    history.save(tmp_path / "a")
    tl.load(tmp_path / "a").save(tmp_path / "b")
    tl.load(tmp_path / "b").save(tmp_path / "b", overwrite=True)
    loaded = tl.load(tmp_path / "b", check="now")
    assert differences(history, loaded) == []
    _assert_same_values(history, loaded)


def test_partial_recordings_are_kept_as_well(tmp_path: Path) -> None:
    history = _history("loop", "stopped")
    assert not history.is_complete
    history.save(tmp_path / "h")
    assert differences(history, tl.load(tmp_path / "h")) == []


def test_a_selection_saves_no_more_than_was_chosen(tmp_path: Path) -> None:
    _history("transformer", "chosen").save(tmp_path / "some")
    _history("transformer", "all").save(tmp_path / "all")
    sizes = [sum(p.stat().st_size for p in (tmp_path / n / "tensors").iterdir()) for n in ("some", "all")]
    assert sizes[0] < sizes[1]
    assert tl.load(tmp_path / "some").num_tensors_saved == 2


def test_equal_values_are_written_once(tmp_path: Path) -> None:
    tl.get_model_activations(torch.nn.Identity(), torch.rand(10_000), save_to=tmp_path / "h")
    assert sum(p.stat().st_size for p in (tmp_path / "h" / "tensors").iterdir()) < 2 * 40_000


def test_loaded_values_are_mapped_and_can_be_written_without_harm(tmp_path: Path) -> None:
    _history("loop", "all").save(tmp_path / "h")
    loaded = tl.load(tmp_path / "h")
    before = loaded["linear_1:1"].tensor_contents.clone()
    loaded["linear_1:1"].tensor_contents.zero_()
    assert torch.equal(loaded["linear_1:1"].tensor_contents, before)
    assert torch.equal(tl.load(tmp_path / "h", check="now")["linear_1:1"].tensor_contents, before)


def test_values_can_be_read_to_another_device(tmp_path: Path) -> None:
    _history("loop", "all").save(tmp_path / "h")
    assert tl.load(tmp_path / "h", device="meta")["linear_1:1"].tensor_contents.is_meta


def test_random_states_and_functions_say_that_they_are_not_stored(tmp_path: Path) -> None:
    _history("loop", "all").save(tmp_path / "h")
    loaded = tl.load(tmp_path / "h")
    with pytest.raises(NotStoredError, match=r"torch\.rand"):
        _ = loaded["rand_1:1"].func_applied
    with pytest.raises(NotStoredError, match="process"):
        _ = loaded["rand_1:1"].func_rng_states


def test_saving_does_not_break_the_lazy_clones_apart(tmp_path: Path) -> None:
    history = tl.get_model_activations(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten()), torch.rand(4, 4))
    is_lazy = getattr(torch._C, "_is_cow_tensor", None)
    if is_lazy is None:
        assert history.num_tensors_saved
        return
    before = [bool(is_lazy(operation.tensor_contents)) for operation in history.operations]
    history.save(tmp_path / "h")
    assert [bool(is_lazy(operation.tensor_contents)) for operation in history.operations] == before


def test_loading_needs_neither_the_model_nor_its_class(tmp_path: Path) -> None:
    tl.get_model_activations(Loop(), torch.rand(2, 4)).save(tmp_path / "h")
    text = (
        "import sys, lens_torch as tl\n"
        "history = tl.load(sys.argv[1])\n"
        "shape = tuple(history['linear_1:3'].tensor_contents.shape)\n"
        "print(history.model_name, shape, 'kept_models' in str(sys.modules))\n"
    )
    run = subprocess.run([sys.executable, "-c", text, str(tmp_path / "h")], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["Loop", "(2,", "4)", "False"]


def test_structure_tables_and_drawing_load_where_torch_is_missing(tmp_path: Path) -> None:
    history = _history("loop", "all")
    history.save(tmp_path / "h")
    text = (
        "import sys\n"
        "for name in ('torch', 'safetensors', 'numpy.core'): sys.modules[name] = None\n"
        "import lens_graph, lens_viz\n"
        "history = lens_graph.load_history(sys.argv[1])\n"
        "try: history['linear_1:1'].tensor_contents\n"
        "except lens_graph.UnreadableTensorError as error: assert 'lens_torch.load' in str(error)\n"
        "assert history['linear_1:1'].is_saved and history.tables.operations.height == len(history.operations)\n"
        "sys.stdout.write(lens_viz.draw(history).source)\n"
    )
    run = subprocess.run([sys.executable, "-c", text, str(tmp_path / "h")], capture_output=True, text=True, check=True)
    assert run.stdout == tl.draw(history).source
