"""How are the parts of a trace numbered?

Each kind of thing has numbers of its own type, so that a checker notices when one is taken for another.  All of them
are indices or counts within one trace and mean nothing outside it.
"""

from typing import NewType

OperationId = NewType("OperationId", int)
"""Index of an operation in `Trace.operations`."""
CallId = NewType("CallId", int)
"""Number of a function call; operations returned by one call share it."""
ModuleCallId = NewType("ModuleCallId", int)
"""Index of a module call in `Trace.module_calls`."""
ModuleId = NewType("ModuleId", int)
"""Index of a module in `Trace.modules`; 0 is the model itself."""
ParameterId = NewType("ParameterId", int)
"""Index of a parameter in `Trace.parameters`."""
BufferId = NewType("BufferId", int)
"""Index of a buffer in `Trace.buffers`."""
