"""How are nodes coloured by a number: time, memory, parameters, or the user's own?

`color_by` is a column of the history's tables (`"func_time_elapsed"`, `"tensor_fsize"`) or a mapping from labels to
numbers.  A node that stands for several operations has the sum of their numbers.  Operations without a number keep
the colour of their role.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from lens_viz._captions import pass_label
from lens_viz._drawing import ColorBar, Drawing
from lens_viz._errors import OptionError
from lens_viz._scene import Scene
from lens_viz._text import human_bytes, human_number, human_seconds, shown


def colored(
    drawing: Drawing, members: Sequence[Sequence[int]], values: Sequence[float | None], caption: str
) -> Drawing:
    """Return the drawing with a number on each node and a colour bar.

    Args:
        drawing: What to colour.
        members: For each node, the operations in it.
        values: For each operation its number, None where it has none.
        caption: What the numbers are.
    """
    totals = [_total([values[index] for index in found]) for found in members]
    known = [total for total in totals if total is not None]
    if not known:
        raise OptionError(f"No node that is drawn has a number in {shown(caption)!r}, so there is nothing to colour.")
    low, high = min(known), max(known)
    nodes = tuple(replace(node, value=total) for node, total in zip(drawing.nodes, totals, strict=True))
    bar = ColorBar(shown(caption), low, high, _text(caption, low), _text(caption, high))
    return replace(drawing, nodes=nodes, color_bar=bar)


def values_of_mapping(scene: Scene, numbers: Mapping[str, float]) -> list[float | None]:
    """Return each operation's number; its label may be given with or without the pass.

    Raises:
        OptionError: A label that no operation has, or something that is no number.
    """
    known: dict[str, list[int]] = {}
    for index, operation in enumerate(scene.operations):
        for key in {operation.label, pass_label(operation), f"{operation.label}:{operation.pass_num}"}:
            known.setdefault(key, []).append(index)
    values: list[float | None] = [None] * len(scene.operations)
    # Labels without a pass first, so that the passes that are named win.
    for key in sorted(numbers, key=lambda label: ":" in label):
        found = known.get(key)
        if found is None:
            raise OptionError(f"color_by names {shown(key)!r}, but no layer has this label.")
        for index in found:
            values[index] = number(numbers[key], key)
    return values


def number(value: object, name: str) -> float | None:
    """Return a value as a finite number, None for no value."""
    if value is None:
        return None
    try:
        result = float(value)  # pyright: ignore[reportArgumentType] - what is no number is caught below
    except (TypeError, ValueError):
        raise OptionError(f"color_by needs numbers, but {shown(name)!r} has {shown(repr(value))}.") from None
    return result if math.isfinite(result) else None


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None


def _text(caption: str, value: float) -> str:
    if "time" in caption or caption.endswith("_s"):
        return human_seconds(value) if value > 0 else "0 s"
    if "fsize" in caption or "bytes" in caption:
        return human_bytes(int(value))
    return human_number(value)
