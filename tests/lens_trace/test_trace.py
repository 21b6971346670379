"""Nothing is lost: references held anywhere, composites, containers, kinds of tensors and models."""

from __future__ import annotations

import collections
import copy
import dataclasses
import functools
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, NamedTuple

import msgspec
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import lens_trace
from lens_trace._leaves import tensor_leaves
from tests.lens_trace.models import Calls, edges, find, names, traced

X = torch.arange(6.0) + 1
captured_sin = torch.sin


def _default(x: torch.Tensor, function: Any = torch.cos) -> torch.Tensor:
    return function(x)


@dataclasses.dataclass
class Holder:
    function: Any = torch.tanh


class ClassAttribute:
    function = staticmethod(torch.sigmoid)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: captured_sin(x), "sin"),
        (_default, "cos"),
        (functools.partial(torch.add, alpha=2, other=X), "add"),
        (lambda x: [torch.exp][0](x), "exp"),
        (lambda x: {"f": torch.log}["f"](x), "log"),
        (lambda x: Holder().function(x), "tanh"),
        (lambda x: ClassAttribute.function(x), "sigmoid"),
        (lambda x: torch.ops.aten.mul(x, 2), "mul"),
        (lambda x: torch.ops.aten.mul.Tensor(x, x), "mul"),
        (lambda x: torch._C._nn.gelu(x), "gelu"),
        (lambda x: 2 - x, "rsub"),
        (lambda x: x[None].T, "T"),
        (lambda x: x.mT if x.dim() > 1 else x[None].mT, "mT"),
        (lambda x: torch.autograd.grad((x.requires_grad_() * 2).sum(), x)[0], "grad"),
    ],
)
def test_functions_captured_anywhere_are_recorded(call: Any, name: str) -> None:
    recording = traced(call, X.clone())
    assert name in names(recording)
    assert all(o.kind != "constant" or o.address is None for o in recording.trace.operations)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: F.normalize(x, dim=0), ["linalg_vector_norm", "clamp_min", "expand_as", "div"]),
        (lambda x: x.norm(), ["linalg_vector_norm"]),
        (lambda x: F.gumbel_softmax(x), ["empty_like", "exponential_", "log", "neg", "add", "div", "softmax"]),
        (lambda x: F.max_pool1d(x[None], 2), ["__getitem__", "max_pool1d"]),
        (lambda x: torch.einsum("i,j->ij", x, x), ["einsum"]),
        (lambda x: torch.stft(x.repeat(20), 16, window=torch.ones(16), return_complex=True),
         ["repeat", "ones", "view", "pad", "view", "stft"]),
        (lambda x: x.unflatten(0, (2, 3)), ["unflatten"]),
        (lambda x: nn.init.uniform_(torch.empty(3)) + x[:3], ["empty", "uniform_", "__getitem__", "add"]),
        (lambda x: F.interpolate(x[None, None], scale_factor=2), ["__getitem__", "upsample_nearest1d"]),
    ],
)  # fmt: skip
def test_composites_are_opened(call: Any, expected: list[str]) -> None:
    assert names(traced(call, X))[1:-1] == expected


def test_the_composite_is_kept_on_the_record() -> None:
    recording = traced(lambda x: F.normalize(x, dim=0), X)
    assert find(recording, "div").called_through[0] == "torch.nn.functional.normalize"


@pytest.mark.parametrize("needs_weights", [True, False])
@torch.no_grad()
def test_attention_is_opened_also_where_torch_has_a_fast_path(needs_weights: bool) -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    q = torch.rand(2, 3, 8)
    recording = lens_trace.trace(attention, (q, q, q), {"need_weights": needs_weights})
    assert ("softmax" if needs_weights else "scaled_dot_product_attention") in names(recording)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    assert names(lens_trace.trace(encoder, q)).count("linear") == 2 * 4
    assert torch.backends.mha.get_fastpath_enabled()


