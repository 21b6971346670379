"""See inside any PyTorch model: every activation, the graph as a picture, and proof that it is right."""

from lens_graph import ExistingPathError, LoadError, ModelHistory, SaveError, Selector
from lens_torch._activations import get_model_activations
from lens_torch._check import validate_saved_activations
from lens_torch._errors import LensTorchError, MemoryBudgetError, StimuliError, TraceDivergedError
from lens_torch._flops import FlopCount, count_flops
from lens_torch._load import load
from lens_torch._partial import partial_history
from lens_torch._plan import Plan, plan
from lens_torch._proof import Proof, prove_activations, validation_table
from lens_torch._show import show_model_graph
from lens_torch._stimuli import Stimuli, load_stimuli, start_stimuli
from lens_torch._stream import Destination
from lens_torch._structure import get_model_structure
from lens_viz import ModelGraph, check_ending, draw, write

__all__ = [
    "Destination",
    "ExistingPathError",
    "FlopCount",
    "LensTorchError",
    "LoadError",
    "MemoryBudgetError",
    "ModelGraph",
    "ModelHistory",
    "Plan",
    "Proof",
    "SaveError",
    "Selector",
    "Stimuli",
    "StimuliError",
    "TraceDivergedError",
    "check_ending",
    "count_flops",
    "draw",
    "get_model_activations",
    "get_model_structure",
    "load",
    "load_stimuli",
    "partial_history",
    "plan",
    "prove_activations",
    "show_model_graph",
    "start_stimuli",
    "validate_saved_activations",
    "validation_table",
    "write",
]
