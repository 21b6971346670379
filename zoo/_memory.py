"""How much memory does a process take, and how is it bounded?

`RLIMIT_AS` bounds the address space, so that an allocation fails inside the process with an error that names it; the
server also watches resident memory, since an address space is larger than what is used.  Linux only, as is the server.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PARENT_DEATH_SIGNAL = 1
_SLACK = 2


def resident_bytes(process: int | str = "self") -> int:
    """Memory of a process that is in RAM; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def peak_bytes() -> int:
    """The most memory in RAM since the last reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak() -> None:
    """Starts a new peak here."""
    with contextlib.suppress(OSError):  # a container may forbid it: the peak is then that of the whole process
        Path("/proc/self/clear_refs").write_text("5")


def bound_memory(mib: int) -> None:
    """Lets this process take no more address space than now plus twice `mib`: the server stops it at `mib` in RAM."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE
    limit = size + _SLACK * mib * (1 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def die_with_parent() -> None:
    """Asks the kernel to kill this process when its parent ends, however it ends."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
