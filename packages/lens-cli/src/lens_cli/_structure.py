"""How does a history become a model's structure as data?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lens_cli._facts import LayerFacts, ParameterFacts, Structure, Totals
from lens_cli._module_facts import module_facts
from lens_torch import ModelHistory


def structure_of(history: ModelHistory, flops: Mapping[int, int] | None = None) -> Structure:
    """Returns a history as data.

    Args:
        history: The pass.
        flops: Floating-point operations by operation id; None when they were not counted.
    """
    trace = history.trace
    trainable = {address: p.numel for p in trace.parameters if p.requires_grad for address in p.addresses}
    layers = tuple(_layer(layer, flops, trainable) for layer in history)
    return Structure(
        model=history.model_name,
        versions=dict(trace.versions),
        totals=Totals(
            layers=len(layers),
            tensors=history.num_tensors_total,
            tensors_nbytes=history.tensor_fsize_total,
            parameters=history.total_params,
            trainable=sum(p.numel for p in trace.parameters if p.addresses and p.requires_grad),
            parameter_tensors=history.total_param_tensors,
            parameters_nbytes=history.total_params_fsize,
            flops=None if flops is None else sum(flops.values()),
            seconds=history.elapsed_time_function_calls,
        ),
        layers=layers,
        modules=module_facts(history, flops),
        parameters=tuple(
            ParameterFacts(
                address=(p.addresses or ("",))[0], shape=p.shape, dtype=p.dtype, requires_grad=p.requires_grad
            )
            for p in trace.parameters
        ),
    )


def _layer(layer: Any, flops: Mapping[int, int] | None, trainable: Mapping[str, int]) -> LayerFacts:
    # What differs between the passes of a layer raises an AttributeError, so that getattr answers None.
    passes = layer.passes
    classes = getattr(layer, "containing_module_classes", None) or ()
    module = getattr(layer, "containing_module_origin", None) or ""
    return LayerFacts(
        label=layer.label,
        type=layer.layer_type,
        kind=getattr(layer, "kind", "mixed"),
        passes=len(passes),
        module=module,
        module_class=classes[-1] if classes and module else "",
        shape=getattr(layer, "tensor_shape", None),
        dtype=getattr(layer, "tensor_dtype", None),
        device=getattr(layer, "tensor_device", None),
        nbytes=sum(one.tensor_fsize for one in passes),
        seconds=sum(one.func_time_elapsed for one in passes),
        parameters=tuple(layer.parent_params),
        num_parameters=layer.num_params_total,
        num_trainable=sum(trainable.get(address, 0) for address in layer.parent_params),
        flops=None if flops is None else sum(flops.get(one.operation_id, 0) for one in passes),
        parents=_without_pass(layer.parent_layers),
        children=_without_pass(layer.child_layers),
    )


def _without_pass(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label.partition(":")[0] for label in labels))
