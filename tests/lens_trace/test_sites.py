"""Call sites: where was a function called?"""

from __future__ import annotations

import torch

import lens_trace


class Halves(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(20):
            first, second = tuple(x)
            x = torch.stack((second, first))
        return x


def test_a_call_has_one_site_however_warm_its_code_is() -> None:
    """Python 3.11 makes some calls at another instruction once it has specialised the code."""
    operations = lens_trace.trace(Halves(), torch.ones(2, 3)).trace.operations
    for name in ("unbind", "stack"):
        sites = {o.user_call_site for o in operations if o.function is not None and o.function.name == name}
        assert len(sites) == 1, sites


class HandsOn(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = torch.nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.part(x)


def test_the_border_of_a_module_is_at_the_line_that_called_it_in_every_layer_of_traces() -> None:
    inner: list[lens_trace.Recording] = []

    class Traces(HandsOn):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            inner.append(lens_trace.trace(HandsOn(), x))
            return x + 1

    outer = lens_trace.trace(Traces(), torch.ones(2))
    alone = lens_trace.trace(HandsOn(), torch.ones(2))
    lines = HandsOn.forward.__code__.co_firstlineno + 1
    for recording in (outer, inner[0], alone):
        sites = [o.call_site for o in recording.trace.operations if o.function and o.function.name == "identity"]
        assert [site.line for site in sites if site is not None and site.file == __file__] == [lines], sites
