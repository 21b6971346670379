"""On a CUDA device: true recordings are valid, false ones are found, and no replacement value ends the process.

Skipped where there is no device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from msgspec.structs import replace
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lens_trace import trace
from lens_validate import ValidationReport, validate, validate_while_running
from tests.lens_validate.small_models import Function, small_models

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
DEVICE = "cuda"
MODELS = small_models()


def moved(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(DEVICE)
    if isinstance(value, tuple):
        return tuple(moved(item) for item in value)
    return value


def given(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2)).to(DEVICE)


def checked(model: nn.Module, args: Any, **options: Any) -> ValidationReport:
    report = validate(trace(model, args, **options), model, args)
    assert report.plain_forward.verdict == "passed", str(report)
    assert report.second_trace.verdict == "passed", str(report)
    return report


def verdicts(report: ValidationReport) -> dict[str, int]:
    return {verdict: count for verdict, count in report.counts.items() if count}


@pytest.mark.parametrize("name", MODELS)
def test_the_small_models_are_valid(name: str) -> None:
    model, args = MODELS[name]
    on_cpu = trace(model, args, seed=3)
    with torch.device(DEVICE):  # what they make inside is made there too
        model = small_models()[name][0]
        report = checked(model, moved(args), seed=3)
        windowed = validate_while_running(model, moved(args), seed=3)
    assert report, str(report)
    assert windowed, str(windowed)
    assert len(report.operations) == len(on_cpu.trace.operations)


@pytest.mark.parametrize("training", [False, True])
def test_resnet18_is_valid_and_nothing_is_left_unverified(training: bool) -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    model = torchvision.models.resnet18().to(DEVICE).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = checked(model, torch.rand(2, 3, 64, 64, device=DEVICE), seed=1)
    assert report, str(report)
    assert set(verdicts(report)) <= {"passed", "exempt"}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_gpt2_is_valid_and_nothing_is_left_unverified(training: bool, attention: str) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(n_layer=2, n_head=4, n_embd=64, vocab_size=200, attn_implementation=attention)
    model = transformers.GPT2LMHeadModel(config).to(DEVICE).train(training)
    tokens = torch.randint(0, 200, (2, 12), device=DEVICE)
    recording = trace(model, tokens, {"use_cache": False}, seed=1)
    report = validate(recording, model, tokens, {"use_cache": False})
    assert report, str(report)
    assert set(verdicts(report)) <= {"passed", "exempt"}


@pytest.mark.parametrize("training", [False, True])
def test_every_false_value_is_found(training: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten(), nn.Dropout(0.2), nn.LazyLinear(8)
    )
    x = given(2, 3, 8, 8)
    model.to(DEVICE).train(training)
    model(x)
    recording = trace(model, x, seed=2)
    assert validate(recording, model, x)
    for operation in recording.trace.operations:
        value = recording.tensors[operation.id].clone()
        if not value.is_floating_point():
            continue
        flat = value.view(-1)
        place = int(flat.abs().argmax())
        flat[place] += 0.02 * flat[place] + 1e-3
        false = recording.replace(tensors=recording.tensors.replace({operation.id: value}))
        assert not validate(false, model, x), operation


def test_dropout_is_drawn_again_bit_for_bit_and_the_generators_are_left_alone() -> None:
    model = nn.Sequential(nn.Dropout(0.4), nn.Linear(32, 32), nn.RReLU(), nn.AlphaDropout(0.3)).to(DEVICE).train()
    x = given(8, 32)
    for seed in (None, 5):
        torch.manual_seed(1)
        recording = trace(model, x, seed=seed)
        before = torch.cuda.get_rng_state(), torch.get_rng_state()
        report = validate(recording, model, x)
        assert report, str(report)
        assert torch.equal(before[0], torch.cuda.get_rng_state())
        assert torch.equal(before[1], torch.get_rng_state())
        assert validate_while_running(model, x, seed=seed)
        assert torch.equal(before[0], torch.cuda.get_rng_state())


@pytest.mark.parametrize("backend", ["FLASH_ATTENTION", "EFFICIENT_ATTENTION", "MATH", "CUDNN_ATTENTION"])
def test_attention_is_replayed_by_the_kernel_that_the_model_chose(backend: str) -> None:
    kernel = getattr(SDPBackend, backend)
    q, k, v = (given(2, 4, 64, 64).half() for _ in range(3))

    def forward(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        with sdpa_kernel(kernel):
            return F.scaled_dot_product_attention(q * 1, k * 0.9, v * 1.1, dropout_p=0.3)

    report = checked(Function(forward), (q, k, v), seed=4)
    assert report, str(report)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_is_entered_again(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Flatten(), nn.LazyLinear(8)]
    model = nn.Sequential(*layers, nn.Softmax(-1)).to(DEVICE)
    x = given(2, 3, 8, 8)
    model(x)
    model.eval()
    with torch.autocast("cuda", dtype=dtype):
        recording = trace(model, x)
    report = validate(recording, model, x)
    assert report, str(report)

    def inside(x: Tensor) -> Tensor:
        with torch.autocast("cuda", dtype=dtype):
            y = model(x)
        return y.float() @ y.float().T

    assert checked(Function(inside), x)


def test_sums_whose_order_is_not_fixed_are_valid() -> None:
    index = torch.randint(0, 7, (20_000,), device=DEVICE)
    x = given(20_000)

    def forward(x: Tensor) -> Tensor:
        zero = torch.zeros(7, device=x.device)
        a = zero.scatter_add(0, index, x)
        b = zero.index_add(0, index, x)
        c = zero.index_put((index,), x, accumulate=True)
        d = torch.bincount(index, weights=x.abs())
        e = x.cumsum(0)[-7:]
        return a + b + c + d + e + zero.scatter_reduce(0, index, x, "mean")

    for _ in range(3):
        assert checked(Function(forward), x)


def _with(function: Callable[..., Tensor], *args: Tensor) -> tuple[nn.Module, tuple[Tensor, ...]]:
    return Function(function), args


def _refusing() -> dict[str, tuple[nn.Module, tuple[Tensor, ...]]]:
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand(6, 5, generator=generator)
    index = torch.randint(0, 5, (6,), generator=generator)
    places = torch.randint(0, 6, (6, 5), generator=generator)
    mask = uniform > 0.5
    table = torch.randn(5, 3, generator=generator)
    return {
        "embedding": _with(lambda w, i: F.embedding(i * 1, w * 1), table, index),
        "embedding_bag": _with(lambda w, i: F.embedding_bag((i * 1).view(2, 3), w * 1), table, index),
        "gather": _with(lambda x, i: (x * 1).gather(0, i * 1), uniform, places),
        "scatter": _with(lambda x, i: torch.zeros_like(x).scatter(0, i * 1, x * 1), uniform, places),
        "index_select": _with(lambda x, i: (x * 1).index_select(1, i * 1), uniform, index),
        "take": _with(lambda x, i: (x * 1).take(i * 1), uniform, places),
        "take_along_dim": _with(lambda x, i: (x * 1).take_along_dim(i * 1, 0), uniform, places),
        "getitem": _with(lambda x, i: (x * 1)[:, i * 1], uniform, index),
        "setitem": _with(lambda x, i: _set(x * 1, i * 1), uniform, index),
        "index_put": _with(lambda x, i: (x * 1).index_put((i * 1,), x[0] * 1), uniform, index),
        "index_copy": _with(lambda x, i: (x * 1).index_copy(0, i * 1, x[:3] * 2), uniform, torch.tensor([0, 2, 4])),
        "index_fill": _with(lambda x, i: (x * 1).index_fill(1, i * 1, 3.0), uniform, index[:2]),
        "cross_entropy": _with(lambda x, i: F.cross_entropy(x * 1, i * 1), uniform, index),
        "nll_loss": _with(lambda x, i: F.nll_loss(x.log(), i * 1, ignore_index=2), uniform, index),
        "multi_margin_loss": _with(lambda x, i: F.multi_margin_loss(x * 1, i * 1), uniform, index),
        "multilabel_margin_loss": _with(lambda x, i: F.multilabel_margin_loss(x * 1, i * 1), uniform, places % 5),
        "one_hot": _with(lambda x, i: F.one_hot(i * 1, 5) * x, uniform, index),
        "bincount": _with(lambda x, i: torch.bincount(i * 1, minlength=5) * x, uniform, index),
        "repeat_interleave": _with(lambda x, i: (x * 1).repeat_interleave(i * 1, 0), uniform, index),
        "repeat_interleave of a size": _with(
            lambda x, i: (x * 1).repeat_interleave(i * 1, 0, output_size=9), uniform, torch.tensor([1, 2, 1, 3, 1, 1])
        ),
        "bernoulli": _with(lambda x: torch.bernoulli(x * 1), uniform),
        "multinomial": _with(lambda x: torch.multinomial(x * 1, 3), uniform),
        "poisson": _with(lambda x: torch.poisson(x * 9), uniform),
        "binomial": _with(lambda x: torch.binomial(torch.full_like(x, 9) * 1, x * 1), uniform),
        "gamma": _with(lambda x: torch._standard_gamma(x * 3), uniform),
        "binary_cross_entropy": _with(lambda x, m: F.binary_cross_entropy(x * 1, m.float()), uniform, mask),
        "masked_scatter": _with(
            lambda x, m: (x * 1).masked_scatter(~m, torch.arange(30, device=x.device) * x[0, 0]), uniform, mask
        ),
        "masked_select": _with(lambda x, m: (x * 1).masked_select(~m), uniform, mask),
        "max_unpool": _with(
            lambda x: F.max_unpool1d(*F.max_pool1d(x.view(1, 6, 5)[..., :4] * 1, 2, return_indices=True), 2), uniform
        ),
        "ctc_loss": _with(
            lambda x: F.ctc_loss(
                x.view(6, 1, 5).log_softmax(-1), torch.tensor([[1, 2]], device=x.device), torch.tensor([6]),
                torch.tensor([2]),
            ),
            uniform,
        ),
        "grid_sample": _with(
            lambda x: F.grid_sample(x.view(1, 1, 6, 5), x.view(1, 3, 5, 2) * 2 - 1, align_corners=False), uniform
        ),
        "searchsorted": _with(lambda x, i: torch.searchsorted(x[0].sort().values, x * 1) + i[0], uniform, index),
        "histc": _with(lambda x: torch.histc(x * 1, 4, 0, 1), uniform),
    }  # fmt: skip


def _set(x: Tensor, index: Tensor) -> Tensor:
    x[index] = 2.0
    return x


@pytest.mark.parametrize("name", _refusing())
def test_no_replacement_value_ends_the_process(name: str) -> None:
    model, args = _refusing()[name]
    report = validate(trace(model, moved(args), seed=1), model, moved(args))
    torch.cuda.synchronize()  # a kernel that met a value out of range says so here at the latest
    assert not report.counts["failed"], str(report)
    expected = validate(trace(model, args, seed=1), model, args)
    assert [o.verdict for o in report.operations] == [o.verdict for o in expected.operations], str(report)


def test_a_function_under_another_name_does_not_end_the_process() -> None:
    x = torch.rand(6, 5, device=DEVICE)
    recording = trace(Function(lambda x: torch.bernoulli(x * 1)), (x,), seed=1)
    drawn = next(o for o in recording.trace.operations if o.function is not None and o.function.name == "bernoulli")
    assert drawn.function is not None
    renamed = replace(drawn, function=replace(drawn.function, name="frobnicate"))
    operations = tuple(renamed if o.id == drawn.id else o for o in recording.trace.operations)
    false = recording.replace(trace=replace(recording.trace, operations=operations))
    assert not validate(false, Function(lambda x: torch.bernoulli(x * 1)), (x,))
    torch.cuda.synchronize()
    wrong = recording.replace(tensors=recording.tensors.replace({drawn.id - 1: x * 9}))
    assert not validate(wrong)
    torch.cuda.synchronize()


def test_a_forgotten_write_is_found_from_the_recording_alone() -> None:
    def forward(x: Tensor) -> Tensor:
        y = x * 1
        z = y[0:2]
        z.zero_()
        return y + 1

    recording = trace(Function(forward), (torch.zeros(4, device=DEVICE),))
    reader = next(o for o in recording.trace.operations if o.function is not None and o.function.name == "add")
    left: Any = reader.args[0]
    assert left.overlays
    forgetful = replace(reader, args=(replace(left, overlays=()), *reader.args[1:]))
    operations = tuple(forgetful if o.id == reader.id else o for o in recording.trace.operations)
    assert validate(recording)
    report = validate(recording.replace(trace=replace(recording.trace, operations=operations)))
    assert report.counts["failed"], str(report)


def test_copies_between_devices_are_waited_for() -> None:
    large = given(2048, 2048)

    def forward(x: Tensor) -> Tensor:
        for _ in range(20):
            x = x @ large * 0.02
        there = x.to("cpu", non_blocking=True)
        staged = torch.empty(x.shape, device="cpu", pin_memory=True)
        staged.copy_(x, non_blocking=True)
        return there.to(DEVICE, non_blocking=True) + staged.to(DEVICE, non_blocking=True)

    model = Function(forward)
    assert checked(model, large)
    assert validate_while_running(model, large)


def test_a_default_device_of_cuda() -> None:
    with torch.device(DEVICE):
        model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)).train()
        report = checked(model, torch.rand(3, 4), seed=1)
    assert report, str(report)


def test_kernels_that_the_model_launches_are_run_again() -> None:
    kernels = pytest.importorskip("tests.lens_trace.kernels")

    def forward(x: Tensor, y: Tensor) -> Tensor:
        return kernels.scaled_(kernels.added(x * 2, y), 3.0).relu()

    args = given(1000), given(1000)
    report = checked(Function(forward), args)
    assert report, str(report)
    recording = trace(Function(forward), args)
    kernel = next(o for o in recording.trace.operations if o.function is not None and o.function.name == "add_kernel")
    value = recording.tensors[kernel.id].clone()
    value[7] += 1
    assert not validate(recording.replace(tensors=recording.tensors.replace({kernel.id: value})))


@pytest.mark.filterwarnings("ignore:.*script_method:DeprecationWarning")  # of torch's own modules
def test_a_compiled_model() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.5)).to(DEVICE).train(), given(4, 8)
    assert checked(torch.compile(model), x, seed=1)  # pyright: ignore[reportArgumentType]
