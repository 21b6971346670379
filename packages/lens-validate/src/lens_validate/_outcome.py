"""How is one run of a call to be judged?

By the tolerance of its function at these values, and not at all where the result is memory that nobody has written.
"""

from __future__ import annotations

import math

from torch import Tensor

from lens_trace import Constant, Operation, ParameterRef, Path, Recording, SequenceArgument
from lens_validate._call import Call
from lens_validate._replay import run
from lens_validate._tolerance import Tolerance, tolerance_of

UNINITIALISED = frozenset(
    [
        "empty",
        "empty_like",
        "new_empty",
        "empty_strided",
        "new_empty_strided",
        "empty_permuted",
        "empty_quantized",
        "Tensor",
        "resize",
        "resize_as",
    ]
)
"""Functions whose result holds whatever the memory held before."""


def tolerance_for(call: Call, saved: Tensor) -> Tolerance:
    """Returns the tolerance for one output of a call."""
    tensors = list(call.tensors.values())
    return tolerance_of(_name_of_sum(call) or call.name, tensors, saved, lambda: _magnitudes(call))


def _name_of_sum(call: Call) -> str | None:
    """Returns the function that a call sums like, where its name tells of placing values and its arguments of sums."""
    position = _ACCUMULATE.get(call.name)
    if position is not None:
        arguments = [value for key, value in call.first.kwargs if key == "accumulate"]
        given = call.first.args[position] if position < len(call.first.args) else next(iter(arguments), None)
        return "index_add" if isinstance(given, Constant) and given.value is True else None
    if call.name == "scatter" and any(key == "reduce" for key, _ in call.first.kwargs):
        return "scatter_add"
    if call.name == "scatter_reduce":
        how = call.first.args[4] if len(call.first.args) > 4 else dict(call.first.kwargs).get("reduce")
        return "scatter_add" if isinstance(how, Constant) and how.value in ("sum", "mean") else None
    return None


_ACCUMULATE = {"index_put": 3, "_index_put_impl": 3, "_unsafe_index_put": 3, "put": 3}
"""Where such functions are told to add to what is there."""


def _magnitudes(call: Call) -> list[Tensor] | None:
    changes = {p: t.detach().abs() for p, t in call.tensors.items() if t.is_floating_point() or t.is_complex()}
    try:
        return run(call, changes).outputs
    except Exception:
        return None


def is_uninitialised(call: Call, replayed: Tensor) -> bool:
    """Whether the result holds whatever the memory held before."""
    assert call.first.function is not None
    if call.name == "new":
        return _is_of_size(call.first)
    if call.name not in UNINITIALISED and call.first.function.name not in UNINITIALISED:
        return False
    before = next(iter(call.tensors.values()), None)  # `resize_` to fewer elements keeps what was there
    return not (call.name.startswith("resize") and before is not None and replayed.numel() <= before.numel())


def number_kept(call: Call) -> int:
    """Returns how many of the first elements a resize to more of them has kept; none of any other function."""
    before = next(iter(call.tensors.values()), None)
    is_resized = call.name.startswith("resize") and before is not None and before.is_contiguous()
    return before.numel() if is_resized and before is not None else 0


def first(tensor: Tensor, count: int) -> Tensor:
    """Returns so many elements from the first on."""
    return tensor.reshape(-1)[:count]


def _is_of_size(operation: Operation) -> bool:
    """Whether `Tensor.new` was given a size and no values: whole numbers, or one size."""
    sizes = operation.args[1:]
    if len(sizes) == 1 and isinstance(sizes[0], SequenceArgument):
        return sizes[0].kind == "size"
    return all(isinstance(size, Constant) and type(size.value) is int for size in sizes)


_OF_DATA = frozenset({"data", "set_data", "data.__set__"})


def not_yet_made(operation: Operation, recording: Recording) -> bool:
    """Whether a call gives a lazy parameter its memory, or asks for it before: there was no value to start from."""
    if operation.function is None or operation.function.name not in _OF_DATA or not operation.args:
        return False
    reference = operation.args[0]
    if not isinstance(reference, ParameterRef) or reference.overlays:
        return False
    parameters = recording.trace.parameters
    is_known = 0 <= reference.parameter < len(parameters)
    return is_known and math.prod(operation.output.shape) <= 1 < parameters[reference.parameter].numel


def shown(path: Path) -> str:
    """Returns where an argument sits, in words."""
    return ".".join(str(step) for step in path)
