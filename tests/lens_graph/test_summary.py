"""What people see: the printed summary, a printed layer, the notebook."""

import pytest

from lens_graph import build_history
from lens_graph._text import human_bytes, human_seconds, human_shape

from .hand_made import Script
from .sample_traces import alexnet, branching, recurrent


def test_summary_tells_class_structure_totals_and_modules() -> None:
    text = repr(build_history(alexnet()))
    assert text.startswith("AlexNet: 24 layers, feed-forward, no branches")
    for part in ("24 (3.4 MB)", "192 in 16 tensors", "input_1_1 6x3x224x224", "1.0 s in all", "seed       3"):
        assert part in text
    assert "    features (Sequential): 13 operations, 120 parameters\n      0 (Conv2d): 1 operation" in text


def test_summary_of_a_recurrent_and_a_conditional_model_says_so() -> None:
    assert "recurrent (up to 3 passes)" in repr(build_history(recurrent()))
    assert "cell (Linear) x3: 3 operations" in repr(build_history(recurrent()))
    assert "branching, conditional" in repr(build_history(branching()))


def test_tree_of_many_modules_is_cut_at_the_deepest_level_that_fits() -> None:
    script = Script()
    x = script.input()
    for block in range(10):
        for part in range(10):
            with script.module(f"block{block}", "Block", [x]), script.module(f"block{block}.{part}", "Part", [x]):
                x = script.call("relu", x)
    script.output(x)
    text = repr(build_history(script.finish()))
    assert "block9 (Block) x10: 10 operations, 10 parts" in text
    assert "(Part)" not in text


def test_hundreds_of_direct_parts_are_counted_and_not_listed() -> None:
    script = Script()
    x = script.input()
    for part in range(500):
        with script.module(f"part{part}", "Part", [x]):
            x = script.call("relu", x)
    text = repr(build_history(script.finish()))
    assert "460 modules more" in text and text.count("(Part)") == 40


def test_layer_prints_its_facts_and_a_preview() -> None:
    text = repr(build_history(alexnet(), {7: "tensor([[1., 2., 3.]])"})["conv2d_3"])
    for part in (
        "Layer conv2d_3_8, layer 8 of 24",
        "2x3 float32",
        "features.6 (Conv2d)",
        "maxpool2d_2_7",
        "tensor([[1.",
    ):
        assert part in text


def test_layer_of_several_passes_prints_each() -> None:
    text = repr(build_history(recurrent(10))["linear_1"])
    assert "10 passes" in text and ":5" in text and "and 5 more" in text


def test_preview_that_fails_does_not_hide_the_facts() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("changed")

    assert "cannot be read: RuntimeError" in repr(build_history(alexnet(), {7: Broken()})["conv2d_3"])


def test_notebook_shows_the_same_facts() -> None:
    html = build_history(alexnet())._repr_html_()  # pyright: ignore
    assert "<b>AlexNet</b>" in html and "conv2d_3_8" in html and "features" in html


@pytest.mark.parametrize(("nbytes", "text"), [(0, "0 B"), (999, "999 B"), (1024, "1.0 KB"), (244_403_360, "233.1 MB")])
def test_sizes_are_written_in_human_units(nbytes: int, text: str) -> None:
    assert human_bytes(nbytes) == text


def test_times_and_shapes_are_short() -> None:
    assert [human_seconds(value) for value in (2, 0.0123, 0.000004)] == ["2.0 s", "12.3 ms", "4 us"]
    assert human_shape(()) == "scalar"
