"""Result tables: tidy pandas frames of a study, from its journals or from a tracking server.

Every frame starts with the run's own columns: `run` (its identity), `name`, and the configuration
under its override keys (`activation`, `activation.negative_slope`, `depth`, ...).
`activation`, `init`, `cost`, `optimizer`, `data`, `dtype` and `verdict` are categories in the order
of their tables, so that seaborn's order is right. Metrics bear the names of `bpexp.record.metrics`.
"""

from bpexp.analysis.paired import paired_differences
from bpexp.results.studies import (
    Tables,
    load_curves,
    load_layers,
    load_measurements,
    load_network,
    load_runs,
    load_spectra,
    load_tables,
    load_theory,
)

__all__ = [
    "Tables",
    "load_curves",
    "load_layers",
    "load_measurements",
    "load_network",
    "load_runs",
    "load_spectra",
    "load_tables",
    "load_theory",
    "paired_differences",
]
