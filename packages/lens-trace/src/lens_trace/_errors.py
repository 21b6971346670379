"""What can go wrong, and what to do about it.

    TraceError                      a model or an argument that cannot be traced
    ├── NotAModuleError             (also TypeError) the model is no torch.nn.Module
    ├── ShardedModelError           FSDP or offloaded: the weights are not here
    ├── MixedDevicesError           model and inputs live on different devices
    ├── CudaGraphError              the model captures or replays a CUDA graph
    └── SelectionError              (also TypeError) `keep` is no predicate, or names what the model lacks
    NotSavedError                   (KeyError) the value asked for was not kept
    ChangedTensorError              (RuntimeError) a saved value was written after it was saved
    StopTrace                       (BaseException) raised by a sink to end the pass early; trace() returns what it has

An exception that the model itself raises keeps its type and traceback.  It gains a note that names the operation and
the module, and carries what was recorded so far as `error.lens_recording`.
"""


class TraceError(Exception):
    """A model or an argument that cannot be traced; the message says the way out."""


class NotAModuleError(TraceError, TypeError):
    """The model is no `torch.nn.Module`."""


class ShardedModelError(TraceError):
    """The parameters live elsewhere (FSDP, offloading), so one process cannot see the pass."""


class MixedDevicesError(TraceError):
    """The model's parameters and the inputs live on different devices."""


class CudaGraphError(TraceError):
    """The model captures or replays a CUDA graph, inside which nothing can be seen."""


class SelectionError(TraceError, TypeError):
    """`keep` is no predicate on operations, or it names something that the model does not have."""


class NotSavedError(KeyError):
    """The value of this operation was not kept."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ChangedTensorError(RuntimeError):
    """A saved value was written after it was saved, so its numbers are no longer those of the pass."""


class StopTrace(BaseException):
    """Raise this in a sink to end the forward pass; `trace` then returns the partial recording.

    It derives from BaseException so that no `except Exception` in the model swallows it.
    """
