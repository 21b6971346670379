"""What is known of one argument of one call when an exemption is claimed?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lens_trace import Path
from lens_validate._domains import index_bound
from lens_validate._perturb import poisons


class Case:
    """One argument of one call.

    Attributes:
        name: Canonical name of the function.
        path: Where the argument sits.
        value: The argument.
        args: All positional arguments.
        kwargs: All keyword arguments.
        tensors: All tensor arguments by path.
        outputs: What the call returned.
        unchanged: Whether the call gives the same when the argument is replaced by this.
        matches: Whether this in place of the first result would pass for the same.
        rerun: Returns what the call gives with other tensors in place of some arguments.
        is_part: Whether only the part that one writer of the argument wrote is replaced.
        is_custom_target: Whether it is what a custom operation, whose name says nothing, wrote its result into.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        args: list[Any],
        kwargs: dict[str, Any],
        tensors: dict[Path, Tensor],
        outputs: Sequence[Tensor],
        unchanged: Callable[[Tensor], bool],
        *,
        matches: Callable[[Tensor], bool] = lambda _: False,
        rerun: Callable[[Mapping[Path, Tensor]], Sequence[Tensor]] = lambda _: (),
        is_part: bool = False,
        is_custom_target: bool = False,
    ) -> None:
        self.name = name
        self.path = path
        self.value = tensors[path]
        self.args = args
        self.kwargs = kwargs
        self.tensors = tensors
        self.outputs = outputs
        self.unchanged = unchanged
        self.matches = matches
        self.rerun = rerun
        self.is_part = is_part
        self.is_custom_target = is_custom_target

    def given(self, position: int, name: str, default: Any = None) -> Any:
        """Returns an argument by position or name."""
        return self.args[position] if position < len(self.args) else self.kwargs.get(name, default)

    def is_at(self, position: int, *names: str) -> bool:
        """Whether the argument is this one."""
        return self.path[0] == position or self.path[0] in names

    @property
    def others(self) -> list[Tensor]:
        """The other tensor arguments."""
        return [tensor for path, tensor in self.tensors.items() if path != self.path]

    @property
    def index_bound(self) -> int | None:
        """How many valid indices there are, when the argument is an index of whole numbers."""
        if self.value.dtype is torch.bool or self.value.is_floating_point() or self.value.is_complex():
            return None
        return index_bound(self.name, self.path, self.args, self.kwargs)

    def poison_is_unread(self) -> bool:
        """Whether no poison in this argument shows in the result."""
        return all(self.unchanged(poison) for poison in poisons(self.value))
