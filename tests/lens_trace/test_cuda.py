"""On a CUDA device: exact values, edges, random state, streams, kernels, memory, and no waiting.

Skipped where there is no device.  What of the same code can be seen without one is in `test_devices.py`.
"""

from __future__ import annotations

import copy
import gc
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

import lens_trace
from tests.lens_trace.models import Calls, edges, find, names, traced

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
DEVICE = "cuda"


def on(module: nn.Module) -> nn.Module:
    return module.to(DEVICE)


def conv_net(inplace: bool = True) -> nn.Module:
    torch.manual_seed(0)
    return on(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(inplace=inplace),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(inplace=inplace),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        )
    )


def images(*shape: int) -> Tensor:
    return torch.rand(*(shape or (4, 3, 16, 16)), generator=torch.Generator().manual_seed(1)).to(DEVICE)


def same(left: Tensor, right: Tensor) -> bool:
    return left.device == right.device and torch.equal(left, right)


@contextmanager
def forbidden_to_wait() -> Generator[None, None, None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that it does not know all that waits
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")


# -- values -------------------------------------------------------------------------------------------------------


def test_values_before_an_in_place_relu_are_those_that_the_model_computed() -> None:
    model, x = conv_net().eval(), images()
    recording = lens_trace.trace(model, x)
    value = x
    for module in model:  # pyright: ignore[reportGeneralTypeIssues] - a Sequential
        plain = type(module)() if isinstance(module, nn.ReLU) else module
        value = plain(value)
        call = next(c for c in recording.trace.module_calls if model.get_submodule(c.address) is module)
        saved = recording.tensors[call.outputs[0]]
        assert saved.device.type == DEVICE
        torch.testing.assert_close(saved, value, rtol=1e-4, atol=1e-5)
    before = recording.tensors[find(recording, "batch_norm").id]
    assert bool((before < 0).any())
    assert same(before.relu(), recording.tensors[find(recording, "relu_").id])
    assert {o.output.device for o in recording.trace.operations} == {f"{DEVICE}:0" if DEVICE == "cuda" else DEVICE}


def test_writes_through_views_and_out_are_edges_and_leave_saved_values_alone() -> None:
    x = images(4)

    def forward(x: Tensor) -> Tensor:
        y = x * 1
        z = y[0:2]
        z.zero_()
        return y + 1

    recording = traced(forward, x)
    y, z, zeroed, added = (find(recording, name) for name in ("mul", "__getitem__", "zero_", "add"))
    assert {p.operation for p in added.parents} == {y.id, zeroed.id}
    assert same(recording.tensors[y.id], x)
    assert same(recording.tensors[z.id], x[:2])
    assert same(recording.tensors[added.id], torch.cat([torch.zeros(2, device=DEVICE), x[2:]]) + 1)

    def with_out(x: Tensor) -> Tensor:
        target = torch.ones_like(x)
        torch.mul(x, 3, out=target)
        return target + x

    recording = traced(with_out, x)
    assert same(recording.tensors[find(recording, "ones_like").id], torch.ones_like(x))
    assert find(recording, "mul").id in {p.operation for p in find(recording, "add").parents}
    assert same(recording.tensors[find(recording, "add").id], x * 3 + x)


def test_what_the_caller_goes_on_with_does_not_change_saved_values() -> None:
    x = images(8)
    recording = lens_trace.trace(on(nn.ReLU()), x)
    before = x.clone()
    x.zero_()
    assert same(recording.tensors[0], before)
    held: list[Tensor] = []
    recording = traced(lambda x: held.append(x * 2) or held[0] + 1, before)
    held[0].zero_()
    assert same(recording.tensors[1], before * 2)


def test_running_statistics_are_recorded_and_put_back() -> None:
    model, x = conv_net().train(), images()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    recording = lens_trace.trace(model, x)
    assert all(same(value, before[name]) for name, value in model.state_dict().items())
    norm = find(recording, "batch_norm")
    assert [write.path for write in norm.writes] == [(3,), (4,)]
    twin = conv_net().train()
    twin(x)
    assert torch.allclose(recording.tensors.written(norm.id, 0), twin.get_buffer("1.running_mean"))
    assert torch.allclose(recording.tensors.written(norm.id, 1), twin.get_buffer("1.running_var"))


def test_keeping_nothing_and_keeping_some() -> None:
    model, x = conv_net().eval(), images()
    assert len(lens_trace.trace(model, x, keep=lens_trace.nothing).tensors) == 0
    kept = lens_trace.trace(model, x, keep=lens_trace.outputs_of(["0", "7"])).tensors
    assert len(kept) == 2
    full = lens_trace.trace(model, x).tensors
    assert all(same(kept[i], full[i]) for i in kept)
    some = lens_trace.trace(model, x, keep=lens_trace.only([1, 2], then_stop=True))
    assert list(some.tensors) == [1, 2]
    assert not some.trace.is_complete


def test_stored_copies_go_where_they_are_wanted_and_in_the_type_wanted() -> None:
    model, x = conv_net().eval(), images()
    full = lens_trace.trace(model, x).tensors
    there = lens_trace.trace(model, x, device="cpu").tensors
    assert {value.device.type for value in there.values()} == {"cpu"}
    assert all(torch.equal(there[i], full[i].cpu()) for i in full)
    half = lens_trace.trace(model, x, device="cpu", dtype=torch.float16).tensors
    assert all(torch.equal(half[i], full[i].half().cpu()) for i in full if full[i].is_floating_point())
    means = lens_trace.trace(model, x, transform=lambda value: value.mul_(2).mean(), keep=lens_trace.only([1])).tensors
    assert torch.allclose(means[1], full[1].mul(2).mean())  # pyright: ignore[reportArgumentType]


def test_low_precision_odd_layouts_and_odd_types_are_exact() -> None:
    def forward(x: Tensor) -> Tensor:
        a = x.to(memory_format=torch.channels_last) * 2
        b = a.half().relu_()
        c = b.to(torch.bfloat16).transpose(1, 2)
        mask = c > 1
        d = torch.view_as_real(torch.fft.rfft(c.float())).sum()
        return torch.where(mask, c, -c).sum() + d + mask.sum()

    x = images() - 0.5
    recording = traced(forward, x)
    twice = (x * 2).to(memory_format=torch.channels_last)
    saved = recording.tensors[find(recording, "mul").id]
    assert same(saved, twice)
    assert saved.is_contiguous(memory_format=torch.channels_last)
    assert same(recording.tensors[find(recording, "half").id], twice.half())
    assert same(recording.tensors[find(recording, "relu_").id], twice.half().relu())


# -- devices ------------------------------------------------------------------------------------------------------


def test_inputs_on_another_device_are_told_how_to_move() -> None:
    model, x = conv_net().eval(), images().cpu()
    with pytest.raises(lens_trace.MixedDevicesError, match=r"inputs\.to\('cuda:0'\)") as caught:
        lens_trace.trace(model, x)
    assert isinstance(caught.value, lens_trace.TraceError)
    assert x.device.type == "cpu"
    with pytest.raises(lens_trace.MixedDevicesError, match=r"model\.to\('cuda:0'\)"):
        lens_trace.trace(nn.Linear(4, 4), torch.rand(2, 4, device=DEVICE))
    with pytest.raises(lens_trace.MixedDevicesError):
        lens_trace.trace(on(nn.Embedding(4, 2)), torch.tensor([1]))


def test_a_model_that_moves_its_inputs_itself_is_traced() -> None:
    class Moves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x.to(self.linear.weight.device)).cpu()

    model, x = Moves().to(DEVICE), torch.rand(2, 4)
    recording = lens_trace.trace(model, x)
    assert edges(recording) == [("input", []), ("to", [0]), ("linear", [1]), ("cpu", [2]), ("output", [3])]
    assert [o.output.device for o in recording.trace.operations] == ["cpu", "cuda:0", "cuda:0", "cpu", "cpu"]
    assert torch.equal(recording.tensors[3], recording.tensors[2].cpu())


