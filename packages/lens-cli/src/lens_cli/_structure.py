"""What is a model's structure as data?

`lens summary --json` prints a `Structure`, and `lens diff` reads one: that is how the graphs of two torch versions, of
two branches of a project or of today and last year are compared.  Its fields are plain and complete: sizes in bytes,
times in seconds, layers in execution order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lens_cli._errors import FileError
from lens_torch import ModelHistory

FORMAT, VERSION = "lens-structure", 1


class LayerFacts(Struct, frozen=True, kw_only=True):
    """One layer."""

    label: str
    """`conv2d_3_8`."""
    type: str
    """`conv2d`."""
    kind: str
    """`input`, `constant`, `call` or `output`; `mixed` where passes differ."""
    passes: int
    """How often it ran."""
    module: str
    """Address of the innermost module; empty in the model itself or where passes differ."""
    module_class: str
    """Class of that module."""
    shape: tuple[int, ...] | None
    """Shape of its tensor; null where passes differ."""
    dtype: str | None
    """Element type; null where passes differ."""
    device: str | None
    """Device; null where passes differ."""
    nbytes: int
    """Bytes of its tensors, all passes."""
    seconds: float
    """Time of its functions, all passes."""
    parameters: tuple[str, ...]
    """Addresses of its parameters."""
    num_parameters: int
    """Numbers in them."""
    num_trainable: int
    """Numbers in those that require a gradient."""
    flops: int | None
    """Floating-point operations, all passes; null when they were not counted."""
    parents: tuple[str, ...]
    """Labels of the layers whose values it read."""
    children: tuple[str, ...]
    """Labels of the layers that read its values."""


class ModuleFacts(Struct, frozen=True, kw_only=True):
    """One module; the first is the model itself."""

    address: str
    """Where the model holds it; empty for the model."""
    class_name: str
    """Its class."""
    depth: int
    """0 for the model, 1 for its direct parts."""
    calls: int
    """How often it was called."""
    operations: int
    """Operations that ran in it or in its parts."""
    input_shapes: tuple[tuple[int, ...], ...]
    """Shapes of what entered its first call."""
    output_shapes: tuple[tuple[int, ...], ...]
    """Shapes of what left its first call."""
    num_parameters: int
    """Numbers in its parameters and those of its parts, tied ones once."""
    num_trainable: int
    """Numbers in those that require a gradient."""
    nbytes: int
    """Bytes of the tensors made in it, all calls."""
    seconds: float
    """Time of the functions in it, all calls."""
    flops: int | None
    """Floating-point operations in it, all calls; null when they were not counted."""


class ParameterFacts(Struct, frozen=True, kw_only=True):
    """One parameter."""

    address: str
    """Its first address; empty when the model does not hold it."""
    shape: tuple[int, ...]
    """Shape."""
    dtype: str
    """Element type."""
    requires_grad: bool
    """Whether it is trained."""


class Totals(Struct, frozen=True, kw_only=True):
    """Sums over the model."""

    layers: int
    """Layers."""
    tensors: int
    """Tensors of the pass."""
    tensors_nbytes: int
    """Bytes of them."""
    parameters: int
    """Numbers in parameters, tied ones once."""
    trainable: int
    """Numbers in those that require a gradient."""
    parameter_tensors: int
    """Parameters."""
    parameters_nbytes: int
    """Bytes of them."""
    flops: int | None
    """Floating-point operations of the pass; null when they were not counted."""
    seconds: float
    """Time of all functions."""


class Structure(Struct, frozen=True, kw_only=True):
    """A model's structure."""

    format: str = FORMAT
    """Always `lens-structure`."""
    version: int = VERSION
    """Version of this format."""
    model: str
    """Class of the model."""
    versions: dict[str, str]
    """Of Python, torch and so on, where the pass ran."""
    totals: Totals
    """Sums."""
    layers: tuple[LayerFacts, ...]
    """All layers but buffers, in execution order."""
    modules: tuple[ModuleFacts, ...]
    """All modules, the model first, each before its parts."""
    parameters: tuple[ParameterFacts, ...]
    """All parameters."""


def structure_of(history: ModelHistory, flops: Mapping[int, int] | None = None) -> Structure:
    """Returns a history as data.

    Args:
        history: The pass.
        flops: Floating-point operations by operation id; None when they were not counted.
    """
    trace = history.trace
    trainable = {address: p.numel for p in trace.parameters if p.requires_grad for address in p.addresses}
    layers = tuple(_layer(layer, flops, trainable) for layer in history)
    return Structure(
        model=history.model_name,
        versions=dict(trace.versions),
        totals=Totals(
            layers=len(layers),
            tensors=history.num_tensors_total,
            tensors_nbytes=history.tensor_fsize_total,
            parameters=history.total_params,
            trainable=sum(p.numel for p in trace.parameters if p.addresses and p.requires_grad),
            parameter_tensors=history.total_param_tensors,
            parameters_nbytes=history.total_params_fsize,
            flops=None if flops is None else sum(flops.values()),
            seconds=history.elapsed_time_function_calls,
        ),
        layers=layers,
        modules=_modules(history, flops),
        parameters=tuple(
            ParameterFacts(
                address=(p.addresses or ("",))[0], shape=p.shape, dtype=p.dtype, requires_grad=p.requires_grad
            )
            for p in trace.parameters
        ),
    )


