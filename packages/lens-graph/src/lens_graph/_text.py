"""How are facts written for people?

Sizes in steps of 1,024 as in the drawings, times in the unit that keeps the number short, and a layer as a small
block of lines: who it is, what it computed, from whom and for whom, where it ran.
"""

from __future__ import annotations

from lens_graph._interpretation import (
    Interpretation,
    full_name,
    is_initialized_inside,
    is_saved,
    operation_at,
    short_name,
)

_PREVIEW_ELEMENTS = 1_000_000


def human_bytes(nbytes: int) -> str:
    """Write a number of bytes with a unit.

    >>> human_bytes(999), human_bytes(47_700_000)
    ('999 B', '45.5 MB')
    """
    size = float(nbytes)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < (1024 if unit == "B" else 999.95) or unit == "TB":
            return f"{nbytes} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def human_seconds(seconds: float) -> str:
    """Write a duration with a unit.

    >>> human_seconds(0.0123), human_seconds(75)
    ('12.3 ms', '75.0 s')
    """
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} us"


def human_shape(shape: tuple[int, ...]) -> str:
    """Write a shape.

    >>> human_shape((6, 3, 224, 224)), human_shape(())
    ('6x3x224x224', 'scalar')
    """
    return "x".join(map(str, shape)) or "scalar"


def describe_operation(facts: Interpretation, node: int) -> str:
    """The facts of one operation and a preview of its values."""
    return _block("Operation " + headline(facts, node), facts, node)


def describe_layer(facts: Interpretation, layer: int) -> str:
    """The facts of a layer; those of its first pass where it has several."""
    nodes = facts.labels.passes[layer]
    if len(nodes) == 1:
        return _block("Layer " + headline(facts, nodes[0]), facts, nodes[0])
    lines = [f"Layer {facts.labels.names[layer]}, {len(nodes)} passes"]
    shown = nodes if len(nodes) <= 6 else nodes[:5]
    for node in shown:
        output = operation_at(facts, node).output
        origin = ", ".join(short_name(facts, parent) for parent in facts.graph.parents[node][:4])
        lines.append(f"  :{facts.labels.pass_num[node]}  {human_shape(output.shape)} {output.dtype}  from {origin}")
    if len(shown) < len(nodes):
        lines.append(f"  ... and {len(nodes) - len(shown)} more")
    return "\n".join([*lines, "  (each pass has its own tensor: .passes[0].tensor_contents)"])


def headline(facts: Interpretation, node: int) -> str:
    """The label of an operation, its pass, and its place among the layers."""
    labels = facts.labels
    layer = labels.layer_of[node]
    name = labels.names[layer]
    passes = len(labels.passes[layer])
    text = name if passes == 1 else f"{full_name(facts, node)} (pass {labels.pass_num[node]} of {passes})"
    if labels.total_nums[layer] is not None:
        text += f", layer {labels.total_nums[layer]} of {len(labels.counted)}"
    return text


def details(facts: Interpretation, node: int) -> list[tuple[str, str]]:
    """What is known of an operation, each fact with its name."""
    operation = operation_at(facts, node)
    output = operation.output
    rows = [("output", f"{human_shape(output.shape)} {output.dtype} on {output.device}, {human_bytes(output.nbytes)}")]
    if operation.function is not None:
        rows.append(("function", f"{operation.function.qualified_name}, {human_seconds(operation.elapsed_s)}"))
    site = operation.user_call_site or operation.call_site
    if site is not None:
        rows.append(("code", f"{site.file}:{site.line} in {site.function}"))
    if operation.address is not None:
        rows.append(("address", operation.address))
    if operation.parameters:
        known = [facts.trace.parameters[index] for index in operation.parameters]
        shapes = ", ".join(human_shape(parameter.shape) for parameter in known)
        rows.append(("parameters", f"{shapes} ({sum(parameter.numel for parameter in known):,} numbers)"))
    if operation.module_calls:
        calls = facts.trace.module_calls
        last = calls[operation.module_calls[-1]]
        rows.append(("module", f"{last.address} ({facts.trace.modules[last.module].class_name})"))
    rows.append(("parents", _names(facts, facts.graph.parents[node])))
    rows.append(("children", _names(facts, facts.graph.children[node])))
    near = facts.distances.min_from_input[node], facts.distances.min_from_output[node]
    rows.append(("distance", f"{_distance(near[0])} from input, {_distance(near[1])} from output"))
    notes = [
        text
        for text, holds in (
            ("in-place", operation.is_inplace),
            ("generated inside the model", is_initialized_inside(facts, node)),
            ("computed for a decision only", node in facts.branches.in_branch),
        )
        if holds
    ]
    return [*rows, ("notes", ", ".join(notes))] if notes else rows


def preview(facts: Interpretation, node: int) -> tuple[str, list[str]]:
    """A word on the tensor of an operation, and some of its values where they are few enough to be printed."""
    if not is_saved(facts, node):
        return "not saved", []
    size = 1
    for length in operation_at(facts, node).output.shape:
        size *= length
    if size > _PREVIEW_ELEMENTS:
        return f"saved, {size:,} elements", []
    try:
        text = repr(facts.payloads.tensors[facts.graph.operations[node]])
    except Exception as error:
        # A preview must not keep the facts from being shown; reading tensor_contents raises the same error.
        return f"cannot be read: {type(error).__name__}", []
    lines = text.splitlines()
    shown = [line[:110] for line in lines[:6]]
    return "saved", [*shown, *(["..."] if len(lines) > len(shown) else [])]


def _block(title: str, facts: Interpretation, node: int) -> str:
    word, values = preview(facts, node)
    lines = [title, *(f"  {name:<11}{text}" for name, text in details(facts, node))]
    return "\n".join([*lines, *(f"  {line}" for line in values or [f"{'tensor':<11}{word}"])])


def _names(facts: Interpretation, nodes: tuple[int, ...]) -> str:
    shown = ", ".join(short_name(facts, node) for node in nodes[:6])
    return (shown or "none") + (f" and {len(nodes) - 6} more" if len(nodes) > 6 else "")


def _distance(distance: int | None) -> str:
    return "no way" if distance is None else str(distance)