def test_copies_between_devices_keep_their_edges() -> None:
    def forward(x: Tensor) -> Tensor:
        a = x * 2
        b = a.cpu() + 1
        c = b.cuda() - 1
        d = c.to("cpu", non_blocking=True)
        e = d.to(x.device, non_blocking=True)
        buffer = torch.zeros(x.shape, device="cpu").pin_memory()
        buffer.copy_(e, non_blocking=True)
        return buffer.to(x.device, non_blocking=True) * 3

    x = images()
    recording = traced(forward, x)
    chain = ["mul", "cpu", "add", "cuda", "sub", "to", "to", "copy_", "to", "mul"]
    operations = [o for o in recording.trace.operations if o.function is not None]
    assert [o.function.name for o in operations if o.function and o.function.name in chain] == chain
    last = find(recording, "mul", 1)
    reached, waiting = set[int](), [int(last.id)]
    while waiting:
        reached.add(waiting[-1])
        waiting += [int(p.operation) for p in recording.trace.operations[waiting.pop()].parents]
    assert {int(o.id) for o in operations if o.function and o.function.name in chain} <= reached
    torch.testing.assert_close(recording.tensors[last.id], x * 6)


@pytest.mark.parametrize("form", [{}, {"dtype": torch.float64}, {"device": "cpu"}, {"transform": lambda x: x * 1}])
def test_values_on_their_way_into_pinned_memory_are_waited_for(form: dict[str, Any]) -> None:
    large = torch.rand(4096, 4096, device=DEVICE)

    def forward(x: Tensor) -> Tensor:
        for _ in range(30):  # work enough that the copy below has not begun when the host goes on
            x = x @ large * 1e-3
        there = x.to("cpu", non_blocking=True)
        back = there.to(DEVICE, non_blocking=True)
        staged = torch.empty(x.shape, device="cpu", pin_memory=True)
        staged.copy_(back, non_blocking=True)
        first = staged.to(DEVICE, non_blocking=True)
        staged.copy_(back + 1, non_blocking=True)
        return first + staged.to(DEVICE, non_blocking=True)

    recording = traced(forward, large, **form)
    value = recording.tensors[find(recording, "mul", 29).id].double().cpu()
    there = find(recording, "to", 0)
    assert there.output.device == "cpu"
    assert torch.equal(recording.tensors[there.id].double().cpu(), value)
    written = [find(recording, "copy_", i).id for i in range(2)]
    assert torch.equal(recording.tensors[written[0]].double().cpu(), value)
    assert torch.equal(recording.tensors[written[1]].float().cpu(), value.float() + 1)


