"""What theory says of the runs of a study, in the columns of what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from bpexp.config import Config, flatten
from bpexp.data import Dataset, load_once
from bpexp.errors import BpexpError
from bpexp.journal import History
from bpexp.nn import Choice
from bpexp.predictions import forecast_run, predicted_layers, predicted_moments
from bpexp.results.frames import typed
from bpexp.tables import Columns, flat_name
from bpexp.theory import critical_line

LENGTHS = np.geomspace(1e-3, 30, 60)  # q* along a critical line


Known = tuple[Config, Dataset]
"""What theory needs of a run."""


def known(history: History) -> Known | None:
    """Return what theory needs of a run; None if its data set is not at hand, or not the same.

    None too if its configuration is of a version that had other keys.
    """
    try:
        config = Config.of(history.start["config"])
        data = load_once(config.data.name, **config.data.parameters)
    except BpexpError:
        return None
    return (config, data) if data.digest == history.start["digest"] else None


def theory_columns(run: Known | None) -> Columns:
    """Predict a run's probes at step 0, a row a layer; none if theory does not know the run."""
    return predicted_layers(*run) if run else {}


def forecast_row(run: Known | None) -> dict[str, Any]:
    """Forecast a run: theory/... by name; empty if theory does not know it."""
    if run is None:
        return {}
    told = {**asdict(forecast_run(*run)), **predicted_moments(*run)}
    return {f"theory/{flat_name(name)}": value for name, value in told.items()}


def plane(activations: Iterable[Choice], runs: pd.DataFrame) -> pd.DataFrame:
    """Put each activation's critical line, source "theory", above the runs' points.

    Args:
        activations: each once.
        runs: a row a run, with theory/...
    """
    lines = []
    for choice in activations:
        sigma_w2, sigma_b2 = critical_line(choice, LENGTHS)
        line = pd.DataFrame({"theory/sigma_w2": sigma_w2, "theory/sigma_b2": sigma_b2})
        named = flatten({"activation": {"name": choice.name, **choice.parameters}})
        lines.append(typed(line.assign(source="theory", **named)))
    return pd.concat([*lines, runs.assign(source="measured")], ignore_index=True)
