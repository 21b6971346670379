"""What does a user hold after one forward pass?

The `ModelHistory` answers three kinds of question: about the model as a whole (the left column of Supplementary
Table 1, under its own names), about one layer, pass or module (by indexing), and about all of them at once (the
tables and the graph).  It is a view of an interpretation: lists of labels are made when asked, and so are all sums.

Source: "The ModelHistory object" and Supplementary Table 1.  Names that carry "torchlens" drop that word:
`elapsed_time_torchlens_logging` is `elapsed_time_logging`.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from lens_graph._errors import NotSavedError
from lens_graph._estimate import Estimate, estimate
from lens_graph._interpretation import Interpretation, is_saved, short_name
from lens_graph._keys import Target, resolve_alias, resolve_number, resolve_text
from lens_graph._layer import LayerEntry
from lens_graph._links import Link, links_into
from lens_graph._model_fields import ModelFields
from lens_graph._module_addresses import Modules
from lens_graph._modules import ModuleCallEntry
from lens_graph._notebook import summarize_as_html
from lens_graph._operation import OperationEntry
from lens_graph._select import select_operations
from lens_graph._selector import Selector, read_selector
from lens_graph._sequences import Layers, Operations
from lens_graph._summary import summarize
from lens_trace import Trace

if TYPE_CHECKING:
    from rustworkx import PyDiGraph

    from lens_graph._tables import Tables


class ModelHistory(ModelFields):
    """Everything known about one forward pass of a model.

    Indexing:
        `history["conv2d_3_8"]`, `history["conv2d_3"]`, `history["features.6"]`, `history[7]`, `history[-17]` return a
        `LayerEntry`; with a pass, `history["conv2d_3_8:1"]` or `history["features.6:1"]`, an `OperationEntry`; a slice
        a list of layers.  A name of one's own, given in `layers=`, returns the entry that it stands for: a layer, or
        an operation where it stands for one pass of several; where it stands for several, a list of entries in
        execution order.  `key in history`, `len(history)` and iteration go by layers in execution order, inputs first,
        outputs last, buffers left out.

    For drawings and other walks over everything:
        - `history.operations`: all `OperationEntry` in execution order, buffers included; `operations[i].node == i`
        - `history.layers`: all `LayerEntry`, buffers included; `layers[i].layer == i`
        - `history.links`: every edge with its argument, `Link(parent, child, argument, path, starts_condition)`,
          parents and children as places in `operations`; `operation.links`: those into one operation
        - an operation's `.kind`, `.label` (with pass where needed), `.layer_label`, `.layer_label_w_pass`, `.pass_num`,
          `.layer_passes_total`, `.tensor_shape`, `.tensor_fsize`, `.parent_param_shapes`,
          `.is_bottom_level_submodule_output`, `.is_terminal_bool_layer`, `.in_cond_branch`, `.initialized_inside_model`
        - its modules: `.containing_module_calls` (`["features:1", "features.6:1"]`, outermost first),
          `.containing_module_origin_nested` (addresses), `.containing_module_classes`, `.module_call_numbers` (places
          in `history.module_calls`)
        - `history.module_calls`: all `ModuleCallEntry`; [0] is the model's own call, `.children` the calls inside
        - `history.modules`: modules by address; `""` is the model
        - totals: `.model_name`, `.num_tensors_total`, `.tensor_fsize_total`, `.total_params`, `.total_params_fsize`
    """

    def __init__(self, facts: Interpretation) -> None:
        self._facts = facts

    @property
    def trace(self) -> Trace:
        """The records that all of this was concluded from."""
        return self._facts.trace

    @property
    def tensors(self) -> Mapping[Any, Any]:
        """The saved tensors by operation id."""
        return self._facts.payloads.tensors

    @property
    def output_tensors(self) -> list[Any]:
        """What the model returned, tensor by tensor, with the graph behind it: a loss is made of these.

        Raises:
            NotSavedError: the history was not made with save_gradients=True, or was read from a folder.
        """
        outputs = self._facts.payloads.outputs
        if outputs is None:
            raise NotSavedError(
                "the tensors that the model returned are kept with their graph only for save_gradients=True; their "
                "values are those of the output layers: " + ", ".join(self.output_layers)
            )
        return list(outputs)

    @property
    def num_backward_passes(self) -> int:
        """How many backward passes have reached a saved tensor so far; 0 without save_gradients=True."""
        gradients = self._facts.payloads.gradients
        return 0 if gradients is None else gradients.passes

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the history with its tensors to a folder, from which `load` brings it back.

        Args:
            path: A folder that does not exist or is empty.
            overwrite: Replace a history that lies there, once the new one is whole.

        What is alive is left out: functions, random states, objects among the arguments, parameters.

        Raises:
            ExistingPathError: there is something at the path (a FileExistsError).
            SaveError: a tensor or a record cannot be written; the message names it, and nothing was written.
        """
        # As with the tables: who never saves does not wait for it.
        from lens_graph._save import save_history

        save_history(self._facts, path, overwrite=overwrite)

    @property
    def interpretation(self) -> Interpretation:
        """The results of the pipeline's steps, for whoever builds on them."""
        return self._facts

    @property
    def operations(self) -> Operations:
        """All operations in execution order, buffers included."""
        return Operations(self._facts)

    @property
    def layers(self) -> Layers:
        """All layers in the order of their first pass, buffers included."""
        return Layers(self._facts)

    @property
    def saved_layers(self) -> list[str]:
        """Labels of the layers of which a tensor was kept."""
        labels = self._facts.labels
        return [
            labels.names[layer]
            for layer in labels.counted
            if any(is_saved(self._facts, node) for node in labels.passes[layer])
        ]

    @property
    def is_complete(self) -> bool:
        """False when the forward pass ended early: it was stopped, or it raised."""
        return self._facts.trace.is_complete

    @property
    def aliases(self) -> dict[str, list[str]]:
        """The names that the user gave in `layers=`, each with the labels of what it stands for."""
        return {name: [short_name(self._facts, node) for node in nodes] for name, nodes in self._facts.aliases.items()}

    def select(self, selector: Selector) -> list[OperationEntry]:
        """The operations that a selector chooses, in execution order, whether their tensors were saved or not.

        Args:
            selector: As in `layers=`: keys, globs, patterns, callables, polars expressions, or collections of these.
                Integers count all layers.

        Raises:
            UnknownKeyError: a part of it chooses nothing (a KeyError).
            SelectorError: it selects nothing by its kind (a TypeError).
        """
        nodes = self._facts.graph.node_of
        chosen = select_operations(self._facts, read_selector(selector)).operations
        return [OperationEntry(self._facts, node) for node in sorted(nodes[operation] for operation in chosen)]

    def estimate(self, layers: Selector = "all", *, dtype: object = None, stop_early: bool = False) -> Estimate:
        """How much memory a pass that keeps these layers needs, told from the records of this one.

        Args:
            layers: As in `select`.
            dtype: Floating type of the kept values, `torch.float16` or "float16"; None leaves it.
            stop_early: Whether the pass ends after the last of them.

        Returns:
            Bytes kept, bytes at the peak beyond what was there before, and bytes of each layer.
        """
        chosen = select_operations(self._facts, read_selector(layers)).operations
        name = None if dtype is None else str(dtype).rpartition(".")[2]
        return estimate(self._facts, chosen, dtype=name, stop_early=stop_early)

    @property
    def links(self) -> Iterator[Link]:
        """Every edge with its argument, in the order of the operations that read."""
        return (link for node in range(len(self._facts.graph.parents)) for link in links_into(self._facts, node))

    @property
    def module_calls(self) -> list[ModuleCallEntry]:
        """All module calls in the order of entering; the first is the model's own."""
        return [ModuleCallEntry(self._facts, call) for call in range(len(self._facts.trace.module_calls))]

    @cached_property
    def tables(self) -> Tables:
        """Polars frames of all operations, layers, modules, edges, parameters, buffers and reads."""
        # Loading polars takes a moment, and who only draws or indexes has no need of it.
        from lens_graph._tables import Tables

        return Tables(self._facts)

    @cached_property
    def graph(self) -> PyDiGraph[str, tuple[int | str, ...]]:
        """The operations as a rustworkx graph, for graph-theoretic questions.

        Node `i` is `operations[i]` and carries its label (with the pass where needed); an edge carries the arguments
        that the value arrived at.
        """
        # As with polars: who never asks does not wait for it.
        from lens_graph._network import make_network

        return make_network(self._facts)

    @cached_property
    def modules(self) -> Modules:
        """The modules by address; `""` is the model itself."""
        return Modules(self._facts)

    # An alias of several layers returns a list; typing it so would make every label a list for the type checker.
    @overload
    def __getitem__(self, key: str) -> LayerEntry | OperationEntry: ...
    @overload
    def __getitem__(self, key: SupportsIndex) -> LayerEntry: ...
    @overload
    def __getitem__(self, key: slice) -> list[LayerEntry]: ...
    def __getitem__(self, key: str | SupportsIndex | slice) -> LayerEntry | OperationEntry | list[Any]:
        """Return the layer, pass or list of layers that a key means.

        Raises:
            UnknownKeyError: nothing has this key (a KeyError and an IndexError); it names the nearest valid ones.
            AmbiguousKeyError: several layers have it; it names them.
        """
        if isinstance(key, slice):
            return [LayerEntry(self._facts, layer) for layer in self._facts.indexable[key]]
        targets = resolve_alias(self._facts, key) if isinstance(key, str) else []
        if len(targets) > 1:
            return [self._entry(target) for target in targets]
        return self._entry(targets[0] if targets else self._resolve(key))

    def __contains__(self, key: object) -> bool:
        if isinstance(key, LayerEntry | OperationEntry):
            return key._facts is self._facts  # pyright: ignore[reportPrivateUsage] - entries are views of a history
        if isinstance(key, str) and key in self._facts.aliases:
            return True
        try:
            self._resolve(key)
        except (LookupError, TypeError):
            return False
        return True

    def __len__(self) -> int:
        return len(self._facts.labels.counted)

    def __iter__(self) -> Iterator[LayerEntry]:
        return (LayerEntry(self._facts, layer) for layer in self._facts.labels.counted)

    def __reversed__(self) -> Iterator[LayerEntry]:
        return (LayerEntry(self._facts, layer) for layer in reversed(self._facts.labels.counted))

    def __repr__(self) -> str:
        return summarize(self._facts, self)

    def _repr_html_(self) -> str:
        return summarize_as_html(self._facts, self)

    def _entry(self, target: Target) -> LayerEntry | OperationEntry:
        if target.node is None:
            return LayerEntry(self._facts, target.layer)
        return OperationEntry(self._facts, target.node)

    def _resolve(self, key: object) -> Target:
        if isinstance(key, str):
            return resolve_text(self._facts, key)
        if isinstance(key, SupportsIndex) and not isinstance(key, bool):
            return resolve_number(self._facts, operator.index(key), self._facts.indexable)
        raise TypeError(
            f"{key!r} is a {type(key).__name__}: "
            "a history is indexed by a label, a module address, an integer or a slice"
        )
