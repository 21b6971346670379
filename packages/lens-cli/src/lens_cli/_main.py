"""Which words does `lens` understand?

    lens summary MODEL     what it is made of: layers or modules, shapes, sizes, parameters, FLOPs
    lens draw MODEL        a picture of its graph
    lens table MODEL       one table of facts, filtered and sorted, as text, CSV, JSON or Parquet
    lens extract MODEL     its activations, on disk
    lens validate MODEL    proof that the activations are right
    lens diff A B          what changed from one model to another

torch is imported when a command runs and not before, so that `lens --help` answers at once.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from lens_cli._checking import diff, validate
from lens_cli._extracting import extract
from lens_cli._looking import draw, summary, table
from lens_cli._options import about_a_model

app = typer.Typer(
    name="lens",
    help="Look inside PyTorch models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"lens {version('lens-cli')}")
        raise typer.Exit


@app.callback(
    epilog="Exit status: 0 done; 1 the answer is no (not valid, not the same); 2 could not be carried out; "
    "130 interrupted."
)
def lens(
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_tell_version)
    ] = False,
) -> None:
    """Look inside PyTorch models."""


def _examples(*lines: str) -> str:
    # A blank line keeps the lines apart.
    return "\n\n".join(("Examples:", *(f"  {line}" for line in lines)))


app.command(
    epilog=_examples(
        "lens summary torchvision.models:resnet50 --input 1,3,224,224",
        "lens summary 'model.py:Net?width=64' -i 1,16 --depth 2 --columns module,output,parameters,flops",
        "lens summary hf:config.json -i input_ids=int64:1,16 --json > structure.json",
    )
)(about_a_model(summary))
app.command(
    epilog=_examples(
        "lens draw torchvision.models:alexnet --input 6,3,224,224 --out alexnet.svg",
        "lens draw model.py:Net -i 1,16 -o net.pdf --mode rolled --depth 2 --legend",
        "open $(lens draw model.py:Net -i 1,16 -o net.svg --quiet)",
    )
)(about_a_model(draw))
app.command(
    epilog=_examples(
        "lens table torchvision.models:alexnet -i 1,3,224,224 --where \"layer_type = 'conv2d'\" --sort -tensor_fsize",
        "lens table model.py:Net operations -i 1,16 --out operations.parquet",
        "lens table model.py:Net edges -i 1,16 --describe",
    )
)(about_a_model(table))
app.command(
    epilog=_examples(
        "lens extract torchvision.models:resnet18 --weights resnet18.safetensors --inputs stimuli/ --image-size 224 "
        "--normalize imagenet --layers layer1,layer2,layer3,layer4 --out acts/",
        "lens extract model.py:Net --seed 0 -i 1,16 --layers 'relu_*' --out acts/",
    )
)(about_a_model(extract))
app.command(
    epilog=_examples(
        "lens validate torchvision.models:resnet18 --input 1,3,64,64 --seed 0",
        "lens validate model.py:Net -i 1,16 --quiet && echo proven",
    )
)(about_a_model(validate))
app.command(
    epilog=_examples(
        "lens diff torchvision.models:resnet18 torchvision.models:resnet34 -i 1,3,64,64",
        "lens diff torch-2.6.json torch-2.15.json --ignore dtypes",
    )
)(about_a_model(diff))


def main() -> None:
    """Runs the command line."""
    app()