def test_a_model_in_parts_on_two_devices() -> None:
    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.front = nn.Linear(4, 4)
            self.norm = nn.BatchNorm1d(4)
            self.back = nn.Linear(4, 2).to(DEVICE)

        def forward(self, x: Tensor) -> Tensor:
            return self.back(self.norm(self.front(x)).relu_().cuda())

    model = Parts().train()
    recording = lens_trace.trace(model, torch.rand(3, 4))
    assert {p.device for p in recording.trace.parameters} == {"cpu", "cuda:0"}
    assert names(recording)[-3:] == ["cuda", "linear", "output"]
    assert bool((model.norm.running_mean == 0).all())


def test_a_default_device_of_cuda() -> None:
    with torch.device(DEVICE):
        recording = traced(lambda x: x + torch.ones(3) + torch.arange(3), torch.rand(3))
    assert {o.output.device for o in recording.trace.operations} == {"cuda:0"}
    context = find(recording, "ones").context
    assert context is not None
    assert context.default_device == "cuda"


# -- random numbers -----------------------------------------------------------------------------------------------


def test_a_seed_makes_dropout_the_same_and_leaves_the_generators_alone() -> None:
    model = on(nn.Sequential(nn.Dropout(0.5), nn.Linear(64, 64), nn.Dropout(0.5))).train()
    x = images(8, 64)
    torch.manual_seed(7)
    before = torch.cuda.get_rng_state(), torch.get_rng_state()
    one, two = (lens_trace.trace(model, x, seed=3) for _ in range(2))
    assert torch.equal(before[0], torch.cuda.get_rng_state())
    assert torch.equal(before[1], torch.get_rng_state())
    assert all(same(one.tensors[i], two.tensors[i]) for i in one.tensors)
    assert not same(one.tensors[1], x)
    torch.manual_seed(3)
    assert same(one.tensors[max(one.tensors)], model(x))