def test_checkpoint_bodies_are_recorded() -> None:
    from torch.utils.checkpoint import checkpoint

    for reentrant in (True, False):
        recording = traced(
            lambda x, r=reentrant: checkpoint(lambda a: torch.sin(a) * 2, x, use_reentrant=r),
            X.clone().requires_grad_(),
        )
        assert {"sin", "mul"} <= set(names(recording))
        assert "constant" not in names(recording)


def test_autograd_functions_are_recorded_inside() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return torch.exp(x)

        @staticmethod
        def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
            return g

    recording = traced(lambda x: Double.apply(x) + 1, X.clone().requires_grad_())
    assert edges(recording) == [("input", []), ("exp", [0]), ("add", [1]), ("output", [2])]


def test_vmap_and_grad_interiors_are_recorded_with_their_edges() -> None:
    assert edges(traced(lambda x: torch.vmap(lambda a: a * 2 + 1)(x), X)) == [
        ("input", []), ("mul", [0]), ("add", [1]), ("output", [2]),
    ]  # fmt: skip
    inside = edges(traced(lambda x: torch.func.grad(lambda a: (a**2).sum())(x), X))
    assert ("pow", [1]) in inside or ("pow", [0]) in inside


def test_custom_operators_are_recorded() -> None:
    @torch.library.custom_op("lens_tests::triple", mutates_args=())
    def triple(x: torch.Tensor) -> torch.Tensor:
        return x * 3

    recording = traced(lambda x: triple(x) + 1, X)
    assert names(recording)[-3:-1] == ["triple", "add"] or "mul" in names(recording)
    assert "constant" not in names(recording)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_scripted_functions_and_modules_are_one_operation_each() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(6, 6), nn.ReLU()))
    model = nn.Sequential(nn.Linear(6, 6), scripted, nn.Tanh())
    recording = lens_trace.trace(model, X)
    assert [o.function.kind for o in recording.trace.operations if o.function] == ["function", "scripted", "function"]
    assert [len(o.parents) for o in recording.trace.operations] == [0, 1, 1, 1, 1]


def test_fx_and_export_modules_are_recorded() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU())
    expected = ["input", "linear", "relu", "output"]
    assert names(lens_trace.trace(torch.fx.symbolic_trace(model), X)) == expected
    exported = torch.export.export(model, (X,)).module()
    assert [n for n in names(lens_trace.trace(exported, X)) if n in ("linear", "relu")] == ["linear", "relu"]


def test_an_operation_decorator_makes_one_operation() -> None:
    @lens_trace.operation
    def blur(x: torch.Tensor) -> torch.Tensor:
        return (x + x.roll(1)) / 2

    assert names(traced(lambda x: blur(x) * 2, X)) == ["input", "blur", "mul", "output"]
    assert torch.equal(blur(X), (X + X.roll(1)) / 2)


def test_threads_that_the_model_starts_are_recorded() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        results: dict[int, torch.Tensor] = {}
        workers = [threading.Thread(target=lambda i=i: results.update({i: x * (i + 1)})) for i in range(4)]
        [w.start() for w in workers]
        [w.join() for w in workers]
        with ThreadPoolExecutor(2) as pool:
            more = list(pool.map(torch.sin, [x, x]))
        return sum(results.values()) + more[0] + more[1]

    recording = traced(forward, X)
    assert names(recording).count("mul") == 4
    assert names(recording).count("sin") == 2
    assert "constant" not in names(recording)
    assert all(p.operation < o.id for o in recording.trace.operations for p in o.parents)


def test_a_tensor_nobody_has_seen_is_a_source_with_its_address() -> None:
    class Holds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.ones(6)
            self.inner = nn.ModuleList([Calls(lambda x: x)])
            self.inner[0].offsets = [torch.zeros(6)]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.table + self.inner[0].offsets[0]

    recording = lens_trace.trace(Holds(), X)
    assert [o.address for o in recording.trace.operations if o.kind == "constant"] == ["table", "inner.0.offsets.0"]


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


