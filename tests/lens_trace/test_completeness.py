"""Every overridable function of torch is recorded with its true parents, or stands in a table with the reason."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

import lens_trace
from lens_trace._functions import role_of
from lens_trace._role import COMPOSITE, ESCAPE, METADATA, OPERATION, PLAIN, READ

REASONS = {
    METADATA: "answers a question about a tensor: no tensor comes out of it",
    PLAIN: "runs with recording off: printing, pickling, autograd's own bookkeeping",
    READ: "a value leaves the tensor world: recorded as a read",
    ESCAPE: "a raw handle leaves torch: recorded as a read, its memory is watched from then on",
}
NO_SAMPLE = {
    "needs another backend (ROCm, XPU, IPU, MTIA, CUDA)": """
        torch.miopen_batch_norm torch.miopen_convolution torch.miopen_convolution_add_relu torch.miopen_convolution_relu
        torch.miopen_convolution_transpose torch.miopen_depthwise_convolution torch.miopen_rnn torch.cudnn_batch_norm
        torch.Tensor.cuda torch.Tensor.ipu torch.Tensor.mtia torch.Tensor.xpu torch.Tensor.pin_memory
        torch.Tensor.record_stream torch.batch_norm_backward_elemt torch.batch_norm_backward_reduce
        torch.batch_norm_elemt
        torch.batch_norm_gather_stats torch.batch_norm_gather_stats_with_counts torch.batch_norm_stats
        torch.cudnn_affine_grid_generator torch.cudnn_convolution torch.cudnn_convolution_add_relu
        torch.cudnn_convolution_relu torch.cudnn_convolution_transpose torch.cudnn_grid_sampler
        torch._cslt_compress torch._cslt_sparse_mm torch._cslt_sparse_mm_search""",
    "needs weights packed for a quantized or fbgemm kernel": """
        torch.fbgemm_linear_fp16_weight torch.fbgemm_linear_fp16_weight_fp32_activation torch.fbgemm_linear_int8_weight
        torch.fbgemm_linear_int8_weight_fp32_activation torch.fbgemm_pack_quantized_matrix torch.quantized_batch_norm
        torch.quantized_gru_cell torch.quantized_lstm_cell torch.quantized_max_pool1d torch.quantized_max_pool2d
        torch.quantized_max_pool3d torch.quantized_rnn_relu_cell torch.quantized_rnn_tanh_cell
        torch.fbgemm_pack_gemm_matrix_fp16 torch.fbgemm_linear_quantize_weight""",
    "a context manager or a symbolic number, not a function of tensors": """
        torch.amp.autocast_mode.autocast torch.sym_ite torch.amp.autocast_mode._enter_autocast
        torch.amp.autocast_mode._exit_autocast""",
    "named tensors, gone in current torch": "torch.Tensor.align_as torch.Tensor.align_to torch.Tensor.refine_names",
    "removed or raising in current torch": """
        torch.Tensor.resize torch.Tensor.resize_as torch.norm_except_dim torch.lu_unpack torch.hsmm torch.saddmm
        torch.indices_copy""",
    "PyTorch does not dispatch it: wrapped by name for the length of a trace, see test_writes": "torch.Tensor.set_",
}


def _square(*size: int) -> torch.Tensor:
    return torch.rand(*(size or (3, 3))) + 0.1


def _symmetric() -> torch.Tensor:
    a = torch.rand(3, 3)
    return a @ a.T + torch.eye(3)


def _spectrum() -> torch.Tensor:
    return torch.stft(torch.rand(400), 64, window=torch.hann_window(64), return_complex=True)


GUESSES: list[Callable[[int], list[Any]]] = [
    lambda n: [_square() for _ in range(n)],
    lambda n: [_square(), *[1] * (n - 1)],
    lambda n: [_square(3) for _ in range(n)],
    lambda n: [_square(2, 3, 3) for _ in range(n)],
    lambda n: [torch.randint(0, 2, (3, 3)) for _ in range(n)],
    lambda n: [torch.rand(3, 3) > 0.5 for _ in range(n)],
    lambda n: [[_square(), _square()], *[_square() for _ in range(n - 1)]],
    lambda n: [*[[_square(), _square()] for _ in range(min(n, 3))], *[1.0] * (n - 3)],
    lambda n: [_square(), *[0] * (n - 1)],
    lambda n: [_square(), (3, 3), *[1] * (n - 2)][:n],
    lambda n: [(3, 3), *[1.0] * (n - 1)],
    lambda n: [3] * n,
    lambda n: [_square(), 0, torch.tensor([0, 1]), *[_square(2, 3) for _ in range(n - 3)]][:n],
    lambda n: [torch.complex(_square(), _square()), *[1] * (n - 1)],
    lambda n: [_square(1, 2, 4, 4), *[2] * (n - 1)],
    lambda n: [_square(1, 2, 4), *[2] * (n - 1)],
    lambda n: [_square(1, 2, 4, 4, 4), *[2] * (n - 1)],
    lambda n: [_square(3, 2, 2), _square(3), *[_square(2, 2) for _ in range(n - 2)]][:n],
    lambda n: [_square(3), _square(), _square(3)][:n],
    lambda n: [_square(), _square(3), _square(3)][:n],
    lambda n: [_square(), 0, torch.zeros(3, 3, dtype=torch.long), _square()][:n],
    lambda n: [_square(), 0, torch.zeros(3, 3, dtype=torch.long), _square(), "sum"][:n],
    lambda n: [_square(), 0, torch.tensor([0, 1]), _square(2, 3), "mean"][:n],
    lambda n: [_square(), torch.zeros(3, 3, dtype=torch.bool), 1.0][:n],
    lambda n: [_square(), (torch.tensor([0]), torch.tensor([1])), _square(1)][:n],
    lambda n: [_square(), [1, 2], *[0] * (n - 2)][:n],
    lambda n: [_square(), [0, 1], *[1] * (n - 2)][:n],
    lambda n: [_square(), [0], *[1] * (n - 2)][:n],
    lambda n: [_square(), (2, 2), (1, 1), 0][:n],
    lambda n: [_square(), _square(2, 2), (2, 2), (1, 1)][:n],
    lambda n: [_square(), _square(3), *[0] * (n - 2)][:n],
    lambda n: [torch.randint(0, 3, (5,)), *[None] * (n - 1)],
    lambda n: [torch.rand(3) > 0.5, _square(3), _square(3)][:n],
    lambda n: [torch.rand(3, 2), *[None] * (n - 1)],
    lambda n: [_square(1, 2, 5, 5), _square(3, 2, 3, 3), *[None] * (n - 2)][:n],
    lambda n: [_square(1, 2, 5), _square(3, 2, 3), *[None] * (n - 2)][:n],
    lambda n: [_square(1, 2, 5, 5, 5), _square(3, 2, 3, 3, 3), *[None] * (n - 2)][:n],
    lambda n: [_square(1, 2, 5, 5), _square(2, 3, 3, 3), *[None] * (n - 2)][:n],
    lambda n: [_square(1, 2, 5), _square(2, 3, 3), *[None] * (n - 2)][:n],
    lambda n: [_square(1, 2, 5, 5, 5), _square(2, 3, 3, 3, 3), *[None] * (n - 2)][:n],
    lambda n: [_square(), 0.5, True][:n],
    lambda n: [_square(2, 3, 4), 0.5, True][:n],
    lambda n: [_square(), torch.tensor([0, 1, 2])][:n],
    lambda n: [_square(), _square(), torch.tensor([1, -1, 1])][:n],
    lambda n: [1, _square()][:n],
    lambda n: [_symmetric(), _square(3), *[_square(3)] * (n - 2)][:n],
    lambda n: [torch.eye(3).to_sparse(), _square(), _square()][:n],
    lambda n: [torch.eye(3).to_sparse_csr(), *[0] * (n - 1)],
    lambda n: [torch.eye(3).to_sparse_csc(), *[0] * (n - 1)],
    lambda n: [torch.eye(3).to_sparse().coalesce(), *[0] * (n - 1)],
    lambda n: [_square(), torch.eye(3).to_sparse(), _square()][:n],
    lambda n: [torch.quantize_per_tensor(_square(), 0.1, 0, torch.quint8), *[0] * (n - 1)],
    lambda n: [torch.quantize_per_channel(_square(), _square(3), torch.zeros(3).long(), 0, torch.quint8)],
    lambda n: [_square(), torch.tensor([0.1, 0.2, 0.3]), torch.zeros(3, dtype=torch.long), 0, torch.quint8][:n],
    lambda n: [_square(), 0.1, 0, torch.quint8][:n],
    lambda n: [_square(), torch.quint8, False][:n],
    lambda n: [torch.nested.nested_tensor([_square(2), _square(3)]), *[0] * (n - 1)],
]

KEYED: dict[str, Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "torch.batch_norm": lambda: (
        (_square(2, 3), None, None, torch.zeros(3), torch.ones(3), True, 0.1, 1e-5, False),
        {},
    ),
    "torch.native_batch_norm": lambda: (
        (_square(2, 3), None, None, torch.zeros(3), torch.ones(3), True, 0.1, 1e-5),
        {},
    ),
    "torch.instance_norm": lambda: (
        (_square(2, 3, 4), None, None, torch.zeros(3), torch.ones(3), True, 0.1, 1e-5, False),
        {},
    ),
    "torch.nn.functional.batch_norm": lambda: ((_square(2, 3), torch.zeros(3), torch.ones(3)), {"training": True}),
    "torch.native_group_norm": lambda: ((_square(2, 4, 3), None, None, 2, 4, 3, 2, 1e-5), {}),
    "torch.native_layer_norm": lambda: ((_square(), [3], None, None, 1e-5), {}),
    "torch.lstm": lambda: (
        (_square(2, 1, 3), (torch.zeros(1, 1, 4), torch.zeros(1, 1, 4)), list(torch.nn.LSTM(3, 4).parameters()),
         True, 1, 0.0, False, False, False), {},
    ),
    "torch.gru": lambda: (
        (_square(2, 1, 3), torch.zeros(1, 1, 4), list(torch.nn.GRU(3, 4).parameters()), True, 1, 0.0, False, False,
         False), {},
    ),
    "torch.rnn_tanh": lambda: (
        (_square(2, 1, 3), torch.zeros(1, 1, 4), list(torch.nn.RNN(3, 4).parameters()), True, 1, 0.0, False, False,
         False), {},
    ),
    "torch.rnn_relu": lambda: (
        (_square(2, 1, 3), torch.zeros(1, 1, 4), list(torch.nn.RNN(3, 4).parameters()), True, 1, 0.0, False, False,
         False), {},
    ),
    "torch.lstm_cell": lambda: (
        (_square(2, 3), (torch.zeros(2, 4), torch.zeros(2, 4)), *torch.nn.LSTMCell(3, 4).parameters()), {},
    ),
    "torch.gru_cell": lambda: ((_square(2, 3), torch.zeros(2, 4), *torch.nn.GRUCell(3, 4).parameters()), {}),
    "torch.nn.functional.multi_head_attention_forward": lambda: (
        (_square(2, 1, 4), _square(2, 1, 4), _square(2, 1, 4), 4, 2, _square(12, 4), None, None, None, False, 0.0,
         _square(4, 4), None), {},
    ),
    "torch.nn.functional.ctc_loss": lambda: (
        (_square(4, 1, 3).log_softmax(-1), torch.tensor([[1, 2]]), torch.tensor([4]), torch.tensor([2])), {},
    ),
    "torch.ctc_loss": lambda: (
        (_square(4, 1, 3).log_softmax(-1), torch.tensor([[1, 2]]), torch.tensor([4]), torch.tensor([2])), {},
    ),
    "torch.nn.functional.embedding_bag": lambda: ((torch.tensor([[0, 1]]), _square(3, 2)), {}),
    "torch.embedding_bag": lambda: ((_square(3, 2), torch.tensor([0, 1]), torch.tensor([0])), {}),
    "torch.nn.functional.nll_loss": lambda: ((_square(), torch.tensor([0, 1, 2])), {}),
    "torch.nn.functional.multi_margin_loss": lambda: ((_square(), torch.tensor([0, 1, 2])), {}),
    "torch.nn.functional.multilabel_margin_loss": lambda: ((_square(), torch.tensor([[0, -1, -1]] * 3)), {}),
    "torch.nn.functional.fold": lambda: ((_square(1, 4, 4), (3, 3), (2, 2)), {}),
    "torch.nn.functional.affine_grid": lambda: ((_square(1, 2, 3), [1, 1, 2, 2]), {}),
    "torch.affine_grid_generator": lambda: ((_square(1, 2, 3), [1, 1, 2, 2], False), {}),
    "torch.nn.functional.grid_sample": lambda: ((_square(1, 1, 3, 3), _square(1, 2, 2, 2)), {}),
    "torch.grid_sampler": lambda: ((_square(1, 1, 3, 3), _square(1, 2, 2, 2), 0, 0, False), {}),
    "torch.grid_sampler_2d": lambda: ((_square(1, 1, 3, 3), _square(1, 2, 2, 2), 0, 0, False), {}),
    "torch.grid_sampler_3d": lambda: ((_square(1, 1, 3, 3, 3), _square(1, 2, 2, 2, 3), 0, 0, False), {}),
    "torch.nn.functional.max_unpool1d": lambda: ((_square(1, 1, 2), torch.tensor([[[0, 2]]]), 2), {}),
    "torch.nn.functional.max_unpool2d": lambda: ((_square(1, 1, 1, 1), torch.tensor([[[[0]]]]), 2), {}),
    "torch.nn.functional.max_unpool3d": lambda: ((_square(1, 1, 1, 1, 1), torch.tensor([[[[[0]]]]]), 2), {}),
    "torch.istft": lambda: ((_spectrum(), 64), {"window": torch.hann_window(64)}),
    "torch.Tensor.istft": lambda: ((_spectrum(), 64), {"window": torch.hann_window(64)}),
    "torch.convolution": lambda: ((_square(1, 2, 5), _square(3, 2, 3), None, [1], [0], [1], False, [0], 1), {}),
    "torch.conv_tbc": lambda: ((_square(4, 1, 2), _square(3, 2, 3), _square(3)), {}),
    "torch.conv_transpose1d": lambda: ((_square(1, 2, 5), _square(2, 3, 3)), {}),
    "torch.poisson_nll_loss": lambda: ((_square(), _square(), True, False, 1e-8, 1), {}),
    "torch.Tensor.apply_": lambda: ((_square(), lambda v: v + 1), {}),
    "torch.Tensor.map_": lambda: ((_square(), _square(), lambda a, b: a + b), {}),
    "torch.Tensor.map2_": lambda: ((_square(), _square(), _square(), lambda a, b, c: a + b + c), {}),
    "torch.Tensor.__deepcopy__": lambda: ((_square(), {}), {}),
    "torch.addbmm": lambda: ((_square(), _square(2, 3, 3), _square(2, 3, 3)), {}),
    "torch.Tensor.addbmm": lambda: ((_square(), _square(2, 3, 3), _square(2, 3, 3)), {}),
    "torch.Tensor.addbmm_": lambda: ((_square(), _square(2, 3, 3), _square(2, 3, 3)), {}),
    "torch.index_fill": lambda: ((_square(), 0, torch.tensor([0]), 1.0), {}),
    "torch.Tensor.index_fill": lambda: ((_square(), 0, torch.tensor([0]), 1.0), {}),
    "torch.Tensor.index_fill_": lambda: ((_square(), 0, torch.tensor([0]), 1.0), {}),
    "torch.lu_solve": lambda: ((_square(), *torch.linalg.lu_factor(_symmetric())), {}),
    "torch.Tensor.lu_solve": lambda: ((_square(), *torch.linalg.lu_factor(_symmetric())), {}),
    "torch._C._linalg.linalg_lu_solve": lambda: ((*torch.linalg.lu_factor(_symmetric()), _square()), {}),
    "torch._C._linalg.linalg_ldl_solve": lambda: ((*torch.linalg.ldl_factor(_symmetric()), _square()), {}),
    "torch._C._linalg.linalg_solve_triangular": lambda: ((_symmetric(), _square()), {"upper": True}),
    "torch.ormqr": lambda: ((*torch.geqrf(_square()), _square()), {}),
    "torch.Tensor.ormqr": lambda: ((*torch.geqrf(_square()), _square()), {}),
    "torch.Tensor.float_power_": lambda: ((_square().double(), 2), {}),
    "torch.Tensor.where": lambda: ((_square(), _square() > 0.5, _square()), {}),
    "torch.Tensor.geometric_": lambda: ((_square(), 0.5), {}),
    "torch.functional.unravel_index": lambda: ((torch.tensor([3, 4]), (3, 3)), {}),
    "torch.view_as_complex": lambda: ((_square(3, 2),), {}),
    "torch.view_as_complex_copy": lambda: ((_square(3, 2),), {}),
    "torch.unflatten": lambda: ((_square(4, 2), 0, (2, 2)), {}),
    "torch.native_dropout": lambda: ((_square(), 0.5, True), {}),
    "torch.nonzero_static": lambda: ((_square(),), {"size": 2}),
    "torch.Tensor.nonzero_static": lambda: ((_square(),), {"size": 2}),
    "torch.batch_norm_update_stats": lambda: ((_square(2, 3), torch.zeros(3), torch.ones(3), 0.1), {}),
    "torch.Tensor._autocast_to_full_precision": lambda: ((_square(), False, True), {}),
    "torch.Tensor._autocast_to_reduced_precision": lambda: ((_square(), False, True, torch.half, torch.bfloat16), {}),
    "torch.Tensor._coalesced_": lambda: ((torch.eye(3).to_sparse(), True), {}),
    "torch.Tensor.resize_as_sparse_": lambda: ((torch.eye(3).to_sparse(), torch.eye(3).to_sparse()), {}),
    "torch.Tensor.sparse_resize_": lambda: ((torch.eye(3).to_sparse(), (4, 4), 2, 0), {}),
    "torch.Tensor.sparse_resize_and_clear_": lambda: ((torch.eye(3).to_sparse(), (4, 4), 2, 0), {}),
    "torch.Tensor._sparse_mask_projection": lambda: ((torch.eye(3).to_sparse(), torch.eye(3).to_sparse()), {}),
    "torch.Tensor.sspaddmm": lambda: ((torch.eye(3).to_sparse(), torch.eye(3).to_sparse(), _square()), {}),
    "torch.smm": lambda: ((torch.eye(3).to_sparse(), _square()), {}),
    "torch.Tensor.smm": lambda: ((torch.eye(3).to_sparse(), _square()), {}),
    "torch.fused_moving_avg_obs_fake_quant": lambda: (
        (_square(), torch.tensor([1]), torch.tensor([1]), torch.tensor([0.0]), torch.tensor([1.0]), torch.tensor([1.0]),
         torch.tensor([0], dtype=torch.int32), 0.01, 0, 255, 0), {},
    ),
    "torch.fake_quantize_per_channel_affine": lambda: (
        (_square(), torch.rand(3), torch.zeros(3, dtype=torch.int32), 0, 0, 255), {},
    ),
}  # fmt: skip


class _Calls(torch.nn.Module):
    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call
        self.result: Any = None

    def forward(self) -> None:
        self.result = self.call()


def _functions() -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for functions in torch.overrides.get_overridable_functions().values():
        for function in functions:
            name = role_of(function).qualified_name
            if name not in seen:
                seen.add(name)
                yield name, function


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in _tensors(item)]
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in _tensors(item)]
    return []


def _samples(name: str, function: Any) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    if name in KEYED:
        yield KEYED[name]()
        return
    signature = torch.overrides.get_testing_overrides().get(function)
    try:
        parameters = inspect.signature(signature).parameters.values() if signature else ()
    except (TypeError, ValueError):
        parameters = ()
    needed = sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    for guess in GUESSES:
        for count in (needed, needed + 1):
            if count > 0:
                yield tuple(guess(count)), {}


def _verdict(name: str, function: Any) -> str | None:
    """None when the function was recorded as it should; else what is wrong."""
    for args, kwargs in _samples(name, function):
        try:
            plain = function(*args, **kwargs)
        except Exception:
            continue
        given = {id(tensor) for tensor in _tensors([args, kwargs])}
        if plain is None and not given:
            continue
        model = _Calls(functools.partial(function, *args, **kwargs))
        recording = lens_trace.trace(model, (), keep=lens_trace.nothing)
        operations = recording.trace.operations
        calls = [operation for operation in operations if operation.kind == "call"]
        if _tensors(model.result) and not calls:
            return "returned a tensor and was not recorded"
        sources = sum(operation.kind == "constant" for operation in operations) + len(recording.parameters)
        property_or_variadic = name.split(".")[-1] in ("T", "mT", "H", "mH", "real", "imag", "data", "resize_as")
        if calls and sources < len(given) and not property_or_variadic:
            return f"{len(given)} tensors went in, {sources} are sources"
        if calls or not _tensors(model.result):
            return None
    return "no sample"


@pytest.fixture(scope="module")
def verdicts() -> dict[str, str | None]:
    """What became of every function that is an operation or opened."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            name: _verdict(name, function)
            for name, function in _functions()
            if role_of(function).kind in (OPERATION, COMPOSITE)
        }


def test_every_function_of_torch_is_recorded_with_its_parents(verdicts: dict[str, str | None]) -> None:
    excused = {name for names in NO_SAMPLE.values() for name in names.split()}
    wrong = {name: verdict for name, verdict in verdicts.items() if verdict is not None and name not in excused}
    assert wrong == {}


def test_functions_that_are_no_operations_have_a_reason() -> None:
    kinds = {role_of(function).kind for _, function in _functions()}
    assert kinds - {OPERATION, COMPOSITE} <= REASONS.keys()