def test_a_pass_without_a_seed_draws_what_a_plain_pass_draws() -> None:
    model, x = on(nn.Dropout(0.5)).train(), images(8, 64)
    torch.manual_seed(5)
    plain, state = model(x), torch.cuda.get_rng_state()
    torch.manual_seed(5)
    recording = lens_trace.trace(model, x)
    assert same(recording.tensors[1], plain)
    assert torch.equal(state, torch.cuda.get_rng_state())


def test_random_states_are_kept_once_for_calls_that_draw_on_one_device_only() -> None:
    def forward(x: Tensor) -> Tensor:
        return F.dropout(x, 0.5) + F.dropout(x, 0.3) + torch.rand(3, device="cpu").sum()

    recording = traced(forward, images(8))
    one, two = (recording.rng_states[find(recording, "dropout", i).id] for i in range(2))  # pyright: ignore[reportArgumentType]
    assert one.cpu is two.cpu
    assert not torch.equal(one.cuda[0], two.cuda[0])


def test_a_generator_of_the_callers() -> None:
    generator = torch.Generator(DEVICE).manual_seed(11)
    recording = traced(lambda x: x + torch.rand(4, device=DEVICE, generator=generator), images(4))
    drawn = find(recording, "rand")
    state = recording.rng_states[drawn.id]  # pyright: ignore[reportArgumentType]
    with lens_trace.replayed(state, generator):
        assert same(recording.tensors[drawn.id], torch.rand(4, device=DEVICE, generator=generator))


# -- modes and kernels --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_is_recorded_and_values_have_its_type(dtype: torch.dtype) -> None:
    model, x = conv_net().eval(), images()
    with torch.autocast("cuda", dtype=dtype):
        recording = lens_trace.trace(model, x)
        plain = model(x)
    convolution = find(recording, "conv2d")
    assert convolution.output.dtype == str(dtype)[6:]
    assert convolution.context is not None
    assert ("cuda", str(dtype)[6:]) in convolution.context.autocast
    assert same(recording.tensors[recording.trace.outputs[0]], plain)


@pytest.mark.parametrize("backend", ["FLASH_ATTENTION", "EFFICIENT_ATTENTION", "MATH", "CUDNN_ATTENTION"])
def test_attention_kernels_are_noted_and_compute_what_they_compute_plainly(backend: str) -> None:
    kernel = getattr(SDPBackend, backend)
    q, k, v = (torch.randn(2, 4, 64, 64, device=DEVICE, dtype=torch.float16) for _ in range(3))

    def forward(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with sdpa_kernel(kernel):
            return F.scaled_dot_product_attention(q, k, v, dropout_p=0.2, is_causal=True)

    torch.manual_seed(1)
    plain = forward(q, k, v)
    recording = traced(forward, q, k, v, seed=1)
    attention = find(recording, "scaled_dot_product_attention")
    assert same(recording.tensors[attention.id], plain)
    assert recording.rng_states[attention.id].attention == (int(kernel),)  # pyright: ignore[reportArgumentType]


def test_fused_kernels_and_modules_of_attention() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    model, x = on(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)).eval(), images(2, 10, 32)
    with torch.no_grad():
        recording = lens_trace.trace(model, x)
        torch.testing.assert_close(recording.tensors[recording.trace.outputs[0]], model(x), rtol=1e-3, atol=1e-4)
    assert names(recording).count("scaled_dot_product_attention") == 2
    lstm = on(nn.LSTM(8, 16, 2, batch_first=True)).eval()
    recording = lens_trace.trace(lstm, images(2, 5, 8))
    outputs = [o for o in recording.trace.operations if o.function is not None and o.function.name == "lstm"]
    plain = lstm(images(2, 5, 8))
    assert same(recording.tensors[outputs[0].id], plain[0])


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # of torch's own modules
def test_a_compiled_model_is_seen_as_the_model_inside() -> None:
    model, x = conv_net().eval(), images()
    recording = lens_trace.trace(torch.compile(model), x)  # pyright: ignore[reportArgumentType]
    assert names(recording) == names(lens_trace.trace(model, x))
    assert not any("_orig_mod" in address for m in recording.trace.modules for address in m.addresses)


