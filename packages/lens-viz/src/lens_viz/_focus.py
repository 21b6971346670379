"""How is one module drawn, cut out of its model?

The operations inside the module are drawn as ever.  What feeds it from outside and what it feeds is shown by *stubs*:
small pale nodes at its border that name the operation outside.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from lens_viz._collapse import unknown_module
from lens_viz._scene import Scene, depths


class Focus(Struct, frozen=True):
    """What of a scene is drawn."""

    inside: tuple[int, ...]
    """Indices of the operations drawn."""
    sources: tuple[int, ...] = ()
    """Operations outside that feed them."""
    targets: tuple[int, ...] = ()
    """Operations outside that they feed."""
    depth: int = 0
    """Depth of the module, 0 for the whole model."""
    caption: str = ""
    """Address and class of the module, for the title."""


def whole(scene: Scene, *, show_buffers: bool) -> Focus:
    """Return everything, with or without the buffers."""
    return Focus(
        tuple(index for index, operation in enumerate(scene.operations) if show_buffers or operation.role != "buffer")
    )


def inside_module(scene: Scene, address: str, *, show_buffers: bool) -> Focus:
    """Return the inside of a module, `encoder.layer.0`, or of one of its passes, `encoder.layer.0:2`.

    Raises:
        UnknownModuleError: It was not called.
    """
    calls = _calls_of(scene, address)
    visible = [
        index
        for index in whole(scene, show_buffers=show_buffers).inside
        if not calls.isdisjoint(scene.operations[index].calls)
    ]
    within = set(visible)
    sources: dict[int, None] = {}
    targets: dict[int, None] = {}
    for index, operation in enumerate(scene.operations):
        for parent in operation.parents:
            is_hidden = scene.operations[parent.operation].role == "buffer" and not show_buffers
            if index in within and parent.operation not in within and not is_hidden:
                sources[parent.operation] = None
            elif index not in within and parent.operation in within:
                targets[index] = None
    first = min(calls)
    call = scene.calls[first]
    return Focus(
        tuple(visible),
        tuple(sorted(sources)),
        tuple(sorted(targets)),
        depths(scene)[first],
        f"{address} ({call.class_name})",
    )


def _calls_of(scene: Scene, address: str) -> frozenset[int]:
    found = {index for index, call in enumerate(scene.calls) if call.address == address}
    name, _, number = address.rpartition(":")
    if not found and name and number.isdigit():
        found = {
            index for index, call in enumerate(scene.calls) if call.address == name and call.pass_num == int(number)
        }
    if not found:
        raise unknown_module(scene, address)
    return frozenset(found)


def stub_lines(labels: Sequence[str], *, is_source: bool) -> tuple[str, ...]:
    """Return the caption of a stub that stands for some operations."""
    word = "from" if is_source else "to"
    return (f"{word} {labels[0]}" if len(labels) == 1 else f"{word} {labels[0]} and {len(labels) - 1} more",)
