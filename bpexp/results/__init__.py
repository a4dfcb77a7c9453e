"""Result tables: tidy pandas frames of a study, from its record or from a tracking store.

Each row is about one network. Theory's predictions, in columns theory/... and in rows with source
"theory", are averages over draws of the weights in the limit of large width. Loaders do not average
over seeds; `bpexp.analysis.averages` does.

Every frame begins with the run's own columns: `run` (its identity), `name`, `algorithm`, `attempt`,
and the configuration under its override keys (`activation`, `activation.negative_slope`, `depth`,
...). A key that a later version added has its neutral value in older runs. Columns of choices
(`activation`, `init`, `skip`, ...), of `dtype` and of verdicts are ordered categories in the order
of their tables, which is the order in which seaborn draws them. Metrics have the names of
`bpexp.record.metrics`.
"""

from bpexp.analysis.paired import paired_differences
from bpexp.results.predictions import predictions
from bpexp.results.studies import (
    load_curves,
    load_layers,
    load_measurements,
    load_network,
    load_runs,
    load_spectra,
    load_tables,
    load_theory,
)
from bpexp.results.tables import Tables

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
    "predictions",
]