def test_data_parallel_on_one_device_is_unwrapped_and_traced_inside_a_model() -> None:
    inner, x = conv_net().eval(), images()
    assert names(lens_trace.trace(nn.DataParallel(inner), x)) == names(lens_trace.trace(inner, x))
    outer = nn.Sequential(nn.DataParallel(inner, device_ids=[0]), nn.Softmax(-1))
    recording = lens_trace.trace(outer, x)
    assert names(recording)[-2:] == ["softmax", "output"]
    assert same(recording.tensors[recording.trace.outputs[0]], outer(x))


def test_a_branch_on_a_side_stream_is_recorded_exactly() -> None:
    stream = torch.cuda.Stream()

    def forward(x: Tensor) -> Tensor:
        a = x * 2
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            b = a @ a
            b.relu_()
            b.add_(1)
        c = a.sin()
        torch.cuda.current_stream().wait_stream(stream)
        return b + c

    x = torch.randn(1024, 1024, device=DEVICE)
    for _ in range(5):
        recording = traced(forward, x)
        torch.cuda.synchronize()
        product, added = find(recording, "matmul").id, find(recording, "add").id
        assert same(recording.tensors[product], (x * 2) @ (x * 2))
        assert same(recording.tensors[find(recording, "relu_").id], ((x * 2) @ (x * 2)).relu())
        assert same(recording.tensors[added], ((x * 2) @ (x * 2)).relu() + 1 + (x * 2).sin())


def test_cuda_graphs_are_refused_with_the_way_out_and_work_afterwards() -> None:
    torch.manual_seed(0)
    model = on(nn.Sequential(nn.Linear(8, 8), nn.ReLU())).eval().requires_grad_(False)
    x = images(2, 8)
    with torch.no_grad():
        plain = model(x)
    graphed = torch.cuda.make_graphed_callables(copy.deepcopy(model), (x,))
    with pytest.raises(lens_trace.CudaGraphError, match="make_graphed_callables"):
        lens_trace.trace(nn.Sequential(graphed, nn.Tanh()), x)  # pyright: ignore[reportArgumentType]
    graphed(x)  # pyright: ignore[reportCallIssue]

    def captures(x: Tensor) -> Tensor:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = x * 2
        graph.replay()
        return y

    stream = torch.cuda.current_stream()
    with pytest.raises(lens_trace.CudaGraphError):
        traced(captures, x)
    assert torch.cuda.current_stream() == stream
    with torch.no_grad():
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = model(x)
        graph.replay()
        torch.testing.assert_close(output, plain)


def test_a_kernel_that_the_model_launches_is_an_operation() -> None:
    kernels = pytest.importorskip("tests.lens_trace.kernels")
    x, y = images(1000), images(1000)

    def forward(x: Tensor, y: Tensor) -> Tensor:
        a = kernels.added(x * 2, y)
        kernels.scaled_(a, 3.0)
        return a.relu()

    traced(forward, x, y)  # so that the allocator has what the kernel wrote to give out again
    for mode in (torch.enable_grad, torch.inference_mode):
        with mode():
            recording = traced(forward, x, y)
            assert names(recording)[2:-1] == ["mul", "empty_like", "add_kernel", "scale_kernel", "relu"]
            assert [parents for _, parents in edges(recording)][4:7] == [[2, 1, 3], [4], [5]]
            torch.testing.assert_close(recording.tensors[find(recording, "add_kernel").id], x * 2 + y)
            torch.testing.assert_close(recording.tensors[find(recording, "scale_kernel").id], (x * 2 + y) * 3)
            assert not find(recording, "add_kernel").writes


def test_a_write_behind_torchs_back_is_a_source() -> None:
    x = images(64)

    def forward(x: Tensor) -> Tensor:
        y = torch.zeros_like(x)
        alias = torch.from_dlpack(y)
        with torch._C.DisableTorchFunction():
            alias.copy_(x)
        return y + 1

    recording = traced(forward, x)
    assert same(recording.tensors[find(recording, "add").id], x + 1)
    assert "constant" in [recording.trace.operations[p.operation].kind for p in find(recording, "add").parents]


