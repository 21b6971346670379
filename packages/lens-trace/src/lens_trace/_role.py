"""What is known of one torch function?

METADATA   `shape`, `dim`, `is_floating_point`: answered, never recorded
PLAIN      `__repr__`, `backward`, hooks: run with recording off
READ       `item`, `__bool__`, `tolist`: a value leaves the tensor world
ESCAPE     `numpy`, `data_ptr`, dlpack: a raw handle on the memory leaves too, torch no longer sees every write
COMPOSITE  a Python function of torch that is opened, so that the parts inside are what is recorded
OPERATION  everything else
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

METADATA, PLAIN, READ, ESCAPE, COMPOSITE, OPERATION = range(6)

WriteRule = Literal["none", "first", "listed", "running_statistics", "watched"]
"""`watched`: nothing says what it writes, so version counters before and after are compared."""


class Role:
    """What is known of one function; made once and shared by all its calls."""

    __slots__ = (
        "family",
        "frozen",
        "function",
        "is_inplace",
        "is_random",
        "is_simple",
        "kind",
        "moves_object",
        "name",
        "opened",
        "qualified_name",
        "quiet_at",
        "write_rule",
        "written",
    )  # fmt: skip

    def __init__(self, function: Any, kind: int, name: str, qualified_name: str, family: str) -> None:
        self.function = function
        self.kind = kind
        self.name = name
        self.qualified_name = qualified_name
        self.family = family
        self.opened: Callable[..., Any] | None = None
        self.is_random = False
        self.write_rule: WriteRule = "none"
        self.written: tuple[tuple[int, str], ...] = ()
        self.moves_object = False
        self.frozen: Any = None
        self.is_simple = False
        """Writes nothing, draws nothing."""
        self.is_inplace = False
        """Writes its first argument, returns it, and leaves where that lies as it is."""
        self.quiet_at: int | None = None
        """Position of the argument that is False where a call writes nothing."""
