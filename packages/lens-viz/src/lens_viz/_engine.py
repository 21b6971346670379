"""Where does the `graphviz` library begin and end?

Here only: quoting of DOT values, and `ModelGraph`, a `graphviz.Digraph` whose `pipe`, `render` and notebook display go
through this package's engines instead of a `dot` that may not be there.

Every value that holds words of the model goes through `label`: backslashes doubled and HTML-like labels switched off by
`graphviz.escape`, and what looks like a character entity (`&lt;`) kept as it is written.
"""

# The library has annotations but no stub file, and leaves some of them out.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import graphviz
from graphviz import quoting

from lens_viz._drawing import Drawing
from lens_viz._errors import EngineError, LayoutTimeoutError
from lens_viz._layout import DEFAULT_TIMEOUT_S, lay_out

_ENTITY = re.compile(r"&(?=[A-Za-z#][A-Za-z0-9]*;)")
_PAGE_WIDTH_PT = 600
"""Every notebook is at least this wide, but on a telephone."""
_SVG_SIZE = re.compile(r'<svg width="([\d.]+)pt" height="([\d.]+)pt"')
StrPath: TypeAlias = str | os.PathLike[str]
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|-?[0-9]+(\.[0-9]+)?")


def label(lines: Iterable[str], *, end: str = r"\n") -> str:
    r"""Return lines as one DOT value that shows exactly them.

    Args:
        lines: Clean texts.
        end: What ends a line: `\n` centres it, `\l` sets it to the left.

    >>> label(["<b>", "a\\b"])
    '<b>\\na\\\\b'
    """
    texts = [str(graphviz.escape(_ENTITY.sub("&amp;", line))) for line in lines]
    joined = end.join(texts)
    return graphviz.nohtml(joined if end == r"\n" or not texts else joined + end)


def attributes(values: Mapping[str, str | None]) -> str:
    """Return a DOT attribute list; what is None or empty is left out, but for an empty label."""
    parts = [
        f"{name}={value if _PLAIN.fullmatch(value) and value.lower() not in quoting.KEYWORDS else _quoted(value)}"
        for name, value in values.items()
        if value or (value == "" and name == "label")
    ]
    return f"[{' '.join(parts)}]"


def _quoted(value: str) -> str:
    text = quoting.quote(graphviz.nohtml(value))
    return text if text.startswith('"') else f'"{text}"'