# -- memory and waiting -------------------------------------------------------------------------------------------


def _settled() -> int:
    gc.collect()
    torch.cuda.synchronize()
    return torch.cuda.memory_allocated()


@pytest.mark.parametrize("keep", [lens_trace.everything, lens_trace.nothing])
def test_nothing_stays_on_the_device_when_a_recording_is_dropped(keep: Any) -> None:
    model, x = conv_net().train(), images()
    lens_trace.trace(model, x, keep=keep)
    before = _settled()
    recording = lens_trace.trace(model, x, keep=keep)
    _ = recording.trace
    del recording
    assert _settled() == before
    with pytest.raises(ZeroDivisionError):
        lens_trace.trace(nn.Sequential(model, Calls(lambda x: 1 / 0)), x, keep=keep)
    assert _settled() == before


def test_keeping_nothing_holds_nothing() -> None:
    model, x = conv_net().eval(), images()
    with torch.no_grad():
        model(x)
        before = _settled()
        recording = lens_trace.trace(model, x, keep=lens_trace.nothing)
        assert _settled() == before
    assert len(recording.trace.operations) > 5


def _peak(run: Callable[[], Any]) -> tuple[int, Any]:
    before = _settled()
    torch.cuda.reset_peak_memory_stats()
    result = run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before, result


def test_the_peak_of_keeping_everything_is_what_was_saved() -> None:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(8):
        layers += [nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    model, x = on(nn.Sequential(*layers)).eval(), images(8, 16, 64, 64)
    with torch.no_grad():
        model(x)  # workspaces of cuDNN are taken once
        peak, recording = _peak(lambda: lens_trace.trace(model, x))
        plain, _ = _peak(lambda: model(x))
        nothing, _ = _peak(lambda: lens_trace.trace(model, x, keep=lens_trace.nothing))
    distinct = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in recording.tensors.values()}
    assert recording.tensors.nbytes == sum(distinct.values())
    assert peak <= recording.tensors.nbytes * 1.1
    assert nothing <= plain * 1.02 + 65536


@pytest.mark.parametrize("keep", [lens_trace.everything, lens_trace.nothing])
@pytest.mark.parametrize("training", [False, True])
def test_a_trace_does_not_wait_for_the_device(keep: Any, training: bool) -> None:
    model, x = conv_net().train(training), images()
    encoder = on(nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)).train(training)
    tokens = images(2, 10, 32)
    for each, given in ((model, x), (encoder, tokens)):
        each(given)
        with forbidden_to_wait():
            recording = lens_trace.trace(each, given, keep=keep, seed=1)
        assert recording.trace.is_complete


def test_times_are_those_of_the_device_on_request() -> None:
    large = torch.rand(8192, 8192, device=DEVICE)

    def forward(x: Tensor) -> Tensor:
        return (x @ large).sum()

    traced(forward, large)
    host = find(traced(forward, large, keep=lens_trace.nothing), "matmul")
    torch.cuda.synchronize()
    device = find(traced(forward, large, keep=lens_trace.nothing, synchronize=torch.cuda.synchronize), "matmul")
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    _ = large @ large
    end.record()
    torch.cuda.synchronize()
    seconds = start.elapsed_time(end) * 1e-3
    assert device.elapsed_s > 0.8 * seconds
    assert host.elapsed_s < 0.5 * seconds


@pytest.mark.parametrize("grad", [True, False])
def test_what_is_kept_changes_nothing_in_the_records(grad: bool) -> None:
    def forward(x: Tensor) -> Tensor:
        y = x * 2
        y.add_(1)
        z = copy.copy(y) * 2
        w = z.view(-1)[:5]
        w.mul_(3).relu_()
        return z.relu_().sub_(1)

    x = images().requires_grad_(grad)
    every, none = traced(forward, x), traced(forward, x, keep=lens_trace.nothing)
    assert edges(every) == edges(none)
    assert [o.args for o in every.trace.operations] == [o.args for o in none.trace.operations]
    model = conv_net()
    assert edges(lens_trace.trace(model, images())) == edges(lens_trace.trace(model, images(), keep=lens_trace.nothing))
