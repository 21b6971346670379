"""Which words does `lens` understand?

    lens draw MODEL --input SHAPE --out FILE      print the summary and write the drawing
    lens summary MODEL --input SHAPE              print the summary, or some layers of it

torch is imported when a command runs and not before, so that `lens --help` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lens_cli._errors import one_line_errors

app = typer.Typer(
    name="lens",
    help="Look inside PyTorch models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="package.module:factory, or a torch.nn.Module there.")]
Input = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="SHAPE", help="Shape of an input, 6,3,224,224 or int64:1,16. Repeatable."),
]
Train = Annotated[bool, typer.Option("--train/--eval", help="Mode that the model runs in.")]
Seed = Annotated[int | None, typer.Option(help="Seed of weights, inputs and the pass.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.callback()
def lens() -> None:
    """Look inside PyTorch models."""


@app.command(epilog="Example: lens draw torchvision.models:alexnet --input 6,3,224,224 --out alexnet.svg")
def draw(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .svg, .pdf, .png or .gv.")],
    input: Input = None,
    mode: Annotated[Literal["unrolled", "rolled"], typer.Option(help="One node a pass, or one node a layer.")] = (
        "unrolled"
    ),
    depth: Annotated[str, typer.Option(help="Nesting to show: a number, auto or all.")] = "auto",
    direction: Annotated[Literal["TB", "BT", "LR", "RL"], typer.Option(help="Where the flow runs to.")] = "TB",
    buffers: Annotated[bool, typer.Option("--buffers", help="Show the model's buffers.")] = False,
    train: Train = False,
    seed: Seed = None,
    debug: Debug = False,
) -> None:
    """Print the summary of a model and write the drawing of its graph."""
    with one_line_errors(debug=debug):
        from lens_cli._commands import draw_to_file, print_summary, run_structure
        from lens_torch import check_ending

        check_ending(out)
        history = run_structure(model, input or (), train=train, seed=seed)
        print_summary(history)
        draw_to_file(
            history,
            out,
            mode=mode,
            depth=int(depth) if depth.isdecimal() else depth,
            direction=direction,
            show_buffers=buffers,
        )


@app.command(epilog="Example: lens summary torchvision.models:alexnet --input 6,3,224,224 --layer conv2d_3")
def summary(
    model: Model,
    input: Input = None,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", "-l", metavar="KEY", help="Show this layer only. Repeatable.")
    ] = None,
    train: Train = False,
    seed: Seed = None,
    debug: Debug = False,
) -> None:
    """Print the layers of a model with their shapes, sizes and parameters."""
    with one_line_errors(debug=debug):
        from lens_cli._commands import print_summary, run_structure

        print_summary(run_structure(model, input or (), train=train, seed=seed), layer or ())


def main() -> None:
    """Runs the command line."""
    app()
