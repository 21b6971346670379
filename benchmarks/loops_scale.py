"""What does the search for recurrent layers cost?

    uv run python benchmarks/loops_scale.py [operations ...]

Graphs are hand-made, in the shapes that a search for repeats finds hard.  Printed: seconds at each size, and how often
the seconds of the smaller size the larger one takes.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

from lens_graph._loops import LoopNode, find_layers

SIZES = (10_000, 100_000)
Nodes = list[LoopNode]


def node(signature: int, *parents: int, parameters: bool = False, site: int | None = None) -> LoopNode:
    return LoopNode(signature, tuple([(parent, place) for place, parent in enumerate(parents)]), parameters, site)


def chain(count: int) -> Nodes:
    """No repeats at all."""
    return [node(index, *([index - 1] if index else [])) for index in range(count)]


def parametrised_loop(count: int) -> Nodes:
    """linear, relu, add, dropout again and again."""
    return [node(index % 4, max(index - 1, 0), parameters=index % 4 == 0) for index in range(count)]


def free_loop(count: int) -> Nodes:
    """Four functions without parameters again and again."""
    return [LoopNode(None, (), False, None), *(node(index % 4, index - 1) for index in range(1, count))]


def single_operation_loop(count: int) -> Nodes:
    """One function again and again."""
    return [LoopNode(None, (), False, None), *(node(0, index - 1, site=7) for index in range(1, count))]


def nested_loops(count: int) -> Nodes:
    """Loops of 3 in loops of 4 in loops of 5, five levels deep, without parameters."""
    body = [0]
    for level in range(1, 8):
        body = body * (2 + level % 4) + [level]
    return [node(body[index % len(body)], max(index - 1, 0), site=index % len(body)) for index in range(count)]


def many_layers(count: int) -> Nodes:
    """200 layers, passed again and again, with a skip connection each."""
    return [
        node(index % 200, max(index - 1, 0), max(index - 7, 0), parameters=index % 5 == 0) for index in range(count)
    ]


def different_constants(count: int) -> Nodes:
    """A loop whose last function has another constant each time."""
    return [
        node(index if index % 4 == 3 else index % 4, max(index - 1, 0), parameters=index % 4 == 0)
        for index in range(count)
    ]


def shared_parent(count: int) -> Nodes:
    """One value read by every pass, 10,000 children each."""
    return [LoopNode(None, (), False, None), *(node(0, 0 if index % 2 else index - 1) for index in range(1, count))]


def wide_layer(count: int) -> Nodes:
    """Two passes of one layer, read by half of all operations each."""
    nodes = [node(0, parameters=True), node(0, 0, parameters=True)]
    return nodes + [node(1, index % 2) for index in range(count - 2)]


def summed_list(count: int) -> Nodes:
    """A sum over a list: alike all the way, and no loop."""
    half = count // 2
    sources = [LoopNode(None, (), False, None) for _ in range(half)]
    return sources + [node(0, half + index - 1 if index else 0, index, site=3) for index in range(half)]


def random_tree(count: int) -> Nodes:
    """Alike everywhere, joined at random: every period is possible, none is right."""
    generator = random.Random(0)
    return [LoopNode(None, (), False, None), *(node(0, generator.randrange(i), i - 1) for i in range(1, count))]


def near_tree(count: int) -> Nodes:
    """Alike everywhere, joined near by at random."""
    generator = random.Random(0)
    return [
        LoopNode(None, (), False, None),
        *(node(0, max(0, i - generator.randint(1, 40)), i - 1) for i in range(1, count)),
    ]


def random_word(count: int) -> Nodes:
    """A chain of three functions in random order: thousands of accidental short repeats."""
    generator = random.Random(0)
    return [node(generator.randrange(3), max(index - 1, 0)) for index in range(count)]


def fibonacci_word(count: int) -> Nodes:
    """The word richest in repeats of every period."""
    word, following = [0], [0, 1]
    while len(word) < count:
        word, following = following, following + word
    return [node(word[index], max(index - 1, 0)) for index in range(count)]


def parallel_branches(count: int) -> Nodes:
    """100 equal branches, one after the other."""
    length = count // 100
    return [
        LoopNode(None, (), False, None),
        *(node(1 + index % length, index if index % length else 0) for index in range(length * 100)),
    ]


def sliding_window(count: int) -> Nodes:
    """Alike operations that read half the sequence back, some a step off: steady intervals overlap by the thousand."""
    generator = random.Random(0)
    half = count // 2
    return [
        LoopNode(None, (), False, None),
        *(node(0, max(0, i - half + generator.randint(0, 1)), i - 1) for i in range(1, count)),
    ]


def growing_lists(count: int) -> Nodes:
    """Each iteration reads all earlier ones (a list that is concatenated)."""
    steps = int((2 * count) ** 0.5)
    nodes: Nodes = [node(0, parameters=True)]
    heads = [0]
    while len(nodes) < count:
        head = len(nodes)
        nodes.append(LoopNode(1, tuple([(parent, place) for place, parent in enumerate(heads[-steps:])]), False, 1))
        nodes.append(node(0, head, parameters=True))
        heads.append(len(nodes) - 1)
        if len(heads) > 20:
            heads = heads[-1:]
    return nodes


SHAPES: tuple[Callable[[int], Nodes], ...] = (
    chain,
    parametrised_loop,
    free_loop,
    single_operation_loop,
    nested_loops,
    many_layers,
    different_constants,
    shared_parent,
    wide_layer,
    summed_list,
    random_tree,
    near_tree,
    random_word,
    fibonacci_word,
    parallel_branches,
    sliding_window,
    growing_lists,
)


def valid(nodes: Nodes) -> Nodes:
    """Edges point backward."""
    return [
        LoopNode(
            one.signature,
            tuple([(parent, place) for parent, place in one.parents if parent < index]),
            one.has_parameters,
            one.site,
        )
        for index, one in enumerate(nodes)
    ]


def measure(shape: Callable[[int], Nodes], count: int) -> tuple[float, int]:
    nodes = valid(shape(count))
    started = time.perf_counter()
    layers = find_layers(nodes)
    return time.perf_counter() - started, len(set(layers))


def main() -> None:
    sizes = tuple(int(argument) for argument in sys.argv[1:]) or SIZES
    print(f"{'shape':24}" + "".join(f"{size:>12,}" for size in sizes) + f"{'factor':>9}{'layers':>9}")
    for shape in SHAPES:
        seconds: list[float] = []
        layers = 0
        for size in (*sizes, 1_000_000) if shape is chain and not sys.argv[1:] else sizes:
            elapsed, layers = measure(shape, size)
            seconds.append(elapsed)
        line = f"{shape.__name__:24}" + "".join(f"{elapsed:12.3f}" for elapsed in seconds[: len(sizes)])
        line += f"{seconds[len(sizes) - 1] / seconds[0]:9.1f}{layers:9}"
        print(line + (f"   1,000,000: {seconds[-1]:.2f} s" if len(seconds) > len(sizes) else ""))


if __name__ == "__main__":
    main()
