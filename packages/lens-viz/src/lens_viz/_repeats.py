"""Which blocks in a row are the same, so that one of them can stand for all?

A *run* is a stretch of two or more module calls that follow each other directly inside the same surrounding call, of
one class, that did the same: the same operations in the same order with the same shapes, parameter shapes and edges
among themselves.  With `fold_repeats` a run is drawn once, marked `x 12`: each operation of a later block is replaced
by its counterpart in the first, edges between blocks disappear, and edges to and from the outside stay.

Runs are found from the outside in, and inside the first block of a run again, so that stages of blocks fold twice.
Each call's content is hashed once for each level that it is nested in: linear in operations times depth.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

from msgspec import Struct

from lens_viz._scene import Parent, Scene


class Image(Struct, frozen=True, gc=False):
    """Where an operation of a run is drawn."""

    run: int
    """Number of the run."""
    block: int
    """Which block of the run, from 0."""
    operation: int
    """The counterpart in the first block."""


class Repeats(Struct, frozen=True):
    """All runs of a scene."""

    levels: tuple[dict[int, Image], ...]
    """For each round, from the outermost runs inwards, the operations that lie in one."""
    runs: dict[int, tuple[int, int]]
    """For the first call of each run, the number of blocks and the last call."""


NO_REPEATS = Repeats((), {})
"""Nothing is folded."""


def find_repeats(scene: Scene, operations: Sequence[int], *, is_rolled: bool) -> Repeats:
    """Find the runs among the visible operations.

    Rolled, calls of one and the same module share a node anyway and are no run.
    """
    inside = _operations_inside(scene, operations)
    parts: dict[int | None, list[int]] = {}
    for index, call in enumerate(scene.calls):
        if inside[index]:
            parts.setdefault(call.parent, []).append(index)
    levels: list[dict[int, Image]] = []
    runs: dict[int, tuple[int, int]] = {}
    waiting: list[int | None] = [None]
    count = 0
    while waiting:
        images: dict[int, Image] = {}
        following: list[int | None] = []
        for around in waiting:
            for run in _runs(scene, parts.get(around, ()), inside, is_rolled=is_rolled):
                following.append(run[0])
                if len(run) == 1:
                    continue
                runs[run[0]] = (len(run), run[-1])
                for block, call in enumerate(run):
                    for operation, first in zip(inside[call], inside[run[0]], strict=True):
                        images[operation] = Image(count, block, first)
                count += 1
        if images:
            levels.append(images)
        waiting = following
    return Repeats(tuple(levels), runs)


def kept(repeats: Repeats, operations: Sequence[int]) -> list[int]:
    """Return the operations that are drawn: those of no block but the first."""
    hidden = {index for images in repeats.levels for index, image in images.items() if image.block > 0}
    return [index for index in operations if index not in hidden]


def folded_edges(
    scene: Scene, operations: Iterable[int], repeats: Repeats, hidden: frozenset[int]
) -> Iterator[tuple[int, int, tuple[str, ...], bool]]:
    """Yield every edge into the operations, with both ends where they are drawn.

    Arguments are named only where several are drawn: those that only hidden operations feed do not count.
    """
    for child in operations:
        parents = [parent for parent in scene.operations[child].parents if parent.operation not in hidden]
        has_names = len({argument for parent in parents for argument in parent.arguments}) > 1
        for parent in parents:
            ends = _folded(parent, child, repeats)
            if ends is not None:
                yield (*ends, parent.arguments if has_names else (), parent.is_if)


def _folded(parent: Parent, child: int, repeats: Repeats) -> tuple[int, int] | None:
    tail = parent.operation
    for images in repeats.levels:
        out, into = images.get(tail), images.get(child)
        if out is not None and into is not None and out.run == into.run and out.block != into.block:
            return None
        tail = tail if out is None else out.operation
        child = child if into is None else into.operation
    return tail, child


def _operations_inside(scene: Scene, operations: Sequence[int]) -> list[list[int]]:
    inside: list[list[int]] = [[] for _ in scene.calls]
    for index in operations:
        for call in scene.operations[index].calls:
            inside[call].append(index)
    return inside


def _runs(
    scene: Scene, parts: Sequence[int], inside: Sequence[Sequence[int]], *, is_rolled: bool
) -> Iterator[list[int]]:
    """Yield the parts of a call, neighbours that are alike together."""
    run: list[int] = []
    content: Hashable = None
    for call in parts:
        its_content = _content(scene, call, inside[call])
        if run and its_content == content and _follows(scene, run[-1], call, inside, is_rolled=is_rolled):
            run.append(call)
            continue
        if run:
            yield run
        run, content = [call], its_content
    if run:
        yield run


def _follows(scene: Scene, before: int, call: int, inside: Sequence[Sequence[int]], *, is_rolled: bool) -> bool:
    if is_rolled and scene.calls[before].address == scene.calls[call].address:
        return False
    last, first = inside[before][-1], inside[call][0]
    if first <= last:
        return False
    between = range(last + 1, first)
    # Buffers may lie in between; something computed there would belong to no block.
    return all(scene.operations[index].role == "buffer" for index in between)


def _content(scene: Scene, call: int, members: Sequence[int]) -> Hashable:
    """Return what a call did, in terms that do not depend on where it stands."""
    place = {index: number for number, index in enumerate(members)}
    depth = len(scene.operations[members[0]].calls)
    around = scene.operations[members[0]].calls.index(call)
    rows: list[Hashable] = [scene.calls[call].class_name, depth]
    for index in members:
        operation = scene.operations[index]
        inner = tuple(scene.calls[one].class_name for one in operation.calls[around:])
        parents = tuple((place.get(parent.operation, -1), parent.arguments) for parent in operation.parents)
        rows.append((operation.layer_type, operation.shape, operation.parameter_shapes, inner, parents))
    return tuple(rows)
