"""How do rows become records?

Runs after the pass, when somebody asks for `recording.trace`: rows of live objects in, frozen records out.  Nothing
here looks at the model again but for the addresses of modules, parameters and buffers noted at the beginning.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from lens_trace import _records as records
from lens_trace._composites import composite_name
from lens_trace._constant_addresses import constant_addresses
from lens_trace._constants import QUANTIZED, SCALARS, constant, dtype_name, read_value, special
from lens_trace._leaves import children
from lens_trace._recorder import Recorder
from lens_trace._role import Role
from lens_trace._rows import HERE, ModuleRow, Owner, Owning, ReadRow, Row, Seen, TrackedRow, Written
from lens_trace._sites import SiteTable
from lens_trace._templates import ArrayTemplate, SequenceTemplate

_Parameter = torch.nn.Parameter
_int = frozenset((int,))


class Freezer:
    """Turns the rows of one recorder into records, each shared part made once."""

    def __init__(self, recorder: Recorder) -> None:
        self._addresses = recorder.state.addresses
        self._sites = SiteTable()
        self._calls: dict[int, tuple[Any, ...]] = {}
        self._module_calls: dict[int, tuple[records.ModuleCallId, ...]] = {}
        self._contexts: dict[tuple[Any, ...], records.Context] = {}
        self._composites: dict[tuple[Any, ...], tuple[str, ...]] = {}
        self._tuples: dict[tuple[int, ...], records.SequenceArgument] = {}
        self._devices: dict[Any, str] = {}
        self._storages: dict[int, int] = {}
        self._grad_names: dict[Any, str] = {}
        self._constant_addresses: dict[int, str] = {}
        self.objects: dict[int, Any] = {}

    # -- operations ---------------------------------------------------------------------------------------------

    def operation(self, row: Row) -> records.Operation:
        """Returns the record of one row."""
        if row.role is None:
            return self._source(row)
        if row.index is None:  # the only one of its call
            number, made = row.operation, self._call(row)
        else:
            number = call_of(row)
            made = self._calls.get(number)
            if made is None:
                made = self._calls[number] = self._call(row)
        function, args, kwargs, parents, parameters, context, site, user_site, writes = made
        return records.Operation(
            records.OperationId(row.operation), "call", function, records.CallId(number), args, kwargs, parents,
            parameters, self._spec_of(row), writes, row.index, row.path, self.module_calls(row.module)[1:],
            self._through(row.through), row.is_inplace, row.role.is_random, row.elapsed * 1e-9,
            self._grad_name(row.grad_type), context, site, user_site, None, None,
            0 if row.module is None else row.module.thread,
        )  # fmt: skip

    def _source(self, row: Row) -> records.Operation:
        args: tuple[records.Argument, ...] = ()
        parents: list[records.Parent] = []
        parameters: dict[int, None] = {}
        if row.source is not None:
            leaf = self.argument(row.source, (0,), parents, parameters)
            args = (leaf,)
        name = self._constant_address(row) if row.kind == "constant" else row.name
        if row.kind == "buffer" and row.buffer is not None:
            name = self._addresses.buffers[row.buffer][0]
        return records.Operation(
            records.OperationId(row.operation), row.kind, None, None, args, (), tuple(parents),  # pyright: ignore[reportArgumentType]
            tuple(records.ParameterId(p) for p in parameters), self._spec_of(row), (), None, row.path, (), (), False,
            False, 0.0, self._grad_name(row.grad_type), None, None, None, name,
            None if row.buffer is None else records.BufferId(row.buffer), 0,
        )  # fmt: skip

    def _call(self, row: Row) -> tuple[Any, ...]:
        assert row.role is not None and row.code is not None
        parents: list[records.Parent] = []
        parameters: dict[int, None] = {}
        args = tuple([self.argument(a, (i,), parents, parameters) for i, a in enumerate(row.args)])
        kwargs = tuple(
            [(str(k), self.argument(a, (str(k),), parents, parameters)) for k, a in row.kwargs.items()]
            if row.kwargs
            else ()
        )
        here = (row.code, row.instruction)
        return (
            function_record(row.role), args, kwargs, tuple(parents),
            tuple([records.ParameterId(p) for p in parameters]), self._context(row.modes),
            self._sites.resolve(here), self._sites.resolve(here if row.user is HERE else row.user),
            tuple([records.Write(path, self.spec(*spec[:7])) for path, spec in row.writes]) if row.writes else (),
        )  # fmt: skip

    def module_calls(self, row: ModuleRow | None) -> tuple[records.ModuleCallId, ...]:
        """Returns the module calls open in a module call, outermost first, itself last."""
        if row is None:
            return ()
        if row.number is None:
            return self.module_calls(row.outer)
        calls = self._module_calls.get(row.number)
        if calls is None:
            calls = self._module_calls[row.number] = (
                *self.module_calls(row.outer), records.ModuleCallId(row.number)
            )  # fmt: skip
        return calls

    def _spec_of(self, row: Row) -> records.TensorSpec:
        return self.spec(row.shape, row.dtype, row.device, row.layout, row.storage, row.requires_grad, row.nbytes)

    def spec(self, shape: Any, dtype: torch.dtype, device: torch.device, layout: torch.layout, key: int | None,
             requires_grad: bool, nbytes: int | None) -> records.TensorSpec:  # fmt: skip
        """Returns the record of what a tensor looks like."""
        sizes = tuple([int(n) for n in shape])
        shown = self._devices.get(device)
        if shown is None:
            shown = self._devices[device] = str(device)
        is_strided = layout is torch.strided  # a sparse tensor is known by the memory of its values, but is no view
        storage = self._storages.setdefault(key, len(self._storages)) if key is not None and is_strided else None
        return records.TensorSpec(
            sizes, dtype_name(dtype), shown, math.prod(sizes) * dtype.itemsize if nbytes is None else nbytes,
            "strided" if is_strided else str(layout).removeprefix("torch."), storage,
            dtype in QUANTIZED, requires_grad,
        )  # fmt: skip

    def _context(self, modes: tuple[Any, ...]) -> records.Context:
        context = self._contexts.get(modes)
        if context is None:
            grad, inference, autocast, dtype, *device = modes
            context = records.Context(grad, inference, autocast, dtype_name(dtype), *device)
            self._contexts[modes] = context
        return context

    def _through(self, noted: tuple[Any, ...]) -> tuple[str, ...]:
        # Composites that were entered directly were noted by their code.
        names = self._composites.get(noted)
        if names is None:
            names = tuple([step if isinstance(step, str) else composite_name(step) for step in noted])
            names = self._composites[noted] = tuple([name for name in names if name is not None])
        return names

    def _grad_name(self, kind: Any) -> str | None:
        return None if kind is None else kind.__name__

    def find_constants(self, recorder: Recorder) -> None:
        """Looks up where the model holds the tensors that nobody had seen; to be called while it still does."""
        self._constant_addresses = constant_addresses(recorder)

    def _constant_address(self, row: Row) -> str | None:
        return self._constant_addresses.get(row.operation)

    # -- arguments ----------------------------------------------------------------------------------------------

    def argument(
        self, value: Any, path: Any, parents: list[records.Parent], parameters: dict[int, None]
    ) -> records.Argument:
        """Returns the tree of one argument; appends the edges and parameters that it brings."""
        kind = type(value)
        if kind is Owner or kind is Row or kind is TrackedRow:
            return self._reference(value, (), None, path, parents, parameters)
        if kind is Seen:
            return self._reference(value.owner, value.overlays, value.geometry, path, parents, parameters)
        if kind in SCALARS:
            return constant(value)
        if kind is _Parameter:
            number = self._addresses.parameter_of[id(value)]
            parameters[number] = None
            return records.ParameterRef(records.ParameterId(number), (), None)
        if kind is tuple and _int.issuperset(map(type, value)):  # sizes, strides: few differ
            known = self._tuples.get(value)
            if known is None:
                items = tuple([constant(item) for item in value])
                known = self._tuples[value] = records.SequenceArgument("tuple", items)
            return known
        if kind is tuple or kind is list:
            items = tuple([self.argument(v, (*path, i), parents, parameters) for i, v in enumerate(value)])
            return records.SequenceArgument(kind.__name__, items)
        if kind is dict:
            return records.MappingArgument(
                "dict",
                tuple([(str(k), self.argument(v, (*path, _step(k)), parents, parameters)) for k, v in value.items()]),
            )
        if kind is slice:
            return records.SliceArgument(
                self.argument(value.start, (*path, "start"), parents, parameters),
                self.argument(value.stop, (*path, "stop"), parents, parameters),
                self.argument(value.step, (*path, "step"), parents, parameters),
            )
        if kind is SequenceTemplate:
            items = tuple([self.argument(v, (*path, i), parents, parameters) for i, v in enumerate(value.items)])
            return records.SequenceArgument(f"{value.kind.__module__}.{value.kind.__qualname__}", items)
        if kind is ArrayTemplate:
            self.argument(value.reference, path, parents, parameters)
            return self._opaque(value.array)
        return special(value) or self._opaque(value)

    def _reference(self, owner: Owning, overlays: tuple[Written, ...], geometry: records.Geometry | None, path: Any,
                   parents: list[records.Parent], parameters: dict[int, None]) -> records.Argument:  # fmt: skip
        written = tuple([records.WrittenValue(records.OperationId(w.operation), w.write, w.geometry) for w in overlays])
        if owner.parameter is not None:
            parameters[owner.parameter] = None
        if owner.operation >= 0:
            parents.append(records.Parent(records.OperationId(owner.operation), path))
        for w in overlays:
            parents.append(records.Parent(records.OperationId(w.operation), path, True))
        if owner.operation < 0:
            assert owner.parameter is not None
            return records.ParameterRef(records.ParameterId(owner.parameter), written, geometry)
        return records.TensorRef(
            records.OperationId(owner.operation), owner.write, written, geometry,
            None if owner.parameter is None else records.ParameterId(owner.parameter),
            None if owner.buffer is None else records.BufferId(owner.buffer),
        )  # fmt: skip

    def _opaque(self, value: Any) -> records.Opaque:
        index = len(self.objects)
        self.objects[index] = value
        return records.Opaque(f"{type(value).__module__}.{type(value).__qualname__}", index)

    # -- the rest -----------------------------------------------------------------------------------------------

    def read(self, row: ReadRow) -> records.Read:
        """Returns the record of one read."""
        parents: list[records.Parent] = []
        parameters: dict[int, None] = {}
        for index, value in enumerate(row.args):
            self.argument(value, (index,), parents, parameters)
        for key, value in (row.kwargs or {}).items():
            self.argument(value, (key,), parents, parameters)
        return records.Read(
            row.role.name.strip("_"), tuple(parents), read_value(row.value), row.after,
            self.module_calls(row.module)[1:], self._sites.resolve(row.place), self._sites.resolve(row.user),
        )  # fmt: skip

    def structure(self, value: Any, outputs: Iterable[int]) -> records.Argument:
        """Returns the tree of the model's result with its tensors pointing to operations of kind output."""
        return self._structure(value, iter(outputs), set())

    def _structure(self, value: Any, outputs: Any, open_objects: set[int]) -> records.Argument:
        if isinstance(value, torch.Tensor):
            return records.TensorRef(records.OperationId(next(outputs)))
        if type(value) in SCALARS:
            return constant(value)
        plain = special(value)
        parts = children(value) if plain is None and id(value) not in open_objects else None
        if parts is None:
            return plain or records.Opaque(f"{type(value).__module__}.{type(value).__qualname__}", -1)
        open_objects.add(id(value))
        items = [(key, self._structure(item, outputs, open_objects)) for key, item in parts[1]]
        open_objects.discard(id(value))
        if parts[0] == "sequence":
            name = type(value).__name__ if type(value) in (list, tuple) else _qualified(value)
            return records.SequenceArgument(name, tuple([item for _, item in items]))
        return records.MappingArgument(
            "dict" if type(value) is dict else _qualified(value), tuple([(str(key), item) for key, item in items])
        )


def _qualified(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _step(key: Any) -> int | str:
    return key if isinstance(key, (int, str)) else str(key)


def call_of(row: Row) -> int:
    """Returns the number of a row's call: the first operation that it returned."""
    return row.operation if row.call is None else row.call


def function_record(role: Role) -> records.Function:
    """Returns the record of a function, made once a role."""
    if role.frozen is None:
        role.frozen = records.Function(role.name, role.qualified_name, role.family)  # pyright: ignore[reportArgumentType]
    return role.frozen


def library_versions() -> tuple[tuple[str, str], ...]:
    """Returns the versions that a trace depends on."""
    try:
        own = version("lens-trace")
    except PackageNotFoundError:
        own = "unknown"
    return (("torch", str(torch.__version__)), ("python", sys.version.split()[0]), ("lens-trace", own))
