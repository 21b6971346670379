"""Which words stand in a node, in a box and in the title?

In a node, as in Figure 2B: the layer's label, shape and size of its tensor, the shapes of its parameters, the address
of the module whose one operation it is.  Unrolled, a layer of several passes shows which pass (`linear_1_3:2`);
rolled, how many (`linear_1_3 (x2)`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lens_viz._scene import ModuleCall, Operation, Scene
from lens_viz._text import human_bytes, human_shape, shown

_MOST_PARAMETERS = 4
"""Parameter shapes that are written out."""


def pass_label(operation: Operation) -> str:
    """Return the label of one pass: `linear_1_3`, or `linear_1_3:2` where the layer has several."""
    return f"{operation.label}:{operation.pass_num}" if operation.passes_total > 1 else operation.label


def layer_label(operation: Operation) -> str:
    """Return the label of a rolled layer: `linear_1_3`, or `linear_1_3 (x2)`."""
    return f"{operation.label} (x{operation.passes_total})" if operation.passes_total > 1 else operation.label


def operation_lines(operation: Operation, label: str, call: ModuleCall | None) -> tuple[str, ...]:
    """Return the caption of an operation; `call` is the module call whose one operation it is."""
    lines = [shown(label), f"{human_shape(operation.shape)} ({human_bytes(operation.nbytes)})"]
    if operation.parameter_shapes:
        texts = [human_shape(shape) for shape in operation.parameter_shapes]
        if len(texts) > _MOST_PARAMETERS:
            texts = [*texts[: _MOST_PARAMETERS - 1], f"{len(texts) - _MOST_PARAMETERS + 1} more"]
        lines.append("params: " + ", ".join(texts))
    if call is not None:
        lines.append(shown(f"@{call.address}"))
    elif operation.address:
        lines.append(shown(f"@{operation.address}" if operation.role == "buffer" else operation.address))
    return tuple(lines)


def call_name(call: ModuleCall, *, is_rolled: bool, passes: int | None = None) -> str:
    """Return a module's name: `rnn.cell`, its pass `rnn.cell:2`, or all passes `rnn.cell (x3)`."""
    address = shown(call.address)
    if is_rolled:
        count = call.passes_total if passes is None else passes
        return f"{address} (x{count})" if count > 1 else address
    return f"{address}:{call.pass_num}" if call.passes_total > 1 else address


def box_lines(
    call: ModuleCall, *, is_rolled: bool, last: ModuleCall | None = None, repeats: int = 1
) -> tuple[str, ...]:
    """Return the caption of a module's box; `last` is the last block of a run of `repeats` identical ones."""
    name = call_name(call, is_rolled=is_rolled)
    if last is not None and repeats > 1:
        if last.address != call.address:
            name = f"{name} … {call_name(last, is_rolled=is_rolled)}"
        return (name, f"({shown(call.class_name)}) x {repeats}")
    return (name, f"({shown(call.class_name)})")


def module_lines(
    scene: Scene, call_index: int, members: Sequence[int], *, is_rolled: bool, passes: int, repeats: int = 1
) -> tuple[str, ...]:
    """Return the caption of a collapsed module: class, output shape, number of parameters and operations."""
    call = scene.calls[call_index]
    name = call_name(call, is_rolled=is_rolled, passes=passes)
    lines = [f"{name} ({shown(call.class_name)})" + (f" x {repeats}" if repeats > 1 else "")]
    outputs = [scene.operations[index] for index in call.outputs] or [scene.operations[members[-1]]]
    shapes = list(dict.fromkeys(human_shape(operation.shape) for operation in outputs))
    size = human_bytes(sum(operation.nbytes for operation in outputs))
    lines.append(f"{', '.join(shapes[:3])}{', …' if len(shapes) > 3 else ''} ({size})")
    amount = f"{len(members):,} operation{'s' if len(members) != 1 else ''}"
    if call.parameters:
        amount = f"{call.parameters:,} parameters, {amount}"
    lines.append(amount)
    return tuple(lines)


def stretch_lines(scene: Scene, members: Sequence[int], *, is_rolled: bool) -> tuple[str, ...]:
    """Return the caption of a stretch of operations: first and last, how many, of which types, last shape."""
    first, last = scene.operations[members[0]], scene.operations[members[-1]]
    name = layer_label if is_rolled else pass_label
    types = Counter(scene.operations[index].layer_type for index in members).most_common()
    texts = [f"{count:,} {shown(kind, longest=24)}" for kind, count in types[:3]]
    if len(types) > 3:
        texts.append(f"{sum(count for _, count in types[3:]):,} others")
    return (
        f"{shown(name(first), longest=32)} … {shown(name(last), longest=32)}",
        f"{len(members):,} operations: {', '.join(texts)}",
        f"{human_shape(last.shape)} ({human_bytes(last.nbytes)})",
    )
