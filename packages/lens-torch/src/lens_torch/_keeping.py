"""Where do the values and gradients of one pass go?

Into memory, unless `save_to` names a folder; gradients are gathered beside them when they are asked for.  The keeping
is opened before the model runs, so that a wrong path costs nothing, and finished when the history is there.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any

import torch

from lens_graph import ModelHistory
from lens_torch._gradients import GradientKeeper
from lens_torch._history_files import HistoryFiles
from lens_torch._stream import Destination, Stream
from lens_trace import Recording


class Keeping:
    """Where the values and gradients of one pass go; used as a context, which takes back what was not finished."""

    def __init__(
        self,
        save_to: str | os.PathLike[str] | Destination | None,
        *,
        save_gradients: bool,
        device: torch.device | str | None = None,
        is_converted: bool = False,
    ) -> None:
        self.watch = GradientKeeper() if save_gradients else None
        target = save_to if save_to is None or isinstance(save_to, Destination) else Destination(save_to)
        self.store = None if target is None else Stream(target)
        self._device = None if device is None else torch.device(device)
        self._is_converted = is_converted

    def given(self, recording: Recording) -> dict[str, Any]:
        """What a history is built with: tensors, outputs, gradients, and who saves them."""
        watch = self.watch
        if self.store is not None:
            tensors = self.store.tensors(has_gradients=watch is not None, device=self._device)
        else:
            tensors = recording.tensors
            if watch is not None and not self._is_converted:  # a loss can be made of the output layers as well
                outputs = zip(recording.trace.outputs, watch.outputs, strict=False)
                tensors = tensors.replace({key: tensor for key, tensor in outputs if key in tensors})
        return {
            "tensors": tensors,
            "outputs": None if watch is None else watch.outputs,
            "gradients": watch,
            "tensor_files": HistoryFiles(tensors, watch),
        }

    def finish(self, history: ModelHistory) -> None:
        """Makes the folder whole, if there is one."""
        if self.store is not None:
            self.store.finish(history)

    def __enter__(self) -> Keeping:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.store is not None:
            self.store.folder.__exit__(kind, error, trace)
