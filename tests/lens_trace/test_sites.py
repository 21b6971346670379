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
