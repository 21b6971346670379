"""How does one look through hundreds of drawings?

`write_index` writes `index.html` into the folder of drawings: families with their models, each a small picture that
leads to the full one, with a box to search by name.  One file, no script from elsewhere.  A deep network is drawn as a
ribbon, of which nothing would be left on a thumbnail; the page shows the beginning of it, at a size that can be read.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from zoo._results import Record

_TALL = 2.5
"""Heights of a drawing in its widths from which on only its beginning is shown."""

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Zoo</title>
<style>
 body {{ font: 14px/1.4 sans-serif; margin: 0 2em 2em; color: #222; }}
 header {{ position: sticky; top: 0; z-index: 1; padding: 1em 0 .6em; }}
 header {{ background: #fff; border-bottom: 1px solid #ddd; }}
 h1 {{ display: inline; font-size: 1.5em; margin-right: 1em; }}
 h2 {{ font-size: 1.2em; }}
 input {{ font: inherit; padding: .3em .6em; width: 16em; }}
 nav {{ margin-top: .6em; line-height: 1.7; max-height: 6.8em; overflow: auto; }}
 nav a {{ margin-right: 1em; white-space: nowrap; }}
 a {{ color: #25c; text-decoration: none; }}
 a:hover {{ text-decoration: underline; }}
 section {{ scroll-margin-top: 11em; }}
 .models {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 12px; }}
 figure {{ margin: 0; border: 1px solid #ccc; border-radius: 6px; overflow: hidden; }}
 figure:hover {{ border-color: #25c; }}
 figure > a {{ display: block; position: relative; height: 220px; padding: 8px; }}
 figure img {{ width: 100%; height: 100%; object-fit: contain; }}
 .tall img {{ object-fit: cover; object-position: top; }}
 .tall > a::after {{ content: ""; position: absolute; inset: auto 0 0; height: 50px; }}
 .tall > a::after {{ background: linear-gradient(#fff0, #fff); }}
 .none {{ display: grid; place-content: center; height: 236px; color: #888; }}
 figcaption {{ overflow-wrap: anywhere; padding: 6px 8px; height: 100%; }}
 figcaption {{ background: #fafafa; border-top: 1px solid #eee; }}
 .bad {{ color: #b00; }}
</style>
<header>
<h1>{title}</h1>
<input id="search" type="search" placeholder="Name contains ..." autofocus>
<nav>{nav}</nav>
</header>
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
        image = '<div class="none">no drawing</div>'
    if (folder / rolled).exists():
        facts += f', <a href="{quote(rolled)}">rolled</a>'
    bad = "" if record["outcome"] == "passed" else f' <span class="bad">{html.escape(record["outcome"])}</span>'
    kind = ' class="tall"' if _is_tall(folder / picture) else ""
    return f'<figure{kind} data-name="{shown}">{image}<figcaption><b>{shown}</b><br>{facts}{bad}</figcaption></figure>'


def _is_tall(picture: Path) -> bool:
    """Whether a drawing is so much higher than wide that all of it would be too small to see."""
    if not picture.exists():
        return False
    with picture.open(encoding="utf-8") as file:
        size = re.search(r'<svg width="([\d.]+)pt" height="([\d.]+)pt"', file.read(4096))
    return size is not None and float(size[2]) > _TALL * float(size[1])


def _anchor(family: str) -> str:
    return html.escape("".join(c if c.isalnum() else "-" for c in family), quote=True)
