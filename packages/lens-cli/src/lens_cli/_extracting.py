"""What does `lens extract` do?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from lens_cli._errors import CommandError, carried_out
from lens_cli._options import Debug, Quiet, option
from lens_cli._request import Request


def extract(
    asked: Request,
    *,
    layers: Annotated[
        list[str],
        option(
            "--layers",
            "-l",
            metavar="KEYS",
            help="Layers to keep: labels, module addresses, numbers, globs ('blocks.*.attn'), re:PATTERN, type:conv2d, "
            "all; NAME=KEY under a name of your own. With commas, repeatable.",
        ),
    ],
    out: Annotated[Path, option("--out", "-o", metavar="DIR", help="Folder to write.")],
    inputs: Annotated[
        Path | None,
        option("--inputs", metavar="DIR", help="Run over every image or array in this folder, one stimulus a file."),
    ] = None,
    batch_size: Annotated[int, option(min=1, help="Stimuli in a pass.")] = 16,
    store_dtype: Annotated[str | None, option(help="Floating type of what is stored, such as float16.")] = None,
    transform: Annotated[
        str | None, option(metavar="CODE:FUNCTION", help="Function that makes of each value what is stored.")
    ] = None,
    on_divergence: Annotated[
        Literal["raise", "resolve"],
        option(help="Where a batch takes another path through the model: stop, or choose the layers again."),
    ] = "raise",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write activations of a model to a folder; the last line says where.

    Of one input (--input), as a history with its values. Of many stimuli (--inputs), in batches, one row a stimulus;
    a run that was killed goes on where it was.
    """
    with carried_out(debug=debug, quiet=quiet):
        from lens_cli._extract_many import extract_many
        from lens_cli._extract_one import extract_one
        from lens_cli._extraction import Extraction

        if asked.meta:
            raise CommandError("--meta has no values that could be kept; leave it out.")
        wanted = Extraction(tuple(layers), store_dtype, transform, batch_size, on_divergence)
        if inputs is None:
            extract_one(asked, wanted, out)
        else:
            extract_many(asked, wanted, inputs, out, quiet=quiet)
        print(out if quiet else f"wrote {out}")
