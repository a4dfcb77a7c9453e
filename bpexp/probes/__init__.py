"""Instruments: what can be measured of a network, and measuring it, which changes nothing."""

from bpexp.probes.instruments import INSTRUMENTS, Instrument
from bpexp.probes.measurer import Measurer
from bpexp.probes.network import ProbedNetwork
from bpexp.probes.statistics import LayerStatistics

__all__ = ["INSTRUMENTS", "Instrument", "LayerStatistics", "Measurer", "ProbedNetwork"]
