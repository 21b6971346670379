"""What did the words about model and inputs ask for, and what do they lead to?

A `Request` holds the words, and needs no torch; `prepare` turns it into a `Subject`: a model, its arguments, and the
seed, ready for the functions of lens_torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from lens_cli._files import Preparation


@dataclass(frozen=True)
class Request:
    """The words of a command about its model and inputs."""

    model: str
    """MODEL as it was typed."""
    model_args: tuple[str, ...] = ()
    """`name=value` for the factory."""
    weights: Path | None = None
    """File of weights to load."""
    inputs: tuple[str, ...] = ()
    """Descriptions of inputs."""
    inputs_from: str | None = None
    """Function that returns inputs."""
    image_size: str | None = None
    """Height and width that images are resized to."""
    normalize: str = "none"
    """`imagenet` or `none`."""
    preprocess: str | None = None
    """Function that prepares an image or another file."""
    device: str | None = None
    """Where model and inputs go."""
    dtype: str | None = None
    """Floating type of both."""
    seed: int | None = None
    """Seed of weights, inputs and the pass."""
    train: bool | None = None
    """Training mode; None when nothing was said, which is evaluation mode."""
    meta: bool = False
    """Structure only, without memory."""


@dataclass(frozen=True)
class Subject:
    """A model and what it is to be run on."""

    model: torch.nn.Module
    """Ready: in its mode, on its device, with its weights."""
    args: tuple[Any, ...]
    """Positional arguments."""
    kwargs: dict[str, Any]
    """Keyword arguments."""
    seed: int | None
    """Seed of the pass."""


def prepare(request: Request, *, has_stimuli: bool = False) -> Subject:
    """Returns the model and the inputs that a request names.

    Args:
        request: The words.
        has_stimuli: More inputs come from a folder.

    Raises:
        CommandError: Something named is not there, cannot be read, or is refused; the message says what to do.
    """
    from lens_cli._inputs import make_inputs
    from lens_cli._terminal import models_own_words
    from lens_cli._values import element_type

    dtype = None if request.dtype is None else element_type(request.dtype, "--dtype")
    device = _device(request)
    with models_own_words():
        args, kwargs = make_inputs(
            request.inputs,
            seed=request.seed,
            dtype=dtype,
            device=device,
            preparation=preparation(request),
            function=request.inputs_from,
        )
    subject = Subject(prepare_model(request), args, kwargs, request.seed)
    if not (args or kwargs or has_stimuli):
        _check_needs_nothing(subject.model)
    return subject


def _check_needs_nothing(model: torch.nn.Module) -> None:
    import inspect

    from lens_cli._errors import InputError

    try:
        parameters = inspect.signature(model.forward).parameters.values()
    except (TypeError, ValueError):  # scripted, or written in C
        return
    wanted = [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if wanted:
        raise InputError(
            f"{type(model).__name__} takes {', '.join(wanted)}: give an --input for each, such as --input 1,3,224,224."
        )


def prepare_model(request: Request) -> torch.nn.Module:
    """Returns the model that a request names, in its mode, on its device, with its weights.

    Raises:
        CommandError: As `prepare`.
    """

    from lens_cli._errors import CommandError
    from lens_cli._load import load_model
    from lens_cli._terminal import models_own_words
    from lens_cli._values import element_type
    from lens_cli._weights import load_weights

    if request.meta and request.weights is not None:
        raise CommandError("--meta has no memory for weights; leave --weights or --meta out.")
    dtype = None if request.dtype is None else element_type(request.dtype, "--dtype")
    with models_own_words():
        model = load_model(request.model, request.model_args, meta=request.meta, seed=request.seed)
    if request.weights is not None:
        load_weights(model, request.weights)
    try:
        model.train(bool(request.train))
    except NotImplementedError as error:
        # An exported program has one mode, the one it was exported in.
        if request.train is not None:
            raise CommandError(f"The mode of MODEL {request.model!r} cannot be changed: {error}") from error
    return model.to(device=_device(request), dtype=dtype)


def preparation(request: Request) -> Preparation:
    """Returns how images and other files are to be prepared.

    Raises:
        InputError: A size that is none, or a function that is none.
    """
    from lens_cli._code import function_named
    from lens_cli._errors import InputError
    from lens_cli._files import Preparation

    size = None
    if request.image_size is not None:
        words = request.image_size.split(",")
        if not all(word.isdecimal() and int(word) for word in words) or len(words) not in (1, 2):
            raise InputError(f"--image-size {request.image_size!r}: expected 224, or height and width as 224,320.")
        size = (int(words[0]), int(words[-1]))
    function = function_named(request.preprocess, "--preprocess")
    return Preparation(size, request.normalize == "imagenet", function)


def _device(request: Request) -> torch.device | None:
    import torch

    from lens_cli._errors import CommandError

    name = "meta" if request.meta else request.device
    if name is None:
        return None
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        text = " ".join(str(error).split())[:200]
        raise CommandError(f"--device {name!r} cannot be used here: {text}") from error
    return device