def test_buffers_are_sources_and_may_be_returned_or_replaced() -> None:
    class Buffers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("steps", torch.zeros(1))
            self.register_buffer("scale", torch.ones(1), persistent=False)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self.steps = self.steps + 1
            self.register_buffer("late", torch.ones(2))
            return x * self.scale + self.steps, self.scale

    model = Buffers()
    before = dict(model.named_buffers())
    recording = lens_trace.trace(model, X)
    assert [o.address for o in recording.trace.operations if o.kind == "buffer"] == ["steps", "scale"]
    assert [b.is_persistent for b in recording.trace.buffers] == [True, False]
    after = dict(model.named_buffers())
    assert after.keys() == before.keys()
    assert all(after[key] is value for key, value in before.items())


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


@dataclasses.dataclass
class Record:
    logits: torch.Tensor
    extra: Any = None


class Custom:
    def __init__(self, tensor: torch.Tensor) -> None:
        self.inside = {"deep": [tensor]}
        self.again = self


def test_arguments_and_outputs_of_any_shape() -> None:
    def forward(pair: Pair, record: Record, custom: Custom, nested: Any) -> Any:
        total = pair.first + pair.second + record.logits + custom.inside["deep"][0] + nested["a"][0][1]
        return {"pair": Pair(total, total), "record": Record(total * 2, "text"), "custom": Custom(total * 3), "n": 3}

    a, b, c, d, e = (X + i for i in range(5))
    recording = traced(forward, Pair(a, b), Record(c), Custom(d), {"a": [(1, e)]})
    assert len(recording.trace.inputs) == 5
    assert [recording.trace.operations[i].address for i in recording.trace.outputs] == [
        "pair.0", "pair.1", "record.logits", "custom.inside.deep.0",
    ]  # fmt: skip
    assert "constant" not in names(recording)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: collections.deque([x]),
        lambda x: types.SimpleNamespace(x=x),
        lambda x: collections.UserDict(x=x),
        lambda x: collections.UserList([x]),
        lambda x: {"x": x}.values(),
        lambda x: types.MappingProxyType({"x": x}),
    ],
)
def test_containers_of_the_standard_library_are_looked_into(make: Any) -> None:
    recording = traced(lambda held: make(tensor_leaves(held)[0][1] * 2), make(X))
    assert names(recording) == ["input", "mul", "output"]


def test_a_container_that_contains_itself_is_walked_once() -> None:
    def forward(x: torch.Tensor) -> list[Any]:
        result: list[Any] = [x * 2]
        result += [result, result]
        return result

    assert names(lens_trace.trace(nn.Sequential(Calls(forward)), X)) == ["input", "mul", "output"]


def test_a_tensor_given_twice_is_one_input_but_each_output_leaf_is_one() -> None:
    recording = traced(lambda a, b: (a, a, None, "x"), X, X)
    assert names(recording) == ["input", "identity", "output", "output"]


def test_no_outputs_and_single_arguments() -> None:
    assert names(traced(lambda x: None, X)) == ["input"]
    assert names(lens_trace.trace(Calls(lambda pair: pair[0] + pair[1]), [X, X + 1])) == [
        "input",
        "input",
        "add",
        "output",
    ]
    assert names(lens_trace.trace(Calls(lambda pair: pair.first + pair.second), Pair(X, X + 1))) == [
        "input", "input", "add", "output",
    ]  # fmt: skip
    ordered = collections.OrderedDict(b=X, a=X + 1)
    operations = lens_trace.trace(Calls(lambda d: d["a"] + d["b"]), ordered).trace.operations
    assert [operation.address for operation in operations[:2]] == ["args.0.b", "args.0.a"]


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


def test_reads_are_recorded_with_value_and_place() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 3:
            return x * x.max().item()
        return x

    trace = traced(forward, X).trace
    assert [(r.kind, r.value) for r in trace.reads] == [("bool", True), ("item", 6.0)]
    assert [trace.operations[r.parents[0].operation].function.name for r in trace.reads] == ["gt", "max"]  # pyright: ignore
    assert all(r.user_call_site is not None and r.user_call_site.file == __file__ for r in trace.reads)


