"""What does `print(history)` show?

The overall summary of the paper: the model's class, whether it is recurrent, branching or conditional, how many
tensors and parameters with their sizes, what entered and left, how long it took, and its modules as a tree that is cut
at the deepest level that still fits on a screen.
"""

from __future__ import annotations

from lens_graph._interpretation import Interpretation, operation_at, short_name
from lens_graph._model_fields import ModelFields
from lens_graph._modules import ModuleEntry
from lens_graph._text import human_bytes, human_seconds, human_shape
from lens_trace import Module

TREE_LINES = 40
_ENDS_SHOWN = 4


def summarize(facts: Interpretation, model: ModelFields) -> str:
    """The summary as text."""
    lines = [f"{model.model_name}: {', '.join(character(facts, model))}"]
    lines += [f"  {name:<11}{text}" for name, text in totals(facts, model)]
    tree = module_tree(facts)
    if tree:
        lines.append("  modules")
        lines += ["  " + "  " * depth + text for depth, text in tree]
    return "\n".join(lines)


def character(facts: Interpretation, model: ModelFields) -> list[str]:
    """What kind of graph it is, in a few phrases."""
    loops = model.model_max_recurrent_loops
    words = [
        f"{len(facts.labels.counted):,} layers",
        f"recurrent (up to {loops:,} passes)" if loops > 1 else "feed-forward",
        "branching" if model.model_is_branching else "no branches",
    ]
    if model.model_has_conditional_branching:
        words.append("conditional")
    return words if facts.trace.is_complete else [*words, "the forward pass ended early"]


def totals(facts: Interpretation, model: ModelFields) -> list[tuple[str, str]]:
    """Sizes and times, each with its name."""
    rows = [
        ("tensors", f"{model.num_tensors_total:,} ({human_bytes(model.tensor_fsize_total)})"),
        ("saved", f"{model.num_tensors_saved:,} ({human_bytes(model.tensor_fsize_saved)})"),
        (
            "parameters",
            f"{model.total_params:,} in {model.total_param_tensors:,} tensors "
            f"({human_bytes(model.total_params_fsize)}), {model.total_param_layers:,} layers with parameters",
        ),
    ]
    if model.buffer_layers:
        rows.append(("buffers", f"{len(model.buffer_layers):,}"))
    rows.append(("inputs", _ends(facts, facts.graph.inputs)))
    rows.append(("outputs", _ends(facts, facts.graph.outputs)))
    rows.append(
        (
            "time",
            f"{human_seconds(model.elapsed_time_total)} in all, {human_seconds(model.elapsed_time_function_calls)} "
            f"in functions, {human_seconds(model.elapsed_time_logging)} for logging",
        )
    )
    if model.random_seed_used is not None:
        rows.append(("seed", str(model.random_seed_used)))
    return rows


def module_tree(facts: Interpretation, limit: int = TREE_LINES) -> list[tuple[int, str]]:
    """The modules as lines with their depth, cut at the deepest level that fits, level by level."""
    modules = facts.trace.modules
    if not modules:
        return []
    depth = _deepest_level(modules, limit)
    lines: list[tuple[int, str]] = []
    seen: set[int] = set()
    waiting = [(child, 1) for child in reversed(modules[0].children)]
    while waiting:
        module, level = waiting.pop()
        if len(lines) == limit:
            return [*lines, (1, f"... {len(modules) - 1 - limit:,} modules more")]
        parts = modules[module].children
        is_cut = bool(parts) and (level == depth or module in seen)
        lines.append((level, _module_line(facts, module, is_cut=is_cut)))
        if not is_cut:
            waiting += [(child, level + 1) for child in reversed(parts)]
        seen.add(module)
    return lines


def _deepest_level(modules: tuple[Module, ...], limit: int) -> int:
    level, total, seen = [0], 0, {0}
    depth = 0
    while level:
        level = list(dict.fromkeys(part for module in level for part in modules[module].children if part not in seen))
        seen.update(level)
        total += len(level)
        if total > limit:
            break
        depth += 1
    return max(depth, 1)


def _module_line(facts: Interpretation, module: int, *, is_cut: bool) -> str:
    entry = ModuleEntry(facts, module)
    operations = sum(facts.nesting.operations_inside[call] for call in facts.nesting.calls_of[module])
    name = entry.address.rpartition(".")[2]
    text = f"{name} ({entry.class_name})"
    if entry.num_passes != 1:
        text += f" x{entry.num_passes}" if entry.num_passes else " never called"
    if operations:
        text += f": {operations:,} operation{'s' * (operations > 1)}"
    if entry.num_params:
        text += f", {entry.num_params:,} parameters"
    return f"{text}, {len(facts.trace.modules[module].children)} parts" if is_cut else text


def _ends(facts: Interpretation, nodes: tuple[int, ...]) -> str:
    shown = [
        f"{short_name(facts, node)} {human_shape(operation_at(facts, node).output.shape)}"
        for node in nodes[:_ENDS_SHOWN]
    ]
    more = f" and {len(nodes) - _ENDS_SHOWN:,} more" if len(nodes) > _ENDS_SHOWN else ""
    return (", ".join(shown) or "none") + more
