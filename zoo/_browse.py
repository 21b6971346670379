"""How does one look through hundreds of drawings?

`write_index` writes `index.html` into the folder of drawings: families with their models, each a small picture that
leads to the full one, with a box to search by name.  One file, no script from elsewhere.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from zoo._results import Record

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Zoo</title>
<style>
 body {{ font: 14px/1.4 sans-serif; margin: 2em; }}
 nav a {{ margin-right: 1em; }}
 section {{ margin-top: 2em; }}
 .models {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 12px; }}
 figure {{ margin: 0; border: 1px solid #ccc; border-radius: 6px; padding: 8px; }}
 figure img {{ width: 100%; height: 180px; object-fit: contain; object-position: top; }}
 figcaption {{ overflow-wrap: anywhere; }}
 .bad {{ color: #b00; }}
</style>
<h1>{title}</h1>
<input id="search" type="search" placeholder="Name contains ..." autofocus>
<nav>{nav}</nav>
{sections}
<script>
 document.getElementById("search").addEventListener("input", event => {{
  const wanted = event.target.value.toLowerCase();
  for (const figure of document.querySelectorAll("figure"))
   figure.hidden = !figure.dataset.name.toLowerCase().includes(wanted);
  for (const section of document.querySelectorAll("section"))
   section.hidden = !section.querySelector("figure:not([hidden])");
 }});
</script>
"""


def write_index(folder: Path, records: Sequence[Record]) -> Path:
    """Writes the page that leads to every drawing in `folder`, and returns its path."""
    families: dict[str, list[Record]] = {}
    for record in records:
        families.setdefault(record["family"], []).append(record)
    page = _PAGE.format(
        title=f"{len(records)} models",
        nav=" ".join(
            f'<a href="#{_anchor(family)}">{html.escape(family)} ({len(models)})</a>'
            for family, models in families.items()
        ),
        sections="\n".join(_section(folder, family, models) for family, models in families.items()),
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def _section(folder: Path, family: str, models: list[Record]) -> str:
    figures = "\n".join(_figure(folder, record) for record in models)
    head = f'<section id="{_anchor(family)}"><h2>{html.escape(family)}</h2>'
    return f'{head}<div class="models">\n{figures}\n</div></section>'


def _figure(folder: Path, record: Record) -> str:
    name, shown = record["name"], html.escape(record["name"], quote=True)
    picture, rolled = f"{name}.svg", f"{name}.rolled.svg"
    facts = f"{record['operations']:,} operations" if "operations" in record else ""
    if (folder / picture).exists():
        image = f'<a href="{quote(picture)}"><img loading="lazy" src="{quote(picture)}" alt="{shown}"></a>'
    else:
        image = "<p>no drawing</p>"
    if (folder / rolled).exists():
        facts += f', <a href="{quote(rolled)}">rolled</a>'
    bad = "" if record["outcome"] == "passed" else f' <span class="bad">{html.escape(record["outcome"])}</span>'
    return f'<figure data-name="{shown}">{image}<figcaption><b>{shown}</b><br>{facts}{bad}</figcaption></figure>'


def _anchor(family: str) -> str:
    return html.escape("".join(c if c.isalnum() else "-" for c in family), quote=True)