def to_json(structure: Structure) -> str:
    """Returns the structure as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(structure), indent=2).decode()


def read_structure(path: Path) -> Structure:
    """Returns the structure that `lens summary --json` wrote to a file.

    Raises:
        FileError: There is no such file, or it holds something else.
    """
    try:
        return _checked(msgspec.json.decode(path.read_bytes(), type=Structure), path)
    except OSError as error:
        raise FileError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise FileError(f"{str(path)!r} is no structure as lens summary --json prints it: {error}.") from error


def _checked(structure: Structure, path: Path) -> Structure:
    if structure.format != FORMAT or structure.version != VERSION:
        raise FileError(
            f"{str(path)!r} is {structure.format!r} of version {structure.version}, "
            f"expected {FORMAT!r} of version {VERSION}."
        )
    return structure


def _layer(layer: Any, flops: Mapping[int, int] | None, trainable: Mapping[str, int]) -> LayerFacts:
    # What differs between the passes of a layer raises an AttributeError, so that getattr answers None.
    passes = layer.passes
    classes = getattr(layer, "containing_module_classes", None) or ()
    module = getattr(layer, "containing_module_origin", None) or ""
    return LayerFacts(
        label=layer.label,
        type=layer.layer_type,
        kind=getattr(layer, "kind", "mixed"),
        passes=len(passes),
        module=module,
        module_class=classes[-1] if classes and module else "",
        shape=getattr(layer, "tensor_shape", None),
        dtype=getattr(layer, "tensor_dtype", None),
        device=getattr(layer, "tensor_device", None),
        nbytes=sum(one.tensor_fsize for one in passes),
        seconds=sum(one.func_time_elapsed for one in passes),
        parameters=tuple(layer.parent_params),
        num_parameters=layer.num_params_total,
        num_trainable=sum(trainable.get(address, 0) for address in layer.parent_params),
        flops=None if flops is None else sum(flops.get(one.operation_id, 0) for one in passes),
        parents=_without_pass(layer.parent_layers),
        children=_without_pass(layer.child_layers),
    )


def _modules(history: ModelHistory, flops: Mapping[int, int] | None) -> tuple[ModuleFacts, ...]:
    entries = history.modules
    inside = None if flops is None else _flops_inside(history, flops)
    found: list[ModuleFacts] = []
    seen: set[int] = set()
    waiting = [(address, 0) for address in list(entries)[:1]]
    while waiting:
        address, depth = waiting.pop()
        entry = entries[address]
        if entry.module in seen:
            continue
        seen.add(entry.module)
        waiting += [(child, depth + 1) for child in reversed(entry.children)]
        first = entry.calls[0] if entry.num_passes else None
        found.append(
            ModuleFacts(
                address=entry.address,
                class_name=entry.class_name,
                depth=depth,
                calls=entry.num_passes,
                operations=sum(call.num_operations for call in entry.calls),
                input_shapes=_shapes(history, first.input_layers if first else ()),
                output_shapes=_shapes(history, first.output_layers if first else ()),
                num_parameters=entry.num_params,
                num_trainable=sum(p.numel for p in entry.all_parameters if p.requires_grad),
                nbytes=entry.tensor_fsize,
                seconds=entry.func_time_elapsed,
                flops=None if inside is None else inside.get(entry.module, 0),
            )
        )
    return tuple(_with_parts(found))


def _with_parts(modules: list[ModuleFacts]) -> list[ModuleFacts]:
    """Gives a container that is never called itself, such as a ModuleList, the sums of its parts."""
    summed: list[ModuleFacts] = []
    pending: dict[int, list[ModuleFacts]] = {}  # by depth: modules whose parent comes next above
    for module in reversed(modules):
        parts = pending.pop(module.depth + 1, [])
        if not module.calls and parts:
            module = replace(
                module,
                operations=sum(part.operations for part in parts),
                nbytes=sum(part.nbytes for part in parts),
                seconds=sum(part.seconds for part in parts),
                flops=None if module.flops is None else sum(part.flops or 0 for part in parts),
            )
        pending.setdefault(module.depth, []).append(module)
        summed.append(module)
    return summed[::-1]


def _shapes(history: ModelHistory, labels: Iterable[str]) -> tuple[tuple[int, ...], ...]:
    # A module's inputs and outputs are values of one pass, so their labels lead to one shape each.
    return tuple(history[label].tensor_shape for label in labels)


def _flops_inside(history: ModelHistory, flops: Mapping[int, int]) -> dict[int, int]:
    trace = history.trace
    inside: Counter[int] = Counter()
    for operation in trace.operations:
        if operation.id in flops:
            for module in {trace.module_calls[call].module for call in operation.module_calls} | {0}:
                inside[module] += flops[operation.id]
    return inside


def _without_pass(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label.partition(":")[0] for label in labels))
