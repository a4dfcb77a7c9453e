"""Instruments: quantities of a network, and their measurement, which does not change it."""

from bpexp.probes.instruments import INSTRUMENTS, Instrument
from bpexp.probes.measurer import Measurer
from bpexp.probes.network import ProbedNetwork
from bpexp.probes.statistics import LayerStatistics

__all__ = ["INSTRUMENTS", "Instrument", "LayerStatistics", "Measurer", "ProbedNetwork"]
