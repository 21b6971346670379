"""Does one call's result follow from its parents, and from all of them?

Two questions, in this order.  *Replay*: run on the saved parents, does the function return the saved values (and write
what was saved as written)?  *Perturbation*: for every edge, does some other value in that place change the result?  An
edge that changes nothing needs a proof from the table of exemptions; without one it is a wrong edge.

An operation passes when its value replays and no edge failed; it is exempt when there was nothing to compare or no edge
of it could matter.

Source: "Validating the accuracy of saved activations" in the TorchLens paper.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace
from torch import Tensor

from lens_trace import Operation, OperationId, ParameterRef, Recording
from lens_validate._call import Call
from lens_validate._compare import find_difference, is_same
from lens_validate._edges import find_edges
from lens_validate._errors import CannotRebuildError
from lens_validate._outcome import first, is_uninitialised, not_yet_made, number_kept, shown, tolerance_for
from lens_validate._perturb import Noise
from lens_validate._placement import is_place_unknown
from lens_validate._ragged import shape_of
from lens_validate._replay import Outcome, WrongResult, prepare, run
from lens_validate._report import EdgeReport, OperationReport
from lens_validate._values import MissingValue, Values, WrongValue

_IN_A_LEVEL = frozenset({"_make_dual", "_unpack_dual"})
_READ_THE_GRAPH = frozenset({"torch.autograd.grad", "torch.autograd.backward", "torch.Tensor.backward"})


def check_call(
    operations: tuple[Operation, ...],
    values: Values,
    recording: Recording,
    noise: Noise,
    modules: dict[int, str],
    known: Mapping[OperationId, Operation],
) -> list[OperationReport]:
    """Returns the findings on all operations of one call; a record that nothing can be made of is a failure.

    Args:
        operations: The operations that the call returned, in order.
        values: Where saved values come from.
        recording: Functions, objects, random states and parameters.
        noise: Source of the draws.
        modules: Module address of each operation, for the report.
        known: All operations of the trace by id.
    """
    try:
        return _check_call(operations, values, recording, noise, modules, known)
    except MissingValue as error:
        return [report_of(operation, "unverified", _one_line(error), modules) for operation in operations]
    except Exception as error:
        reason = f"it cannot be checked as it is on record: {type(error).__name__}: {_one_line(error)}"
        return [report_of(operation, "failed", reason, modules) for operation in operations]


def _check_call(
    operations: tuple[Operation, ...],
    values: Values,
    recording: Recording,
    noise: Noise,
    modules: dict[int, str],
    known: Mapping[OperationId, Operation],
) -> list[OperationReport]:
    def all_are(verdict: str, reason: str) -> list[OperationReport]:
        return [report_of(operation, verdict, reason, modules) for operation in operations]

    try:
        if operations[0].function is not None and operations[0].function.qualified_name in _READ_THE_GRAPH:
            return all_are("unverified", "it reads autograd's graph, of which saved values have none")
        if operations[0].function is not None and operations[0].function.name in _IN_A_LEVEL:
            return all_are("unverified", "it belongs to a level of forward differentiation, which ended with its pass")
        if not_yet_made(operations[0], recording):
            return all_are(
                "exempt", "uninitialised memory has no value to compare: the parameter was made in this pass"
            )
        call = prepare(operations, values, recording, known)
        if any(tensor.device.type == "meta" for tensor in call.tensors.values()) or _is_meta(operations):
            return all_are("unverified", "it ran on the meta device, where tensors have no values")
        outcome = run(call)
    except (MissingValue, CannotRebuildError) as error:
        return all_are("unverified", str(error))
    except (WrongValue, WrongResult) as error:
        return all_are("failed", str(error))
    except Exception as error:
        return all_are("failed", f"replaying it raised {type(error).__name__}: {_one_line(error)}")
    found = [_replayed(call, outcome, index, values) for index in range(len(operations))]
    if any(verdict == "differs" for verdict, _ in found):
        if not _is_deterministic(call, outcome):
            return all_are("unverified", "the function is not deterministic: two replays differ from each other")
        if is_place_unknown(call):
            return all_are("unverified", "how its arguments lay in the caller's memory is not on record")
        found = [("failed" if verdict == "differs" else verdict, reason) for verdict, reason in found]
    written = _writes(call, outcome, values)
    if written is not None:
        found = [written if verdict == "passed" else (verdict, reason) for verdict, reason in found]
    if any(verdict == "failed" for verdict, _ in found):
        return [report_of(o, *pair, modules) for o, pair in zip(operations, found, strict=True)]
    edges = tuple(find_edges(call, outcome, values, noise))
    return [_concluded(o, *pair, edges, modules) for o, pair in zip(operations, found, strict=True)]


def report_of(
    operation: Operation, verdict: str, reason: str, modules: dict[int, str], edges: tuple[EdgeReport, ...] = ()
) -> OperationReport:
    """Returns the finding on one operation."""
    name = operation.function.name if operation.function is not None else operation.kind
    module = modules.get(operation.id, "")
    return OperationReport(operation.id, name, module, operation.kind, verdict, reason, edges)  # pyright: ignore[reportArgumentType]


def _is_meta(operations: tuple[Operation, ...]) -> bool:
    return any(operation.output.device == "meta" for operation in operations)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + " ..."


# -- replay -----------------------------------------------------------------------------------------------------


def _replayed(call: Call, outcome: Outcome, index: int, values: Values) -> tuple[str, str]:
    operation, replayed = call.operations[index], outcome.outputs[index]
    wrong = _spec_difference(operation, replayed)
    if wrong is not None:
        return "failed", wrong
    try:
        saved = values.output(operation)
    except MissingValue as error:
        return "unverified", str(error)
    except WrongValue as error:
        return "failed", str(error)
    if is_uninitialised(call, replayed):
        if shape_of(saved) != shape_of(replayed) or saved.dtype != replayed.dtype:
            return (
                "failed",
                f"saved {shape_of(saved)} {saved.dtype}, replayed {shape_of(replayed)} {replayed.dtype}",
            )
        count = number_kept(call)
        difference = find_difference(first(saved, count), first(replayed, count)) if count else None
        if difference is not None:
            return "failed", difference
        return ("passed" if count else "exempt"), "uninitialised memory has no value to compare"
    if is_same(saved, replayed):
        outcome.outputs[index] = saved  # so that the replay need not be held as well
    else:
        difference = find_difference(saved, replayed, tolerance_for(call, saved), output=index)
        if difference is not None:
            return "differs", difference
    if outcome.untrue is not None:
        return "failed", outcome.untrue
    if outcome.undeclared:
        return "failed", f"it wrote argument {shown(outcome.undeclared[0])}, which the record does not say"
    return "passed", ""


def _spec_difference(operation: Operation, replayed: Tensor) -> str | None:
    spec = operation.output
    for what, recorded, real in (
        ("shape", spec.shape, shape_of(replayed)),
        ("dtype", spec.dtype, str(replayed.dtype).removeprefix("torch.")),
        ("layout", spec.layout, str(replayed.layout).removeprefix("torch.")),
        ("device", spec.device, str(replayed.device)),
    ):
        if recorded != real:
            return f"recorded with {what} {recorded}, replayed with {real}"
    if spec.layout == "strided" and spec.nbytes != replayed.numel() * replayed.element_size() and not spec.is_quantized:
        return f"recorded with {spec.nbytes} bytes, replayed with {replayed.numel() * replayed.element_size()}"
    return None


def _is_deterministic(call: Call, outcome: Outcome) -> bool:
    try:
        again = run(call)
    except Exception:
        return False
    pairs = zip((*outcome.outputs, *outcome.written), (*again.outputs, *again.written), strict=True)
    return all(find_difference(a, b, tolerance_for(call, a)) is None for a, b in pairs)


def _writes(call: Call, outcome: Outcome, values: Values) -> tuple[str, str] | None:
    for index, (write, replayed) in enumerate(zip(call.first.writes, outcome.written, strict=True)):
        try:
            saved = values.written(call.first, index)
        except MissingValue as error:
            return "unverified", str(error)
        difference = find_difference(saved, replayed, tolerance_for(call, saved))
        if difference is not None:
            return "failed", f"what it wrote into argument {shown(write.path)}: {difference}"
    return None


def _concluded(
    operation: Operation, verdict: str, reason: str, edges: tuple[EdgeReport, ...], modules: dict[int, str]
) -> OperationReport:
    is_replayed = verdict == "passed"
    failed = next((edge for edge in edges if edge.verdict == "failed"), None)
    unproven = next((edge for edge in edges if edge.verdict == "unverified"), None)
    has_parameters = any(isinstance(leaf, ParameterRef) for leaf in operation.args)
    if failed is not None:
        verdict, reason = "failed", f"parent {failed.parent} does not matter: {failed.reason}"
    elif verdict == "passed" and unproven is not None:
        verdict, reason = "unverified", f"parent {unproven.parent}: {unproven.reason}"
    elif verdict == "passed" and edges and not has_parameters and all(edge.verdict == "exempt" for edge in edges):
        verdict, reason = "exempt", edges[0].reason
    return replace(report_of(operation, verdict, reason, modules, edges), is_replayed=is_replayed)
