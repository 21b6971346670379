"""Which options do commands share?

The words about model and inputs are the same for every command that runs a model, so they are written once:
`@about_a_model` puts them in front of a command's own and hands them over as one `Request`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from lens_cli._request import Request

option = functools.partial(typer.Option, rich_help_panel="What comes out")
"""An option of a command's own."""
_of_model = functools.partial(typer.Option, rich_help_panel="The model")
_of_input = functools.partial(typer.Option, rich_help_panel="Its inputs")
_other = functools.partial(typer.Option, rich_help_panel="Other options")

Quiet = Annotated[bool, _other("--quiet", "-q", help="Print the answer and errors only.")]
Debug = Annotated[bool, _other("--debug", help="Show the traceback of an error.")]


def request(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            show_default=False,
            help="package.module:factory, file.py:Net, a .pt2 or scripted .pt file, or hf:config.json; where no "
            "values are computed also the folder of a stored history.",
        ),
    ],
    model_arg: Annotated[
        list[str] | None,
        _of_model(metavar="NAME=VALUE", help="Argument of the factory; also MODEL?name=value. Repeatable."),
    ] = None,
    weights: Annotated[
        Path | None,
        _of_model(metavar="FILE", help="Load these weights: .safetensors or .pt."),
    ] = None,
    train: Annotated[
        bool | None,
        _of_model("--train/--eval", help="Mode that the model runs in; eval when nothing is said.", show_default=False),
    ] = None,
    meta: Annotated[
        bool,
        _of_model("--meta", help="Structure only, without memory for parameters or values."),
    ] = False,
    device: Annotated[str | None, _of_model(help="Where model and inputs go, such as cuda:0.")] = None,
    dtype: Annotated[str | None, _of_model(help="Floating type of both, such as bfloat16.")] = None,
    seed: Annotated[int | None, _of_model(help="Seed of weights, inputs and the pass.")] = None,
    input: Annotated[
        list[str] | None,
        _of_input(
            "--input",
            "-i",
            metavar="WHAT",
            help="A shape (6,3,224,224 or int64:1,16), a file (.npy .pt .safetensors or an image), value:3; "
            "NAME=WHAT for a keyword argument. Repeatable.",
        ),
    ] = None,
    input_from: Annotated[
        str | None,
        _of_input(metavar="CODE:FUNCTION", help="Function that returns the inputs."),
    ] = None,
    image_size: Annotated[
        str | None,
        _of_input(metavar="SIZE", help="Resize images: 224, or height,width."),
    ] = None,
    normalize: Annotated[
        Literal["none", "imagenet"],
        _of_input(help="Mean and deviation that images are given."),
    ] = "none",
    preprocess: Annotated[
        str | None,
        _of_input(metavar="CODE:FUNCTION", help="Function that makes an image a tensor."),
    ] = None,
) -> Request:
    """Returns the words about a model and its inputs as one value."""
    return Request(
        model=model,
        model_args=tuple(model_arg or ()),
        weights=weights,
        inputs=tuple(input or ()),
        inputs_from=input_from,
        image_size=image_size,
        normalize=normalize,
        preprocess=preprocess,
        device=device,
        dtype=dtype,
        seed=seed,
        train=train,
        meta=meta,
    )


def about_a_model(command: Callable[..., None]) -> Callable[..., None]:
    """Makes a command whose first parameter is a `Request` take the words that make one."""
    shared, own = (inspect.signature(f, eval_str=True).parameters for f in (request, command))
    first, *rest = own.values()

    @functools.wraps(command)
    def words(**given: Any) -> None:
        asked = {name: given.pop(name) for name in shared}
        command(**{first.name: request(**asked)}, **given)

    # MODEL first, then what the command itself needs, then what all of them share, and what is least asked for last.
    model, *others = shared.values()
    last = [p for p in rest if p.name in ("quiet", "debug")]
    ordered = (model, *(p for p in rest if p not in last), *others, *last)
    keyword_only = [p.replace(kind=p.KEYWORD_ONLY) for p in ordered]
    words.__signature__ = inspect.Signature(keyword_only)  # pyright: ignore[reportAttributeAccessIssue] - a function takes any attribute
    words.__annotations__ = {p.name: p.annotation for p in keyword_only}
    del words.__wrapped__  # pyright: ignore[reportAttributeAccessIssue] - so that hints are not looked up there
    assert get_type_hints(words)
    return words
