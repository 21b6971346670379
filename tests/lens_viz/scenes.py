"""Forward passes written down as scenes, no model and no torch needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lens_viz._scene import ModuleCall, Operation, Parent, Scene


class Stage:
    """Writes a scene down step by step; every method returns the index of its operation."""

    def __init__(self, name: str = "Model") -> None:
        self.name = name
        self.operations: list[Operation] = []
        self.calls: list[ModuleCall] = []
        self.stack: list[int] = []
        self.layers: dict[str, int] = {}

    def add(self, label: str, *parents: int | Parent, role: Any = "operation", **facts: Any) -> int:
        facts.setdefault("shape", (2, 3))
        facts.setdefault("nbytes", 24)
        facts.setdefault("layer_type", label.split("_")[0])
        edges = tuple(parent if isinstance(parent, Parent) else Parent(parent) for parent in parents)
        layer = self.layers.setdefault(label, len(self.layers))
        calls = tuple(self.stack)
        self.operations.append(Operation(label=label, layer=layer, role=role, parents=edges, calls=calls, **facts))
        return len(self.operations) - 1

    def input(self, label: str = "input_1_1", **facts: Any) -> int:
        return self.add(label, role="input", **facts)

    def output(self, parent: int, label: str = "output_1_9") -> int:
        return self.add(label, parent, role="output")

    @contextmanager
    def module(self, address: str, class_name: str = "Block", **facts: Any) -> Iterator[None]:
        parent = self.stack[-1] if self.stack else None
        self.calls.append(ModuleCall(address, class_name, parent, **facts))
        self.stack.append(len(self.calls) - 1)
        yield
        self.stack.pop()

    def leaf(self, address: str, label: str, *parents: int, role: Any = "parameters", **facts: Any) -> int:
        """A module of one operation."""
        with self.module(address, "Leaf"):
            return self.add(label, *parents, role=role, is_bottom_level=True, **facts)

    def finish(self) -> Scene:
        return Scene((self.name, "1 tensor, 24 B", "0 parameters, 0 B"), tuple(self.operations), tuple(self.calls))


def figure_2() -> Scene:
    """A model with every element of Figure 2: modules, noise, a buffer, a division and an if.

    input -> [features: conv2d -> relu] -> div(rand) -> output;  div -> mean -> gt (if);  buffer -> add
    """
    stage = Stage("Figure2")
    x = stage.input(shape=(6, 3, 224, 224), nbytes=3612672)
    with stage.module("features", "Sequential", parameters=1792):
        conv = stage.leaf("features.0", "conv2d_1_2", x, parameter_shapes=((64, 3, 3, 3), (64,)))
        relu = stage.leaf("features.1", "relu_1_3", conv, role="operation")
    noise = stage.add("rand_1_4", is_internal=True)
    buffer = stage.add("buffer_1", role="buffer", address="scale")
    scaled = stage.add("add_1_5", relu, buffer)
    divided = stage.add("div_1_6", Parent(scaled, ("arg 0",)), Parent(noise, ("arg 1",)))
    mean = stage.add("mean_1_7", Parent(divided, (), True), shape=(), nbytes=4)
    stage.add("gt_1_8", mean, role="terminal_bool", shape=(), nbytes=1)
    stage.output(divided)
    return stage.finish()


def figure_3(passes: int = 2) -> Scene:
    """Figure 3A: cos, linear, add, sin, again and again."""
    stage = Stage("Figure3")
    value = stage.input()
    for number in range(1, passes + 1):
        facts = {"pass_num": number, "passes_total": passes}
        value = stage.add("cos_1_2", value, **facts)
        with stage.module("fc", "Linear", pass_num=number, passes_total=passes):
            value = stage.add("linear_1_3", value, role="parameters", is_bottom_level=True, **facts)
        value = stage.add("add_1_4", value, **facts)
        value = stage.add("sin_1_5", value, **facts)
    stage.output(value, "output_1_6")
    return stage.finish()


def self_loop(passes: int = 5) -> Scene:
    """One operation that feeds itself."""
    stage = Stage("Loop")
    value = stage.input()
    for number in range(1, passes + 1):
        value = stage.add("tanh_1_2", value, pass_num=number, passes_total=passes)
    stage.output(value, "output_1_3")
    return stage.finish()


def blocks(count: int = 12, *, odd: Sequence[int] = ()) -> Scene:
    """A stem, identical residual blocks, a head; the blocks in `odd` have another shape."""
    stage = Stage("Blocks")
    value = stage.leaf("stem", "linear_0", stage.input())
    number = 0
    for index in range(count):
        number += 3
        width = 5 if index in odd else 3
        with stage.module(f"blocks.{index}", "Block", parameters=40):
            first = stage.leaf(f"blocks.{index}.fc", f"linear_{number}", value, shape=(2, width))
            second = stage.leaf(f"blocks.{index}.act", f"relu_{number}", first, role="operation")
            value = stage.add(f"add_{number}", value, second)
    value = stage.leaf("head", "linear_99", value)
    stage.output(value)
    return stage.finish()


def chain(length: int) -> Scene:
    """A model without modules."""
    stage = Stage("Chain")
    value = stage.input()
    for number in range(length):
        value = stage.add(f"relu_{number}", value)
    stage.output(value)
    return stage.finish()