def test_meta_models_trace_without_memory() -> None:
    with torch.device("meta"):
        model = nn.Sequential(*[nn.Linear(50_000, 50_000) for _ in range(8)])
        x = torch.empty(64, 50_000)
    recording = lens_trace.trace(model, x)
    assert names(recording).count("linear") == 8
    assert recording.tensors.nbytes == 0
    assert sum(p.nbytes for p in recording.trace.parameters) > 70e9


@pytest.mark.filterwarnings("ignore:.*quantiz.*")
@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.eye(6).to_sparse(),
        lambda: torch.complex(X, X),
        lambda: X > 2,
        lambda: torch.tensor(3.0),
        lambda: torch.empty(0),
        lambda: X.bfloat16(),
        lambda: X.half(),
        lambda: torch.quantize_per_tensor(X, 0.1, 0, torch.quint8),
        lambda: torch.arange(6),
        lambda: nn.Parameter(X),
    ],
)
def test_kinds_of_tensors(make: Any) -> None:
    x = make()
    recording = traced(lambda t: t.clone(), x)
    assert names(recording)[-2:] == ["clone", "output"]
    saved = recording.tensors[recording.trace.outputs[0]]
    assert saved.dtype == x.dtype and saved.shape == x.shape


def test_subclasses_keep_their_own_protocol() -> None:
    class Logged(torch.Tensor):
        calls: ClassVar[list[str]] = []

        @classmethod
        def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            cls.calls.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs or {})

    x = X.clone().as_subclass(Logged)
    recording = traced(lambda t: F.softmax(t, 0) + 1, x)
    assert "softmax" in Logged.calls
    assert names(recording)[-3:] == ["softmax", "add", "output"]
    assert isinstance(recording.tensors[recording.trace.outputs[0]], torch.Tensor)


def test_autocast_and_modes_are_on_the_record() -> None:
    def forward(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = F.linear(x, x[None])
        with torch.no_grad():
            return y.float() * 2

    recording = traced(forward, X)
    context = find(recording, "linear").context
    assert context is not None and context.autocast == (("cpu", "bfloat16"),)
    assert find(recording, "linear").output.dtype == "bfloat16"
    assert not find(recording, "mul").context.grad  # pyright: ignore[reportOptionalMemberAccess]


def test_random_operations_carry_their_state() -> None:
    recording = traced(lambda x: F.dropout(x, 0.5, True) + torch.rand(6), X, seed=3)
    draws = [o for o in recording.trace.operations if o.uses_rng]
    assert [o.function.name for o in draws] == ["dropout", "rand"]  # pyright: ignore[reportOptionalMemberAccess]
    for o in draws:
        with lens_trace.replayed(recording.rng_states[o.call_id]):  # pyright: ignore[reportArgumentType]
            again = F.dropout(X, 0.5, True) if o.id == draws[0].id else torch.rand(6)
        assert torch.equal(again, recording.tensors[o.id])


def test_the_trace_is_encodable_and_comes_back_equal() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten())
    trace = lens_trace.trace(model, torch.rand(2, 3, 8, 8)).trace
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(trace), type=lens_trace.Trace) == trace
    odd = traced(lambda x: x.clamp(float("-inf"), float("inf")) * complex(1, 2) + 2**70 * 1.0, X).trace
    assert msgspec.json.decode(msgspec.json.encode(odd), type=lens_trace.Trace) == odd


def test_call_sites_name_the_users_line() -> None:
    recording = lens_trace.trace(nn.Sequential(Calls(lambda x: F.relu(x))), X)
    site = find(recording, "relu").user_call_site
    assert site is not None and site.file == __file__ and "lambda" in site.function
    inner = find(recording, "relu").call_site
    assert inner is not None and inner.file.endswith("functional.py")


