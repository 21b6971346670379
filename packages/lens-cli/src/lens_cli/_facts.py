"""What is a model's structure as data?

`lens summary --json` prints a `Structure`, and `lens diff` reads one: that is how the graphs of two torch versions, of
two branches of a project or of today and last year are compared.  Its fields are plain and complete: sizes in bytes,
times in seconds, layers in execution order.
"""

from __future__ import annotations

from msgspec import Struct

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
