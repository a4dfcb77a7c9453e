"""What is looked at: one number a layer, from a forward and a backward pass that change nothing."""

from bpexp.probes.equations import PROBES
from bpexp.probes.measures import Prober, norm

__all__ = ["PROBES", "Prober", "norm"]
