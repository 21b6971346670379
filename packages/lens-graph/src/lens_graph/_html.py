"""Of what are the notebook's pictures of facts made?

A title, a small table of names and values, folded parts.  Colours are those of the page, so that light and dark
notebooks both show them.  Every text is escaped here and nowhere else: what comes from a model never becomes markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_CELL = "text-align:left;vertical-align:top;padding:1px 14px 1px 0"
_NAME = f"{_CELL};opacity:.65"
_PRE = "margin:4px 0;padding:0;background:none;font-family:monospace;font-size:.95em;line-height:1.3"


def card(title: str, subtitle: str, *parts: str) -> str:
    """A title and what stands beneath it.

    Args:
        title: In bold.
        subtitle: Beside it.
        parts: Markup from the functions below.
    """
    beside = f" <span style='opacity:.65'>{escape(subtitle)}</span>" if subtitle else ""
    return f"<div style='overflow-x:auto'><div><b>{escape(title)}</b>{beside}</div>{''.join(parts)}</div>"


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, one pair a line."""
    body = "".join(
        f"<tr style='background:none'><td style='{_NAME}'>{escape(name)}</td>"
        f"<td style='{_CELL}'>{escape(value)}</td></tr>"
        for name, value in rows
    )
    return f"<table style='margin:2px 0'>{body}</table>" if body else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, hidden: int = 0) -> str:
    """A table with a header, and how many rows it does not show."""
    head = "".join(f"<th style='{_CELL}'>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td style='{_CELL}'>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    more = f"<div>and {hidden:,} more</div>" if hidden > 0 else ""
    return f"<table style='margin:2px 0'><tr>{head}</tr>{body}</table>{more}"


def tree(lines: Iterable[tuple[int, str]]) -> str:
    """Lines at depths."""
    return "".join(f"<div style='padding-left:{1.2 * depth:.1f}em'>{escape(text)}</div>" for depth, text in lines)


def folded(title: str, content: str) -> str:
    """Markup that a click unfolds; nothing where there is none."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>" if content else ""


def preformatted(lines: Iterable[str]) -> str:
    """Lines in a fixed width, as they are."""
    text = "\n".join(lines)
    return f"<pre style='{_PRE}'>{escape(text)}</pre>" if text else ""
