"""What a notebook shows for a layer, a pass, a module and a call of one."""

from __future__ import annotations

from typing import Any

from lens_graph import build_history

from .hand_made import Script
from .sample_traces import alexnet, recurrent

EVIL = "<script>alert('x')</script>"


def _html(entry: Any) -> str:
    html = entry._repr_html_()
    for tag in ("div", "table", "tr", "td", "details", "pre"):
        assert html.count(f"<{tag}") == html.count(f"</{tag}>"), tag
    return html


def test_a_layer_shows_what_its_printed_form_says() -> None:
    layer = build_history(alexnet())["conv2d_3"]
    html = _html(layer)
    for line in repr(layer).splitlines()[1:]:
        name, _, text = line.strip().partition(" ")
        assert f">{name}<" in html
        assert text.strip() in html


def test_a_layer_of_several_passes_shows_each_with_its_origin() -> None:
    history = build_history(recurrent())
    html = _html(history["linear_1"])
    for one in history["linear_1"].passes:
        assert f">{one.label}<" in html
        assert one.parent_layers[0] in html
    assert "3 passes" in html
    assert "pass 2 of 3" in _html(history["linear_1:2"])


def test_thousands_of_passes_are_counted_and_not_shown() -> None:
    script = Script()
    x = script.input()
    for _ in range(300):
        x = script.call("linear", x, parameters=("step.weight",))
    script.output(x)
    history = build_history(script.finish())
    assert "and 100 more" in _html(history[1])


def test_a_module_shows_its_parts_and_layers() -> None:
    history = build_history(alexnet())
    html = _html(history.modules["features"])
    for text in ("Sequential", "13 parts", "features.6", "conv2d_3_8", "eval mode"):
        assert text in html
    assert "the model" in _html(history.modules[""])


def test_a_module_call_shows_the_calls_inside() -> None:
    history = build_history(alexnet())
    html = _html(next(call for call in history.module_calls if call.label == "features:1"))
    for text in ("13 calls inside", "features.6:1", "input_1_1", "maxpool2d_3_14"):
        assert text in html


def test_names_of_a_hostile_model_become_no_markup() -> None:
    script = Script()
    x = script.input()
    with script.module(EVIL, EVIL, [x]), script.module(f"{EVIL}.a", EVIL, [x]):
        x = script.call(EVIL, x)
    script.output(x)
    history = build_history(script.finish())
    shown = [*history, *history.operations, *history.modules.values(), *history.module_calls]
    assert all("<script" not in _html(entry) for entry in shown)
