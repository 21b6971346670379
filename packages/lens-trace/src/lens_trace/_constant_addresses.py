"""Where does the model hold the tensors that nobody had seen?

Plain attributes, and lists, tuples and dictionaries in them; looked up while the model still holds them.
"""

from __future__ import annotations

from typing import Any

import torch

from lens_trace._recorder import Recorder


def constant_addresses(recorder: Recorder) -> dict[int, str]:
    """Returns the addresses of constants by operation."""
    wanted = {id(tensor): operation for operation, tensor in recorder.constants}
    found: dict[int, str] = {}
    for module in recorder.state.modules if wanted else ():
        address = next(iter(recorder.state.addresses_of(module)), "")
        for name, value in module.__dict__.items():
            for step, tensor in _tensors_in(name, value):
                operation = wanted.get(id(tensor))
                if operation is not None and operation not in found:
                    found[operation] = f"{address}.{step}" if address else step
    return found


def _tensors_in(name: str, value: Any) -> list[tuple[str, torch.Tensor]]:
    if name.startswith("__") or name in ("_modules", "_parameters"):
        return []
    if isinstance(value, torch.Tensor):
        return [(name, value)]
    if type(value) in (list, tuple):
        return [pair for i, item in enumerate(value) for pair in _tensors_in(f"{name}.{i}", item)]
    if type(value) is dict:
        prefix = "" if name == "_buffers" else f"{name}."
        return [pair for key, item in value.items() for pair in _tensors_in(f"{prefix}{key}", item)]
    return []
