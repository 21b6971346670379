"""Traces written by hand, no torch needed.

    trace = Script("Tiny")
    x = trace.input("x")
    h = trace.call("conv2d", x, parameters=["conv.weight"])
    trace.output(h)
    trace.finish()

Every method returns the id of the operation that it records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lens_trace import (
    Buffer,
    BufferId,
    CallId,
    CallSite,
    Constant,
    Context,
    Function,
    Module,
    ModuleCall,
    ModuleCallId,
    ModuleId,
    Operation,
    OperationId,
    Parameter,
    ParameterId,
    ParameterRef,
    Parent,
    Read,
    SequenceArgument,
    TensorRef,
    TensorSpec,
    Trace,
)

CONTEXT = Context(grad=True, inference=False)


def spec(shape: Sequence[int] = (2, 3), dtype: str = "float32") -> TensorSpec:
    size = 1 if dtype == "bool" else 4
    for length in shape:
        size *= length
    return TensorSpec(shape=tuple(shape), dtype=dtype, device="cpu", nbytes=size)


class Script:
    """Writes down a forward pass step by step."""

    def __init__(self, model_name: str = "Model") -> None:
        self.model_name = model_name
        self.operations: list[Operation] = []
        self.reads: list[Read] = []
        self.parameters: dict[str, ParameterId] = {}
        self.parameter_records: list[Parameter] = []
        self.buffers: dict[str, int] = {}
        self.modules: dict[str, int] = {"": 0}
        self.module_records: list[dict[str, Any]] = [{"addresses": [""], "class_name": model_name}]
        self.calls: list[dict[str, Any]] = [
            {"module": 0, "address": "", "pass_num": 1, "parent": None, "inputs": (), "outputs": (), "first": 0}
        ]
        self.stack: list[int] = []
        self.next_call = 0

    # --- operations ---

    def input(self, address: str = "x", shape: Sequence[int] = (2, 3), dtype: str = "float32") -> int:
        return self._record("input", address=address, output=spec(shape, dtype))

    def output(self, source: int, address: str | None = None) -> int:
        output = self.operations[source].output
        return self._record(
            "output", args=(TensorRef(OperationId(source)),), parents=(source,), address=address, output=output
        )

    def buffer(self, address: str, shape: Sequence[int] = (3,)) -> int:
        number = self.buffers.setdefault(address, len(self.buffers))
        return self._record("buffer", address=address, output=spec(shape), buffer=BufferId(number))

    def constant(self, address: str | None = None) -> int:
        return self._record("constant", address=address, output=spec())

    def call(
        self,
        name: str,
        *arguments: Any,
        parameters: Sequence[str] = (),
        shape: Sequence[int] | None = None,
        dtype: str = "float32",
        site: int | None = None,
        output_index: int | None = None,
        same_call: bool = False,
        **options: Any,
    ) -> int:
        """Record a function call.  Ints are operation ids, `const(3)` a number, lists sequences."""
        call_id = self.next_call - same_call
        self.next_call = call_id + 1
        parents: list[Parent] = []
        args = [self._argument(value, (index,), parents) for index, value in enumerate(arguments)]
        kwargs = [
            (key, self._argument(value, (key,), parents))
            for key, value in options.items()
            if key not in ("is_inplace", "elapsed_s", "uses_rng")
        ]
        numbers = tuple(dict.fromkeys(self._parameter(address) for address in parameters))
        args += [ParameterRef(number) for number in numbers]
        frame = None if site is None else CallSite("model.py", site, "forward", site)
        return self._record(
            "call",
            function=Function(name, f"torch.{name}", "function"),
            call_id=CallId(call_id),
            args=tuple(args),
            kwargs=tuple(kwargs),
            parent_records=tuple(parents),
            parameters=numbers,
            output=spec((2, 3) if shape is None else shape, dtype),
            output_index=output_index,
            call_site=frame,
            elapsed_s=options.get("elapsed_s", 1e-6),
            is_inplace=options.get("is_inplace", False),
        )

    def read(self, source: int, kind: str = "bool", value: Any = True) -> None:
        self.reads.append(
            Read(
                kind,
                (Parent(OperationId(source), (0,)),),
                value,
                len(self.operations),
                tuple(map(ModuleCallId, self.stack)),
                None,
                CallSite("model.py", 7, "forward", 1),
            )
        )

    # --- modules ---

    @contextmanager
    def module(
        self, address: str, class_name: str = "Module", inputs: Sequence[int] = (), also: Sequence[str] = ()
    ) -> Iterator[list[int]]:
        """Open a module call; append its outputs to the list that it yields."""
        module = self._module(address, class_name, also)
        parent = self.stack[-1] if self.stack else 0
        call = len(self.calls)
        self.calls.append(
            {
                "module": module,
                "address": address,
                "pass_num": 1 + sum(one["module"] == module for one in self.calls),
                "parent": parent,
                "inputs": tuple(inputs),
                "outputs": (),
                "first": len(self.operations),
            }
        )
        self.stack.append(call)
        outputs: list[int] = []
        yield outputs
        self.stack.pop()
        self.calls[call]["outputs"] = tuple(outputs)
        self.calls[call]["last"] = len(self.operations)

    def uncalled(self, address: str, class_name: str = "Module") -> None:
        self._module(address, class_name, ())

    def finish(self, *, is_complete: bool = True) -> Trace:
        inputs = tuple(one.id for one in self.operations if one.kind == "input")
        outputs = tuple(one.id for one in self.operations if one.kind == "output")
        return Trace(
            model_name=self.model_name,
            operations=tuple(self.operations),
            module_calls=tuple(self._call_record(index, call) for index, call in enumerate(self.calls)),
            reads=tuple(self.reads),
            inputs=inputs,
            outputs=outputs,
            output_structure=SequenceArgument("tuple", tuple(TensorRef(one) for one in outputs)),
            modules=tuple(self._module_record(index, record) for index, record in enumerate(self.module_records)),
            parameters=tuple(self.parameter_records),
            buffers=tuple(
                Buffer(BufferId(number), (address,), (3,), "float32", "cpu", 12, True)
                for address, number in self.buffers.items()
            ),
            seed=3,
            started_at=100.0,
            ended_at=101.0,
            elapsed_s=1.0,
            elapsed_functions_s=0.25,
            is_complete=is_complete,
        )

    # --- below ---

    def _record(self, kind: Any, **facts: Any) -> int:
        number = len(self.operations)
        parents = facts.get("parent_records") or tuple(
            Parent(OperationId(parent), (index,)) for index, parent in enumerate(facts.get("parents", ()))
        )
        self.operations.append(
            Operation(
                id=OperationId(number),
                kind=kind,
                function=facts.get("function"),
                call_id=facts.get("call_id"),
                args=facts.get("args", ()),
                kwargs=facts.get("kwargs", ()),
                parents=parents,
                parameters=facts.get("parameters", ()),
                output=facts["output"],
                writes=(),
                output_index=facts.get("output_index"),
                output_path=(),
                module_calls=tuple(map(ModuleCallId, self.stack)),
                called_through=(),
                is_inplace=facts.get("is_inplace", False),
                uses_rng=False,
                elapsed_s=facts.get("elapsed_s", 0.0),
                grad_fn="AddBackward0" if kind == "call" else None,
                context=CONTEXT if kind == "call" else None,
                call_site=facts.get("call_site"),
                user_call_site=facts.get("call_site"),
                address=facts.get("address"),
                buffer=facts.get("buffer"),
            )
        )
        return number

    def _argument(self, value: Any, path: tuple[int | str, ...], parents: list[Parent]) -> Any:
        if isinstance(value, list):
            items = [self._argument(item, (*path, index), parents) for index, item in enumerate(value)]
            return SequenceArgument("list", tuple(items))
        if isinstance(value, int) and not isinstance(value, bool):
            parents.append(Parent(OperationId(value), path))
            return TensorRef(OperationId(value))
        return value if not isinstance(value, str | float | bool | None) else Constant(value)

    def _parameter(self, address: str) -> ParameterId:
        if address not in self.parameters:
            number = ParameterId(len(self.parameter_records))
            self.parameters[address] = number
            self.parameter_records.append(
                Parameter(number, (address,), (4, 3), "float32", "cpu", 12, 48, requires_grad=True)
            )
            owner = self.modules.get(address.rpartition(".")[0], 0)
            self.module_records[owner].setdefault("parameters", []).append(number)
        return self.parameters[address]

    def _module(self, address: str, class_name: str, also: Sequence[str]) -> int:
        if address not in self.modules:
            number = len(self.module_records)
            for name in (address, *also):
                self.modules[name] = number
            self.module_records.append({"addresses": [address, *also], "class_name": class_name})
            owner = self.modules.get(address.rpartition(".")[0], 0)
            self.module_records[owner].setdefault("children", []).append(number)
        return self.modules[address]

    def _module_record(self, index: int, record: dict[str, Any]) -> Module:
        return Module(
            id=ModuleId(index),
            addresses=tuple(record["addresses"]),
            class_name=record["class_name"],
            qualified_class_name=f"models.{record['class_name']}",
            training=False,
            parameters=tuple(record.get("parameters", ())),
            buffers=(),
            children=tuple(map(ModuleId, record.get("children", ()))),
        )

    def _call_record(self, index: int, call: dict[str, Any]) -> ModuleCall:
        depth, parent = 0, call["parent"]
        while parent is not None:
            depth, parent = depth + 1, self.calls[parent]["parent"]
        return ModuleCall(
            id=ModuleCallId(index),
            module=ModuleId(call["module"]),
            address=call["address"],
            pass_num=call["pass_num"],
            parent=call["parent"],
            depth=depth,
            inputs=call["inputs"],
            outputs=call["outputs"],
            training=False,
            elapsed_s=0.001,
            first_operation=call["first"],
            last_operation=call.get("last", len(self.operations)),
        )


def const(value: float) -> Constant:
    """A number as an argument, where a bare int would be an operation."""
    return Constant(value)


def chain(*names: str) -> Trace:
    """A model that applies functions one after the other."""
    script = Script("Chain")
    value = script.input()
    for name in names:
        value = script.call(name, value)
    script.output(value)
    return script.finish()


def words(text: str) -> list[str]:
    """The words of a text, for long lists of names."""
    return text.split()
