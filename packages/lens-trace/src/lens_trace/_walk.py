"""Which modules does a model have, and where do they stand?

Depth first, as `named_modules` goes, but with every address of a module that stands in several places.  This is done
before every pass, so what can be worked out from the notes waits until somebody asks (`lens_trace._addresses`).
"""

from __future__ import annotations

from typing import Any

import torch

from lens_trace._addresses import Addresses

_MOST_ADDRESSES = 100_000


class Walk:
    """The modules of a model.

    Attributes:
        modules: Every module once, depth first.
        owns: What each has in its `__dict__`.
        number_of: Position of a module in `modules` by `id`.
        wrapper_of: Position of the module that a compiled part wraps, by the `id` of that part.
        addresses: Where the modules stand.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.modules: list[torch.nn.Module] = [model]
        self.owns: list[dict[str, Any]] = [model.__dict__]
        self.number_of: dict[int, int] = {id(model): 0}
        self.wrapper_of: dict[int, int] = {}
        self.addresses = Addresses()
        self._go(model)

    def _go(self, model: torch.nn.Module) -> None:
        # Iterative, and a module is not entered again on its own path: models may contain themselves.
        modules, owns, number_of, addresses = self.modules, self.owns, self.number_of, self.addresses
        numbers, outers, names = addresses.numbers, addresses.outers, addresses.names
        wrapped: list[tuple[torch.nn.Module, torch.nn.Module]] = []
        numbers.append(0)
        outers.append(-1)
        names.append("")
        above: list[tuple[int, Any]] = []
        outer, parts = 0, iter(model._modules.items())
        while True:
            for name, module in parts:
                if module is None:
                    continue
                own = module.__dict__
                inside: Any = own.get("_modules")
                if inside is None:  # a module that `torch.jit.trace` made
                    inside = module._modules
                if inside and "_orig_mod" in inside:  # a compiled part is seen as the module that it wraps
                    inner = inside["_orig_mod"]
                    wrapped.append((module, inner))
                    module, own, inside = inner, inner.__dict__, inner._modules
                number = number_of.get(id(module))
                if number is None:
                    number = number_of[id(module)] = len(modules)
                    modules.append(module)
                    owns.append(own)
                elif addresses.is_on_path(outer, number):
                    addresses.is_whole = False
                    continue
                numbers.append(number)
                outers.append(outer)
                names.append(name)
                if inside:
                    above.append((outer, parts))
                    outer, parts = len(numbers) - 1, iter(inside.items())
                    break
            else:
                if not above:
                    break
                outer, parts = above.pop()
            if len(numbers) >= _MOST_ADDRESSES:
                addresses.is_whole = False
                break
        self.wrapper_of.update(
            (id(module), number_of[id(inner)]) for module, inner in wrapped if id(inner) in number_of
        )
