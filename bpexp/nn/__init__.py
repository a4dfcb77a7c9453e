"""Networks of layers in NumPy alone: tables of choices, stacks of networks, propagation."""

from bpexp.nn.activations import ACTIVATIONS
from bpexp.nn.architecture import Architecture
from bpexp.nn.choices import Choice
from bpexp.nn.costs import COSTS
from bpexp.nn.initializers import INITIALIZERS
from bpexp.nn.layers import LAYERS
from bpexp.nn.network import Network
from bpexp.nn.optimizers import OPTIMIZERS

__all__ = [
    "ACTIVATIONS",
    "COSTS",
    "INITIALIZERS",
    "LAYERS",
    "OPTIMIZERS",
    "Architecture",
    "Choice",
    "Network",
]