class ModelGraph(graphviz.Digraph):
    """A model's graph: a `graphviz.Digraph` that needs no system Graphviz.

    `source` is the DOT text, `pipe(format=)` returns a picture, `render()` writes one, and notebooks show it.

    Attributes:
        drawing: The pure data it was made from.
        timeout_s: Seconds that the layout may take.
        advice: What to ask for when the layout is too slow, such as a depth that works.
    """

    def __init__(
        self,
        drawing: Drawing,
        body: Iterable[str],
        *,
        engine: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        advice: str = "",
        name: str = "model",
    ) -> None:
        super().__init__(name=name, filename=f"{name}.gv", format="svg", body=list(body))
        self.body: list[str]
        self.drawing = drawing
        self.timeout_s = timeout_s
        self.advice = advice
        self._executable = engine

    def copy(self) -> ModelGraph:
        """Return a copy that can be changed."""
        return ModelGraph(
            self.drawing,
            list(self.body),
            engine=self._executable,
            timeout_s=self.timeout_s,
            advice=self.advice,
            name=self.name or "model",
        )

    def pipe(  # pyright: ignore[reportIncompatibleMethodOverride] - one signature for the library's four overloads
        self,
        format: str | None = None,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = False,
        *,
        engine: str | None = None,
        encoding: str | None = None,
    ) -> Any:
        """Return the picture.

        Args:
            format: `svg`, `pdf`, `png`, or another of Graphviz's; svg if not given.
            renderer: As in graphviz; the same for `formatter`.
            neato_no_op: Ignored: the layout is always `dot`'s; the same for `quiet` and `engine`.
            encoding: Give text in this encoding instead of bytes.

        Returns:
            Bytes, or text when `encoding` was given.

        Raises:
            EngineError: No Graphviz, too slow, or it failed.
        """
        data, is_scaled_down = self._picture(format, renderer, formatter)
        if is_scaled_down:
            warnings.warn(
                f"The bitmap is beyond 32,767 pixels and was scaled down; ask for svg or pdf.{self.advice}",
                stacklevel=2,
            )
        return data if encoding is None else data.decode(encoding)

    def render(
        self,
        filename: StrPath | None = None,
        directory: StrPath | None = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        renderer: str | None = None,
        formatter: str | None = None,
        neato_no_op: bool | int | None = None,
        quiet: bool = False,
        quiet_view: bool = False,
        *,
        outfile: StrPath | None = None,
        engine: str | None = None,
        raise_if_result_exists: bool = False,
        overwrite_source: bool = False,
    ) -> str:
        """Write the DOT source, then the picture beside it, and return the picture's path.

        The arguments are graphviz's; the source is written first and stays when the layout fails.

        Raises:
            EngineError: No Graphviz, too slow, or it failed; its `source_path` is the source.
        """
        source_path, picture_path, chosen = self._paths(filename, directory, outfile, format, formatter, renderer)
        if raise_if_result_exists and picture_path.exists():
            raise FileExistsError(f"{picture_path} exists already.")
        source_path.parent.mkdir(parents=True, exist_ok=True)
        picture_path.parent.mkdir(parents=True, exist_ok=True)
        source_path.write_text(self.source, encoding="utf-8")
        try:
            data, is_scaled_down = self._picture(chosen, renderer, formatter)
        except EngineError as error:
            raise located(error, source_path) from error.__cause__
        if is_scaled_down:
            warnings.warn(f"{picture_path} was scaled down to 32,767 pixels; ask for svg or pdf.", stacklevel=2)
        picture_path.write_bytes(data)
        if cleanup:
            source_path.unlink()
        if view:
            self._view(str(picture_path), format=chosen, quiet=quiet_view)
        return str(picture_path)

    def _paths(
        self,
        filename: StrPath | None,
        directory: StrPath | None,
        outfile: StrPath | None,
        picture_format: str | None,
        formatter: str | None,
        renderer: str | None,
    ) -> tuple[Path, Path, str]:
        """Return where the source and the picture go, and the picture's format, as graphviz names them."""
        folder = Path(directory or str(self.directory or ""))
        if outfile is not None:
            picture_path = folder / outfile
            source_path = picture_path.with_suffix(".gv") if filename is None else folder / filename
            return source_path, picture_path, picture_format or picture_path.suffix[1:] or str(self.format)
        source_path = folder / (filename or str(self.filename))
        chosen = picture_format or str(self.format)
        picture_path = Path(".".join(part for part in (str(source_path), formatter, renderer, chosen) if part))
        return source_path, picture_path, chosen

    def picture(self, picture_format: str) -> tuple[bytes, bool]:
        """Return the picture, and whether it had to be scaled down."""
        return self._picture(picture_format, None, None)

    def _picture(self, format: str | None, renderer: str | None, formatter: str | None) -> tuple[bytes, bool]:
        parts = [format or self.format, renderer, formatter]
        picture_format = ":".join(part for part in parts if part)
        try:
            picture = lay_out(
                self.source, picture_format=picture_format, engine=self._executable, timeout_s=self.timeout_s
            )
        except LayoutTimeoutError as error:
            raise LayoutTimeoutError(f"{error}{self.advice}") from None
        return picture.data, picture.is_scaled_down

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **_: Any
    ) -> dict[str, Any]:
        """Return what notebooks show: the picture, and one line of text for those that show no pictures."""
        wanted = set(include) if include is not None else {"image/svg+xml", "text/plain"}
        wanted -= set(exclude or ())
        bundle: dict[str, Any] = {}
        text = repr(self)
        try:
            if "image/svg+xml" in wanted:
                bundle["image/svg+xml"] = _fitting(self._picture("svg", None, None)[0].decode("utf-8"))
            if "image/png" in wanted:
                bundle["image/png"] = self._picture("png", None, None)[0]
            if "image/jpeg" in wanted:
                bundle["image/jpeg"] = self._picture("jpeg", None, None)[0]
        except EngineError as error:
            text = f"{text}\n{error}\nIts .source is complete."
            wanted.add("text/plain")
        if "text/plain" in wanted:
            bundle["text/plain"] = text
        return bundle

    def __repr__(self) -> str:
        drawing = self.drawing
        name = drawing.title[0] if drawing.title else self.name
        return f"<ModelGraph of {name}: {len(drawing.nodes):,} nodes, {len(drawing.edges):,} edges>"


def located(error: EngineError, source_path: Path) -> EngineError:
    """Return the error with the place of the source that was written all the same."""
    told = type(error)(f"{error} The graph itself was written to {source_path}.")
    told.source_path = source_path
    return told


def _fitting(svg: str) -> str:
    """Let a wide picture shrink to the page instead of being cut off; it never grows beyond its own size.

    Some notebooks put the markup into their page, where a style counts; others make an image of it, which has the size
    that the picture says: none but its proportions, where it may be wider than the page.
    """

    def size(found: re.Match[str]) -> str:
        width, height = found[1], found[2]
        if float(width) <= _PAGE_WIDTH_PT:
            return f'<svg width="{width}pt" height="{height}pt" style="max-width:100%;height:auto"'
        return f'<svg width="100%" style="max-width:{width}pt;height:auto"'

    return _SVG_SIZE.sub(size, svg, count=1)
