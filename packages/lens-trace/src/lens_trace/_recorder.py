"""Who writes down what happens while the model runs?

One `Recorder` lives as long as one forward pass and is its only mutable state.  It notes plain rows
(`lens_trace._rows`); names, sizes, lines and frozen records are made from them afterwards.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any

import torch

from lens_trace._adopting import Adopting
from lens_trace._aliases import Memory
from lens_trace._errors import StopTrace
from lens_trace._keep import OnlyIds, OutputsOf, everything, nothing
from lens_trace._rng import RngState
from lens_trace._rows import ModuleRow, ReadRow, Row
from lens_trace._saving import Saver
from lens_trace._state import ModelState


class Recorder(Adopting):
    """Everything noted during one pass."""

    def __init__(self, model: torch.nn.Module, state: ModelState, saver: Saver, keep: Any, sink: Any) -> None:
        self.model = model
        self.state = state
        self.saver = saver
        self.memory = Memory(state.parameters, state.buffers, saver.outside)
        self.rows: list[Row] = []
        self.reads: list[ReadRow] = []
        self.module_rows: list[ModuleRow] = []
        self.rng_states: dict[int, RngState] = {}
        self.constants: list[tuple[int, torch.Tensor]] = []
        self.live_parameters: list[torch.Tensor] = list(state.parameters)
        self.sink = sink
        self.clock: Callable[[], int] = perf_counter_ns
        self.keeps_all = keep is everything
        self.keeps_nothing = keep is nothing and sink is None
        self.keeps_ids = keep.ids if isinstance(keep, OnlyIds) else None
        self.keeps_outputs_of = keep.addresses if isinstance(keep, OutputsOf) else None
        is_known = self.keeps_all or keep is nothing or self.keeps_ids is not None
        self.predicate = None if is_known else keep.also if isinstance(keep, OutputsOf) else keep
        self.asks_record = sink is not None or self.predicate is not None
        self.last_wanted = max(keep.ids, default=-1) if isinstance(keep, OnlyIds) and keep.then_stop else None
        self.is_done = self.last_wanted == -1
        self._until_stop: tuple[int, int] | None = None
        self.record_of: Callable[[Row], Any] | None = None
        self.next_operation = itertools.count().__next__
        self.next_module_call = itertools.count().__next__
        self.next_thread = itertools.count(1).__next__
        self.lock = threading.RLock()
        self.is_running = False
        super().__init__()
        if not (self.keeps_all or keep is nothing):
            self.memory.own_rest()

    def sink_call(self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Any) -> None:
        """Hands the operations of a call to the sink, in the order they were returned."""
        assert self.record_of is not None
        with torch._C.DisableTorchFunction():
            try:
                for row in self.rows[len(self.rows) - len(leaves) :]:
                    self.sink(self.record_of(row), (args, kwargs), leaves[row.index or 0][1])
            except StopTrace:
                self.note_stop()
                raise

    def end(self) -> None:
        """The pass is over: threads that it started, and that still run, are no longer recorded."""
        self.is_running = False

    # -- the end of a pass that is stopped ------------------------------------------------------------------------

    def note_stop(self) -> None:
        """Notes that the pass has come to its end."""
        self.is_done = True
        if self._until_stop is None:
            self._until_stop = self.rows[-1].operation, len(self.module_rows)

    def forget_what_followed(self) -> None:
        """Takes out what a model has done since, clearing away or because it caught the end."""
        if self._until_stop is None:
            return
        last, calls = self._until_stop
        for row in self.rows:
            if row.operation > last:
                self.saver.payloads.pop(row.operation, None)
        self.rows[:] = [row for row in self.rows if row.operation <= last]
        del self.module_rows[calls:]
        for call in self.module_rows:
            call.last = min(call.last, len(self.rows))

    # -- saving -------------------------------------------------------------------------------------------------

    def consider(self, row: Row, tensor: torch.Tensor, key: int | None) -> None:
        """Saves the value of an operation if it is to be kept."""
        if self.keeps_all:
            wanted = True
        elif self.keeps_ids is not None:
            wanted = row.operation in self.keeps_ids
            if self.last_wanted is not None and row.operation >= self.last_wanted:
                self.is_done = True  # whoever recorded the call ends the pass, once all of the call is written down
        else:
            chosen = self.keeps_outputs_of
            wanted = chosen is not None and row.kind == "output" and "" in chosen
            if not wanted and self.predicate is not None and self.record_of is not None:
                wanted = bool(self.predicate(self.record_of(row)))
        if wanted and not row.is_dead:
            save = self.saver.save_state if row.kind == "buffer" else self.saver.save
            save(row.operation, tensor, key, self.memory.epoch(key))

    def keep_output(self, operation: int, tensor: torch.Tensor, key: int | None) -> None:
        """Saves a value because a chosen module returned it."""
        if operation >= 0 and operation not in self.saver.payloads:
            self.saver.save(operation, tensor, key, self.memory.epoch(key))
