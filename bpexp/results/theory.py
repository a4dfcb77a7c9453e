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
from bpexp.predictions import forecast_run, predicted_layers, predicted_moments
from bpexp.results.frames import Columns, typed
from bpexp.tables import flat_name
from bpexp.theory import critical_line

LENGTHS = np.geomspace(1e-3, 30, 60)  # q* along a critical line


def theory_columns(history: History) -> Columns:
    """Predict a run's probes at step 0, a row a layer; none where its data are not at hand."""
    known = _known(history)
    return predicted_layers(*known) if known else {}


def forecast_row(history: History) -> dict[str, Any]:
    """Forecast a run: theory/... by name; empty where its data are not at hand."""
    known = _known(history)
    if known is None:
        return {}
    told = {**asdict(forecast_run(*known)), **predicted_moments(*known)}
    return {f"theory/{flat_name(name)}": value for name, value in told.items()}


def plane(histories: Iterable[History], runs: pd.DataFrame) -> pd.DataFrame:
    """Put each activation's critical line, source "theory", above the runs' points.

    Args:
        histories: a run of each activation, its data at hand.
        runs: a row a run, with theory/...
    """
    known = [config for config, _ in filter(None, map(_known, histories))]
    lines = []
    for choice in dict.fromkeys(config.activation for config in known):
        sigma_w2, sigma_b2 = critical_line(choice, LENGTHS)
        line = pd.DataFrame({"theory/sigma_w2": sigma_w2, "theory/sigma_b2": sigma_b2})
        named = flatten({"activation": {"name": choice.name, **choice.parameters}})
        lines.append(typed(line.assign(source="theory", **named)))
    return pd.concat([*lines, runs.assign(source="measured")], ignore_index=True)


def _known(history: History) -> tuple[Config, Dataset] | None:
    """Return what theory needs of a run; None if its data set is not at hand, or not the same.

    None too if its configuration is of a version that had other keys.
    """
    try:
        config = Config.of(history.start["config"])
        data = load_once(config.data.name, **config.data.parameters)
    except BpexpError:
        return None
    return (config, data) if data.digest == history.start["digest"] else None
