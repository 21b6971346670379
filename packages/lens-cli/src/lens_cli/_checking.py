"""What do `lens validate` and `lens diff` do?"""

from __future__ import annotations

from typing import Annotated

import typer

from lens_cli._errors import NO, CommandError, carried_out
from lens_cli._options import Debug, Quiet, option
from lens_cli._request import Request
from lens_cli._words import listed

AsJson = Annotated[bool, option("--json", help="Print the whole answer as JSON.")]


def validate(
    asked: Request,
    *,
    every: Annotated[
        bool,
        option("--all", help="Show every operation, not only what is not proven."),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Prove that the activations of a model are right; exit status 1 when they are not proven."""
    with carried_out(debug=debug, quiet=quiet):
        from lens_cli._terminal import show
        from lens_cli._verdicts import prove, verdicts, verdicts_as_json

        proof = prove(asked, quiet=quiet)
        if as_json:
            print(verdicts_as_json(proof))
        elif not quiet:
            show(verdicts(proof, every=every))
        if not proof:
            raise typer.Exit(NO)


def diff(
    asked: Request,
    other: Annotated[
        str, typer.Argument(metavar="OTHER", show_default=False, help="The second model, or what was saved of it.")
    ],
    *,
    ignore: Annotated[
        list[str] | None,
        option(
            metavar="ASPECTS", help="What may differ: operations, shapes, dtypes, passes, edges, parameters, modules."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Print what changed from one model to another; exit status 1 when something did.

    Each may be a file that lens summary --json wrote, so that two versions of torch can be compared.
    """
    with carried_out(debug=debug, quiet=quiet):
        from lens_cli._compare import ASPECTS, changes
        from lens_cli._diff import both_sides, changes_as_json, changes_as_text
        from lens_cli._terminal import show

        ignored = listed(ignore)
        for name in ignored:
            if name not in ASPECTS:
                raise CommandError(f"--ignore: there is no aspect {name!r}; they are {', '.join(ASPECTS)}.")
        first, second = both_sides(asked, other)
        found = changes(first, second, [aspect for aspect in ASPECTS if aspect not in ignored])
        if as_json:
            print(changes_as_json(first, second, found))
        elif not quiet:
            show(changes_as_text(first, second, found, (asked.model, other)))
        if found:
            raise typer.Exit(NO)
