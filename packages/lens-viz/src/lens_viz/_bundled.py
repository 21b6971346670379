"""How are the Graphviz libraries that pygraphviz carries run where they can be stopped?

This file is a script: `python _bundled.py FOLDER FORMAT DPI` reads DOT on its standard input and writes the picture on
its standard output.  It runs in a process of its own because a layout can take hours, all memory, or crash; the
process around it sets the time limit.  It imports nothing of Lens, so that it starts fast.  FOLDER is where pygraphviz
lies.
"""

from __future__ import annotations

import importlib
import sys

MEMORY_LIMIT = 6 * 1024**3
"""Bytes of address space: a layout beyond it fails by itself instead of taking the machine with it."""


def limit_memory() -> None:
    """Set the limit where the platform has one."""
    try:
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, hard))
    except (ImportError, ValueError, OSError):
        return


def main() -> None:
    """Lay out and render."""
    folder, picture_format, dpi = sys.argv[1:]
    sys.path.append(folder)
    limit_memory()
    # By name: the package has no types, and is looked for only where the parent process found it.
    graph = importlib.import_module("pygraphviz").AGraph(string=sys.stdin.buffer.read().decode("utf-8"))
    if dpi != "0":
        graph.graph_attr["dpi"] = dpi
    picture: bytes = graph.draw(format=picture_format, prog="dot")
    sys.stdout.buffer.write(picture)


if __name__ == "__main__":
    main()