def test_keep_chooses_what_is_saved() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Sequential(nn.Linear(6, 3), nn.Tanh()))
    trace = lens_trace.trace
    assert list(trace(model, X, keep=lens_trace.nothing).tensors) == []
    assert list(trace(model, X, keep=lens_trace.only([2, 3])).tensors) == [2, 3]
    assert list(trace(model, X, keep=lens_trace.outputs_of(["0", "2"])).tensors) == [1, 4]
    assert list(trace(model, X, keep=lens_trace.outputs_of("")).tensors) == [4, 5]
    chosen = trace(model, X, keep=lambda o: o.function is not None and o.function.name == "linear")
    assert list(chosen.tensors) == [1, 3]
    with pytest.raises(lens_trace.NotSavedError, match="keep"):
        chosen.tensors[2]
    with pytest.raises(lens_trace.SelectionError, match="no module"):
        trace(model, X, keep=lens_trace.outputs_of("2.9"))
    with pytest.raises(lens_trace.SelectionError):
        trace(model, X, keep="all")  # pyright: ignore[reportArgumentType]


def test_stored_copies_can_be_of_another_type() -> None:
    recording = traced(lambda x: (x * 2, x.argmax()), X, dtype=torch.float16)
    assert recording.tensors[1].dtype == torch.float16
    assert recording.tensors[2].dtype == torch.int64


def test_a_sink_sees_every_operation_and_may_stop_the_pass() -> None:
    seen: list[str] = []

    def sink(operation: lens_trace.Operation, arguments: Any, output: torch.Tensor) -> None:
        seen.append(operation.function.name)  # pyright: ignore[reportOptionalMemberAccess]
        assert tuple(output.shape) == operation.output.shape
        if operation.function.name == "relu":  # pyright: ignore[reportOptionalMemberAccess]
            raise lens_trace.StopTrace

    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Tanh())
    recording = lens_trace.trace(model, X, sink=sink)
    assert seen == ["linear", "relu"]
    assert not recording.trace.is_complete
    assert list(recording.tensors) == [0, 1, 2]


def test_a_sink_is_shown_arguments_as_they_were_before_the_call() -> None:
    shown: list[torch.Tensor] = []
    traced(lambda x: (x * 1).add_(5), X, sink=lambda o, arguments, out: shown.append(arguments[0][0].clone()))
    assert torch.equal(shown[1], X)


def test_recurrent_layers_of_torch_record_their_outputs() -> None:
    recording = lens_trace.trace(nn.LSTM(3, 4, 2), torch.rand(5, 1, 3))
    outputs = [o for o in recording.trace.operations if o.function and o.function.name == "lstm"]
    assert [o.output_index for o in outputs] == [0, 1, 2]
    assert len({o.call_id for o in outputs}) == 1
    assert len(outputs[0].parameters) == 8


def test_models_are_unwrapped_and_refused_with_a_way_out() -> None:
    wrapped = nn.DataParallel(nn.Linear(6, 6))
    assert [m.addresses[0] for m in lens_trace.trace(wrapped, X).trace.modules] == [""]
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


def test_run_plain_returns_the_ground_truth_and_changes_nothing() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5)).train()
    before = copy.deepcopy(model.state_dict())
    x = torch.rand(4, 6)
    state = torch.get_rng_state()
    plain = lens_trace.run_plain(model, x, seed=7)
    recording = lens_trace.trace(model, x, seed=7)
    assert torch.equal(plain, recording.tensors[recording.trace.outputs[0]])
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


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


def test_backward_and_packed_sequences_inside_the_forward() -> None:
    weight = nn.Linear(6, 1)

    def learns(x: torch.Tensor) -> torch.Tensor:
        loss = weight(x).sum()
        loss.backward()
        return loss

    assert names(traced(learns, torch.rand(4, 6))) == ["input", "linear", "sum", "output"]
    packed = traced(lambda t: nn.utils.rnn.pack_padded_sequence(t, [4], batch_first=True).data * 2, torch.rand(1, 4, 6))
    assert "constant" not in names(packed)


def test_a_parameter_is_itself_and_no_view_of_itself_whatever_is_kept() -> None:
    weight_normalised = nn.utils.parametrizations.weight_norm
    model = nn.Sequential(weight_normalised(nn.Linear(3, 3)), weight_normalised(nn.Linear(3, 3)))
    kept, dropped = (
        [operation.args for operation in lens_trace.trace(model, torch.ones(1, 3), keep=keep).trace.operations]
        for keep in (lens_trace.everything, lens_trace.nothing)
    )
    assert kept == dropped
