"""bpexp: why deep networks are hard to train, measured layer by layer.

In a notebook, without Hydra and MLflow:

    import bpexp
    digits = bpexp.load_data("digits")
    net = bpexp.Network.create([64, 32, 32, 10], activation="sigmoid")
    history = bpexp.train(net, digits, lr=0.1, epochs=20)
    net.gradients(digits.x_train, digits.y_train)

Running a sweep and loading its frames:

    study = bpexp.sweep(activation=["sigmoid", "relu"], depth=[2, 4, 8])
    runs = bpexp.load_runs(study)
    layers = bpexp.load_layers(study)
    net = bpexp.load_network(runs.iloc[0])

A study of the command line is loaded by its name: bpexp.load_runs("bpexp").
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from bpexp.version import VERSION

if TYPE_CHECKING:
    from bpexp import register
    from bpexp.__main__ import main
    from bpexp.analysis.precision import audit, match_precisions
    from bpexp.bridge import diagnose, from_sklearn, from_torch, to_torch, watch
    from bpexp.data import load as load_data
    from bpexp.data.given import dataset
    from bpexp.nn import Choice, Network
    from bpexp.record.studies import Study
    from bpexp.remedying import remedies
    from bpexp.results import (
        load_curves,
        load_layers,
        load_measurements,
        load_network,
        load_runs,
        load_spectra,
        load_tables,
        load_theory,
        paired_differences,
        predictions,
    )
    from bpexp.sweeping.python import sweep
    from bpexp.training import train

__version__ = VERSION

__all__ = [
    "Choice",
    "Network",
    "Study",
    "audit",
    "dataset",
    "diagnose",
    "from_sklearn",
    "from_torch",
    "load_curves",
    "load_data",
    "load_layers",
    "load_measurements",
    "load_network",
    "load_runs",
    "load_spectra",
    "load_tables",
    "load_theory",
    "main",
    "match_precisions",
    "paired_differences",
    "predictions",
    "register",
    "remedies",
    "sweep",
    "to_torch",
    "train",
    "watch",
]

# Imported at first use: the result tables import pandas, which workers do not need.
_HOMES = {
    "Choice": "bpexp.nn",
    "Network": "bpexp.nn",
    "Study": "bpexp.record.studies",
    "audit": "bpexp.analysis.precision",
    "dataset": "bpexp.data.given",
    "diagnose": "bpexp.bridge",
    "from_sklearn": "bpexp.bridge",
    "from_torch": "bpexp.bridge",
    "load_curves": "bpexp.results",
    "load_data": "bpexp.data",
    "load_layers": "bpexp.results",
    "load_measurements": "bpexp.results",
    "load_network": "bpexp.results",
    "load_runs": "bpexp.results",
    "load_spectra": "bpexp.results",
    "load_tables": "bpexp.results",
    "load_theory": "bpexp.results",
    "main": "bpexp.__main__",
    "match_precisions": "bpexp.analysis.precision",
    "paired_differences": "bpexp.results",
    "predictions": "bpexp.results",
    "register": "bpexp.register",
    "remedies": "bpexp.remedying",
    "sweep": "bpexp.sweeping.python",
    "to_torch": "bpexp.bridge",
    "train": "bpexp.training",
    "watch": "bpexp.bridge",
}


def __dir__() -> list[str]:
    """Return the public names, including those that are not imported yet."""
    return __all__


def __getattr__(name: str) -> Any:
    """Import a public name from the subpackage that defines it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'bpexp' has no attribute {name!r}")
    module = importlib.import_module(_HOMES[name])
    if name == "register":  # plug-ins themselves begin with it
        return module
    importlib.import_module("bpexp.register").load_plugins()
    return getattr(module, "load" if name == "load_data" else name)
