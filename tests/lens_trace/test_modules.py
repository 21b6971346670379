"""Module calls, their borders and addresses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import lens_trace
from lens_trace import _modules, trace
from tests.lens_trace.models import Calls, names

X = torch.arange(6.0) + 1


def test_a_model_with_a_call_of_its_own_is_module_call_0() -> None:
    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(6, 6)

        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x) + 1

    class Through(Around):
        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            return nn.Module.__call__(self, x) * 2

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x)

    for model in (Around(), Through()):
        trace = lens_trace.trace(model, X).trace
        assert [(c.address, c.pass_num, c.outputs) for c in trace.module_calls] == [("", 1, (2,)), ("inner", 1, (1,))]
        assert [o.module_calls for o in trace.operations] == [(), (1,), (), ()]
        assert "_call_impl" not in vars(model)


@pytest.mark.parametrize(
    "module", [nn.Identity(), nn.Dropout(0.5).eval(), nn.Sequential(), nn.Sequential(nn.Identity(), nn.Identity())]
)
def test_borders_of_modules_that_do_nothing_stay(module: nn.Module) -> None:
    recording = lens_trace.trace(nn.Sequential(module, nn.ReLU()), X)
    call = next(c for c in recording.trace.module_calls if c.address == "0")
    assert len(call.outputs) == 1
    assert recording.trace.operations[call.outputs[0]].module_calls[0] == call.id


def test_a_module_that_hands_one_of_two_tensors_on_gets_no_identity() -> None:
    recording = lens_trace.trace(nn.Sequential(Calls(lambda x: (x * 2, x)), Calls(lambda p: p[0] + p[1])), X)
    assert names(recording) == ["input", "mul", "add", "output"]
    assert recording.trace.module_calls[1].outputs == (1, 0)


def test_shared_modules_and_tied_parameters_have_all_addresses() -> None:
    class Shares(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(6, 6)
            self.b = nn.ModuleDict({"again": self.a, "tied": nn.Linear(6, 6)})
            self.b["tied"].weight = self.a.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b["tied"](self.b["again"](self.a(x)))

    trace = lens_trace.trace(Shares(), X).trace
    assert trace.parameters[0].addresses == ("a.weight", "b.again.weight", "b.tied.weight")
    assert [(c.address, c.pass_num) for c in trace.module_calls] == [("", 1), ("a", 1), ("a", 2), ("b.tied", 1)]


def test_recurrent_layers_of_torch_record_their_outputs() -> None:
    recording = lens_trace.trace(nn.LSTM(3, 4, 2), torch.rand(5, 1, 3))
    outputs = [o for o in recording.trace.operations if o.function and o.function.name == "lstm"]
    assert [o.output_index for o in outputs] == [0, 1, 2]
    assert len({o.call_id for o in outputs}) == 1
    assert len(outputs[0].parameters) == 8


def test_models_are_unwrapped_and_refused_with_a_way_out() -> None:
    wrapped = nn.DataParallel(nn.Linear(6, 6))
    x = X.to(next(wrapped.parameters()).device)  # which is a GPU where there is one
    assert [m.addresses[0] for m in lens_trace.trace(wrapped, x).trace.modules] == [""]
    with pytest.raises(lens_trace.NotAModuleError, match="instance"):
        lens_trace.trace(nn.Linear, X)  # pyright: ignore[reportArgumentType]
    with pytest.raises(lens_trace.NotAModuleError):
        lens_trace.trace("model", X)  # pyright: ignore[reportArgumentType]
    with pytest.raises(lens_trace.MixedDevicesError, match=r"\.to\('cpu'\)"):
        lens_trace.trace(nn.Linear(6, 6), X.to("meta"))


def test_deep_nesting_does_not_end_in_a_recursion_error() -> None:
    model: nn.Module = nn.ReLU()
    for _ in range(200):
        model = nn.Sequential(model)
    model(X)
    assert len(lens_trace.trace(model, X).trace.module_calls) == 201


def test_lazy_parametrised_and_recursive_models_trace() -> None:
    from torch.nn.utils import parametrizations

    x = torch.rand(4, 6)
    lazy = nn.Sequential(nn.LazyLinear(5), nn.LazyBatchNorm1d())
    assert {"linear", "batch_norm"} <= set(names(lens_trace.trace(lazy, x)))
    assert "_weight_norm" in names(lens_trace.trace(parametrizations.weight_norm(nn.Linear(6, 6)), x))
    spectral = parametrizations.spectral_norm(nn.Linear(6, 6)).train()
    before = copy.deepcopy(spectral.state_dict())
    lens_trace.trace(spectral, x)
    assert all(torch.equal(before[key], value) for key, value in spectral.state_dict().items())

    class ContainsItself(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 6)
            self._modules["me"] = self

        def forward(self, x: torch.Tensor, n: int = 2) -> torch.Tensor:
            return x if n == 0 else self(self.linear(x), n - 1)

    recording = lens_trace.trace(ContainsItself(), x)
    assert names(recording) == ["input", "linear", "linear", "identity", "output"]
    assert [c.pass_num for c in recording.trace.module_calls if c.address == ""] == [1, 2, 3]


def test_the_class_of_an_fx_graph_has_one_name_in_both_forms() -> None:
    model = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(6, 6), nn.ReLU()))
    module = lens_trace.trace(model, X).trace.modules[0]
    assert module.qualified_class_name.endswith(f".{module.class_name}")


def test_the_code_that_calls_run_through_can_be_looked_up_in_a_table() -> None:
    # Profilers, debuggers and coverage keep what they know of code in dictionaries.
    hashes: list[int] = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        hashes.append(hash(nn.Module._call_impl.__code__))
        return x + 1

    lens_trace.trace(Calls(forward), X)
    assert hashes


def test_this_torch_asks_what_a_module_call_expects() -> None:
    original = nn.Module._call_impl
    assert _modules._questions(original)[1] is torch.nn.modules.module
    assert _modules._questions(lambda *args: args) == (bool, None)


class Meanwhile(nn.Module):
    """Registers and takes away hooks of all kinds while it runs."""

    def __init__(self, register: Callable[[nn.Module, Any], Any]) -> None:
        super().__init__()
        self.part, self.register = nn.Linear(2, 2), register

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.part(x)
        handle = self.register(self.part, lambda module, args, *result: (result or args)[0] * 2)
        x = self.part(x)
        handle.remove()
        return self.part(x)


def register_backward_hook(module: nn.Module, hook: Any) -> Any:
    return module.register_full_backward_pre_hook(lambda module, gradient: None)


@pytest.mark.parametrize(
    ("register", "products"),
    [
        (lambda module, hook: module.register_forward_hook(hook), 1),
        (lambda module, hook: nn.modules.module.register_module_forward_hook(hook), 1),
        (lambda module, hook: module.register_forward_pre_hook(lambda module, args: args[0] * 2), 1),
        (lambda module, hook: nn.modules.module.register_module_forward_pre_hook(lambda _, args: args[0] * 2), 1),
        (register_backward_hook, 0),
        (lambda module, hook: nn.modules.module.register_module_full_backward_hook(lambda *_: None), 0),
    ],
    ids=["forward", "global forward", "pre", "global pre", "backward pre", "global backward"],
)
def test_hooks_that_come_and_go_during_the_pass_are_run(register: Any, products: int) -> None:
    model, x = Meanwhile(register), torch.randn(1, 2)
    expected = model(x)
    recording = trace(model, x)
    names = [operation.function.name for operation in recording.trace.operations if operation.function is not None]
    assert names.count("mul") == products
    assert names.count("linear") == 3
    assert torch.equal(recording.tensors[recording.trace.outputs[0]], expected)
    lines = {
        operation.user_call_site.function
        for operation in recording.trace.operations
        if operation.function is not None and operation.function.name == "linear"
    }
    assert {line.rpartition(".")[2] for line in lines} == {"forward"}


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
def test_a_part_that_is_scripted_by_tracing_in_the_forward_runs_as_it_does_plainly() -> None:
    class Scripts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = nn.Sequential(nn.Linear(2, 2), nn.ReLU())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            traced = torch.jit.trace(self.part, x)
            self.scopes = [node.scopeName() for node in traced.inlined_graph.nodes() if node.kind() == "aten::relu"]
            return self.part(x)

    model, x = Scripts(), torch.randn(1, 2)
    expected, scopes = model(x), model.scopes
    recording = trace(model, x)
    assert model.scopes == scopes
    assert torch.equal(recording.tensors[recording.trace.outputs[0]], expected)
